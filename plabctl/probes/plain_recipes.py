"""The recipes that need nothing but a shell on the node: `process`, the default, and `command`.

Pure. No privilege is needed for either.
"""

from __future__ import annotations

from plabctl.core.recipe import Recipe, Stage
from plabctl.probes.recipe_snippets import LIFE

# The vnode: a process that says that it is ready and stays, in a directory that is its alone.
_SETUP = f"""
umask 077
dir=${{TMPDIR:-/tmp}}/plabctl-{{vnode}}
said=$(mkdir -m 700 "$dir" 2>&1) || {{ echo "cannot make the vnode's directory: $said"; exit 1; }}
cd / || exit 1
{LIFE}
sh -c '
  echo ready >"$0/ready"; n=0
  while [ -e "$0/ready" ] && {{ [ "$1" = 0 ] || [ $n -lt "$1" ]; }}; do sleep 1; n=$((n+1)); done
' "$dir" "$life" </dev/null >/dev/null 2>&1 &
echo $! >"$dir/pid" || {{ echo "cannot write to $dir: is its file system full?"; exit 1; }}
"""

# Its number alone proves nothing, as numbers are used again: where there is a /proc, its command line must name us.
_FIND = """
dir=${TMPDIR:-/tmp}/plabctl-{vnode}
pid=$(cat "$dir/pid" 2>/dev/null)
ours() {
  case $pid in ''|*[!0-9]*) return 1;; esac
  [ -r /proc/self/cmdline ] || { kill -0 "$pid" 2>/dev/null; return; }
  # By lines: the grep of busybox sees nothing behind the first word.
  tr '\\0' '\\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -Fqs -e "$dir"
}
"""

_UP = (
    _FIND
    + """
ours || { echo "the vnode's process is gone"; exit 1; }
[ -s "$dir/ready" ] || { echo "the vnode's process is not ready"; exit 1; }
"""
)

# 32 KiB, so that a file system that is nearly full is noticed, and not only by its last inode. And a little where the
# files of users are: a disk that went read-only leaves a /tmp in memory as it was. A home that is not ours to write in,
# as of an account for services, says nothing.
_CHECK = (
    _UP
    + """
home=$HOME
[ -d "$home" ] && [ "$home" != / ] || home=/var/tmp
file=$home/.plabctl-{vnode}
said=$( { echo {vnode} >"$file"; } 2>&1 ) && [ "$(cat "$file")" = {vnode} ] || case $said in
  *ermission*denied*) ;;
  *) rm -f "$file"; echo "cannot write to $home and read it back: $said"; exit 1;;
esac
rm -f "$file"
text=$(printf '%01024d' 0) && text=$text$text$text$text && text=$text$text$text$text$text$text$text$text
said=$( { printf '%s' "$text" >"$dir/data"; } 2>&1 ) && [ "$(cat "$dir/data")" = "$text" ] || {
  echo "cannot write 32 KiB to $dir and read them back: is its file system full? $said"; exit 1; }
rm -f "$dir/data"
"""
)

_TEARDOWN = (
    _FIND
    + """
for home in "$HOME" /var/tmp; do rm -f "$home/.plabctl-{vnode}" 2>/dev/null; done
rm -f "$dir/ready"
n=0
while ours && [ $n -lt 40 ]; do
  if [ $n -lt 20 ]; then kill "$pid"; else kill -9 "$pid"; fi 2>/dev/null
  n=$((n+1)); sleep 0.1 2>/dev/null || sleep 1
done
ours && { echo "the vnode's process $pid does not end"; exit 1; }
rm -rf "$dir"
[ ! -e "$dir" ] || { echo "$dir cannot be removed"; exit 1; }
"""
)

PROCESS = Recipe(
    name="process",
    help="a process in a directory of its own, found alive and made to write and read",
    setup=Stage(run=_SETUP, timeout_s=600),
    up=Stage(run=_UP, timeout_s=600, every_s=1),
    check=Stage(run=_CHECK, timeout_s=60),
    teardown=Stage(run=_TEARDOWN, timeout_s=300),
)
COMMAND = Recipe(
    name="command",
    help="a login that runs `true`, with nothing set up",
    check=Stage(run="true", timeout_s=60),
)
