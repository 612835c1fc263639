"""Stages that still run on a node after we were killed or the network broke.

Pure. A set-up under way would finish after its vnode was torn down, and what it made would stay for ever. So before the
leftovers of an earlier probe are torn down, that probe's stages are ended.
Tests: `tests/probes/test_probe_run.py`.
"""

from __future__ import annotations

import shlex

SIGN = "036plabctl"
"""What stands in the command line of every stage: the octal form in which it prints its mark."""

# Every stage names its vnode as a variable in its command line, so that no other word is taken for it.
# A stage leads a process group of its own, so that what it started ends with it. A vnode leads another one, or none:
# it may carry the same words, but it is the recipe that knows how to end it. Without a /proc nothing is found. The grep
# of busybox sees only the first word of a command line, so that all of them are looked through one by one there.
END = f"""(
holds() {{ file=$1; shift; tr '\\0' '\\n' <"$file" | grep -Fqs "$@"; }}
candidates() {{
  if printf 'a\\0b' | grep -Fqs -e b; then grep -Fls -e {SIGN} /proc/[0-9]*/cmdline; return; fi
  for file in /proc/[0-9]*/cmdline; do holds "$file" -e {SIGN} && echo "$file"; done
}}
for file in $(candidates); do
  holds "$file" -e "PLABCTL_VNODE=$PLABCTL_VNODE;" -e "PLABCTL_VNODE=$PLABCTL_VNODE " || continue
  pid=${{file#/proc/}}; pid=${{pid%/cmdline}}; n=0
  read -r _ _ _ _ group _ <"/proc/$pid/stat" || continue
  [ "$group" = "$pid" ] && [ "$pid" != $$ ] && [ "$pid" != $PPID ] || continue
  kill -TERM "-$pid"
  while [ -d "/proc/$pid" ] && [ $n -lt 10 ]; do n=$((n+1)); sleep 0.1 || sleep 1; done
  kill -KILL "-$pid"
done
) </dev/null >/dev/null 2>&1
"""
"""Shell code that ends the stages of the vnode `$PLABCTL_VNODE` that still run, but for the one that it is part of."""


def sign_stage(text: str, vnode: str) -> str:
    """Return the code of a stage such that its command line tells whose it is; its lines keep their numbers."""
    return f": {SIGN} PLABCTL_VNODE={shlex.quote(vnode)}; {text}"
