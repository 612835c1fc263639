"""The recipes for containers: `podman`, `docker` and `nspawn`.

Pure. Set-up begins by removing what an earlier try of the same vnode left, teardown is content when nothing is there,
and any number of them may be on one node. `docs/recipes.md` says what they need.
"""

from __future__ import annotations

from plabctl.core.recipe import Recipe, Stage
from plabctl.probes.recipe_snippets import LIFE, PAUSE, ROOT
from plabctl.values import replace

# Where the engine does not answer, a mark tells whether there may be something: else each test would leave a container.
_CONTAINER = """
engine=ENGINE v={vnode} mark=/run/plabctl-{vnode}
named() {
  names=$($engine ps -a --format '{{.Names}}' 2>&1) || {
    [ -e "$mark" ] || return 1
    echo "$engine does not list its containers: $names"; exit 1
  }
  printf '%s\\n' "$names" | grep -Fxq -e "$v"
}
remove() {
  if named; then
    $engine kill "$v" >/dev/null 2>&1
    said=$($engine rm -f "$v" 2>&1)
    ! named || { echo "the container cannot be removed: $said"; return 1; }
  fi
  rm -f "$mark"
}
"""

_CONTAINER_SETUP = (
    LIFE
    + ROOT
    + _CONTAINER
    + """
command -v $engine >/dev/null || { echo "$engine is not installed"; exit 1; }
said=$($engine ps 2>&1) || { echo "$engine does not answer: $said"; exit 1; }
remove || exit 1
image=${PLABCTL_IMAGE:-localhost/plabctl}
network="--network=none"
case ${OPTIONS:-} in *--net*) network=;; esac
: >"$mark" || { echo "cannot write to $mark"; exit 1; }
said=$($engine run --detach --rm --name "$v" --pull=never $network ${OPTIONS:-} "$image" /bin/sh -c '
  trap "exit 0" TERM; n=0
  while [ "$1" = 0 ] || [ $n -lt "$1" ]; do sleep 1; n=$((n+1)); done
' sh "$life" 2>&1) || { echo "no container of image $image can be started: $said"; exit 1; }
"""
)

_CONTAINER_UP = (
    _CONTAINER
    + """
said=$($engine inspect --format '{{.State.Running}}' "$v" 2>&1)
[ "$said" = true ] || { echo "the container does not run: $said"; exit 1; }
"""
)

_CONTAINER_CHECK = (
    _CONTAINER_UP
    + """
said=$($engine exec "$v" /bin/sh -c 'echo "$1" >/plabctl && read -r said </plabctl && echo "$said"' sh "$v" 2>&1)
[ "$said" = "$v" ] || { echo "a command in the container cannot write and read back: $said"; exit 1; }
"""
)

# Where the engine was never installed, nothing of it can be left.
_CONTAINER_TEARDOWN = (
    _CONTAINER
    + """
command -v $engine >/dev/null || exit 0
remove
"""
)


def _build_recipe(engine: str) -> Recipe:
    options = f"PLABCTL_{engine.upper()}_OPTIONS"

    def stage(text: str, timeout_s: float) -> Stage:
        return Stage(run=text.replace("ENGINE", engine).replace("OPTIONS", options), timeout_s=timeout_s)

    return Recipe(
        name=engine,
        help=f"a container of {engine}, of an image on the node, in which something is written and read back",
        setup=stage(_CONTAINER_SETUP, 300),
        up=replace(stage(_CONTAINER_UP, 120), every_s=1),
        check=stage(_CONTAINER_CHECK, 60),
        teardown=stage(_CONTAINER_TEARDOWN, 120),
    )


PODMAN = _build_recipe("podman")
DOCKER = _build_recipe("docker")

# A machine's name is a host name of at most 64 characters. Nobody keeps a list of the machines that are not registered,
# so they are found by their command lines: the supervisor, and what runs in the container and may outlive it. Where
# there is no systemd, there is no unit to leave.
_NSPAWN = f"""
PATH=$PATH:/usr/sbin:/sbin; export PATH
m=$(printf %s {{vnode}} | tr -c 'a-zA-Z0-9-' -)
[ "$m" = {{vnode}} ] && [ ${{#m}} -le 64 ] ||
  m=$(printf %.48s "$m")-$(printf %s {{vnode}} | cksum | cut -d ' ' -f 1)
dir=/run/plabctl-$m
pids() {{
  for file in $(grep -Fls -e "$1" /proc/[0-9]*/cmdline); do
    tr '\\0' '\\n' 2>/dev/null <"$file" | grep -Fxq -e "$1" || continue
    file=${{file%/cmdline}}; echo "${{file#/proc/}}"
  done 2>/dev/null
}}
remove() {{
  n=0
  while found=$(pids "plabctl-machine=$m") && [ -n "$found" ] && [ $n -lt 40 ]; do
    if [ $n -lt 10 ]; then kill $found; else kill -9 $found; fi 2>/dev/null
    n=$((n+1)); {PAUSE}
  done
  [ -z "$found" ] || {{ echo "systemd-nspawn does not end:" $found; return 1; }}
  rmdir "/run/systemd/nspawn/propagate/$m" 2>/dev/null
  rm -rf "$dir"
  [ ! -e "$dir" ] || {{ echo "$dir cannot be removed"; return 1; }}
}}
"""

_NSPAWN_SETUP = (
    LIFE
    + ROOT
    + _NSPAWN
    + """
command -v systemd-nspawn >/dev/null || { echo "systemd-nspawn (systemd-container) is not installed"; exit 1; }
remove || exit 1
mkdir -m 700 "$dir" || { echo "cannot make $dir"; exit 1; }
keep=; [ -d /run/systemd/system ] || keep=--keep-unit
root=${PLABCTL_NSPAWN_ROOT:-/} volatile=overlay; [ "$root" != / ] || volatile=yes
setsid systemd-nspawn --quiet --register=no $keep --machine="$m" --directory="$root" --volatile=$volatile --as-pid2 \\
  --private-network --console=pipe ${PLABCTL_NSPAWN_OPTIONS:-} /bin/sh -c '
  echo ready; n=0
  while [ "$1" = 0 ] || [ $n -lt "$1" ]; do sleep 1; n=$((n+1)); done
' "plabctl-machine=$m" "$life" </dev/null >"$dir/log" 2>&1 &
n=0
while ! grep -Fxq ready "$dir/log" && [ $n -lt 20 ]; do
  kill -0 $! 2>/dev/null || { echo "systemd-nspawn does not start: $(tail -n 1 "$dir/log")"; exit 1; }
  n=$((n+1)); sleep 0.1 2>/dev/null || sleep 1
done
"""
)

_NSPAWN_UP = (
    _NSPAWN
    + """
[ -e "$dir" ] || { echo "the container is gone"; exit 1; }
[ -n "$(pids "--machine=$m")" ] || { echo "systemd-nspawn has ended: $(tail -n 1 "$dir/log")"; exit 1; }
grep -Fxq ready "$dir/log" || { echo "the container is not ready: $(tail -n 1 "$dir/log")"; exit 1; }
"""
)

_NSPAWN_CHECK = (
    _NSPAWN_UP
    + """
supervisor=$(pids "--machine=$m") # while it starts, its children look like it
first=$(cat "/proc/$supervisor/task/$supervisor/children" 2>/dev/null || ps -o pid= --ppid "$supervisor")
said=$(nsenter --target "${first%% *}" --all -- /bin/sh -c '
  echo "$1" >/tmp/plabctl && read -r said </tmp/plabctl && echo "$said"' sh "$m" 2>&1)
[ "$said" = "$m" ] || { echo "a command in the container cannot write and read back: $said"; exit 1; }
"""
)

NSPAWN = Recipe(
    name="nspawn",
    help="a container of systemd-nspawn over the node's own `/usr`, or over any tree that has a `/bin/sh`",
    setup=Stage(run=_NSPAWN_SETUP, timeout_s=120),
    up=Stage(run=_NSPAWN_UP, timeout_s=120, every_s=1),
    check=Stage(run=_NSPAWN_CHECK, timeout_s=60),
    teardown=Stage(run=_NSPAWN + "remove\n", timeout_s=60),
)
