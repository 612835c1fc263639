"""What is sent to a node so that stages run there, and run there no longer than they may.

Pure. Only `sh` is needed on the node. The login shell of the account, which may be csh or fish, is asked once for each
connection to become `sh`; that one reads the stages from its standard input, one after the other. Go on with
`plabctl.probes.frame` for what comes back, and with `plabctl.probes.remote_shell` for the sending.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping

from plabctl.core.assignment import Assignment
from plabctl.core.names import build_variable_name
from plabctl.core.recipe import NO_OPINION, Become
from plabctl.probes import sudo

SHELL = "exec sh"
"""The command line for the login shell: every one of them can do that."""

PROLOGUE = b"exec 2>/dev/null\n"
"""What `sh` is told first: its own remarks, such as that a stage was killed, are none of the stage's words."""

KILL_GRACE_S = 5
"""Seconds between TERM and KILL on the node."""

_MAX_ARGUMENT = 96 * 1024
"""Bytes of code that go into one argument: Linux takes 128 KiB, with its quotes."""

OURS = ("node", "vnode", "pool", "experiment")
_OURS = frozenset(f"PLABCTL_{name.upper()}" for name in OURS)

# A stage that comes to run when nobody reads it any more must not begin: see `plabctl.probes.shell_start`.
_HEAD = "exec 2>&1; printf '\\036plabctl\\036' || exit\n"
# Whether a command can be started with that many variables. If not, it is no fault of the node: no opinion.
_FIT = f"; sh -c : || {{ echo 'the labels of this node are too long for its commands'; exit {NO_OPINION}; }}; "
_BOUNDED = "timeout -k {grace} {seconds} sh -c {code} sh $$ {input}; printf '\\036plabctl {number} %d\\036' $?\n"
# The `timeout` of busybox makes no process group and signals one process alone: what that started would go on, and
# nobody could end it. It is seen by the group, which is then that of the `sh` that reads the stages, our argument.
_GROUPED = (
    "read -r _ _ _ _ plabctl_own _ </proc/$$/stat && read -r _ _ _ _ plabctl_group _ </proc/$1/stat && "
    '[ "$plabctl_own" = "$plabctl_group" ] && exit 125; shift\n'
)
# For nodes without a `timeout` that fits: a subshell that survives its own TERM ends the process group, or at least the
# shell. It takes the place of the `sh` that reads the stages, because that one leads the process group; under dropbear,
# where it is in the group of the server's process, it is made to. It sleeps a second at a time, as its last sleep
# outlives it.
_GUARDED = (
    "read -r _ _ _ _ plabctl_group _ </proc/$$/stat && "
    '[ "$plabctl_group" != $$ ] && setsid true && plabctl_lead=setsid; '
    "exec $plabctl_lead sh -c "
    '\'exec 3<&0; sh -c "$1" <&3 3<&- & p=$!; '
    '(trap "" TERM; n=0; while [ $n -lt {seconds} ]; do sleep 1; n=$((n+1)); done; kill -TERM -$$ || kill -TERM $p; '
    "sleep {grace}; kill -KILL -$$ || kill -KILL $p) >/dev/null 2>&1 3<&- & w=$!; "
    "wait $p; s=$?; kill -KILL $w; exit $s' sh {code} {input}\n"
)


def choose_shell(become: Become) -> tuple[str, bytes]:
    """Return the command line by which a login shell becomes the `sh` of the stages, and what that `sh` reads first."""
    if become is Become.SUDO:
        return sudo.SHELL, sudo.PROLOGUE + PROLOGUE
    return SHELL, PROLOGUE


def build_values(assignment: Assignment, vnode: str | None = None) -> dict[str, str]:
    """Return what the placeholders of a recipe stand for: the node's variables, and over them our own four."""
    return {
        **assignment.node.variables,
        "node": assignment.node.name,
        "vnode": assignment.vnode if vnode is None else vnode,
        "pool": assignment.pool,
        "experiment": assignment.experiment,
    }


def build_environment(values: Mapping[str, str]) -> dict[str, str]:
    """Return `values` as environment variables: `PLABCTL_` and the name in capitals, odd characters as `_`."""
    ordered = [name for name in values if name not in OURS] + [name for name in OURS if name in values]
    return {f"PLABCTL_{build_variable_name(name)}": values[name].replace("\0", "") for name in ordered}


def wrap_stage(
    text: str, variables: Mapping[str, str], timeout_s: float, number: int, *, has_timeout: bool = True
) -> bytes:
    """Return what makes the node's `sh` run the shell code `text`, ended after `timeout_s`, as its stage `number`.

    `has_timeout` says whether the node has a `timeout -k` that makes a process group, as that of coreutils does; a
    stage exits with 125 before it begins where it finds that this is not so. Without one a watchdog in plain sh stands
    in, and the node's `sh` ends with the stage.
    """
    check = _GROUPED if has_timeout else ""
    head = check + _HEAD + _export({name: variables[name] for name in variables if name in _OURS})
    labels = _export({name: variables[name] for name in variables if name not in _OURS})
    code, entry, body = head + labels + text, "</dev/null", ""
    if len(code) > _MAX_ARGUMENT // 4 and len(encode(shlex.quote(code))) > _MAX_ARGUMENT:
        if len(encode(labels)) > _MAX_ARGUMENT // 4:
            text = labels.rstrip() + _FIT + text
            labels = ""
        word = _choose_word(text)
        # Our own variables stay in the command line, by which the stage is known.
        code, entry, body = head + labels + 'eval "$(cat)"', f"<<'{word}'", f"{text}\n{word}\n"
    form = _BOUNDED if has_timeout else _GUARDED
    seconds = max(1, math.ceil(timeout_s))
    line = form.format(grace=KILL_GRACE_S, seconds=seconds, code=shlex.quote(code), input=entry, number=number)
    return encode(line + body)


def _export(variables: Mapping[str, str]) -> str:
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    return f"export {exports}\n" if exports else ""


def _choose_word(text: str) -> str:
    word = "PLABCTL"
    while word in text:
        word += "_"
    return word


def encode(text: str) -> bytes:
    """Return `text` in UTF-8; what was no UTF-8 in a script file arrives as it was there."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
