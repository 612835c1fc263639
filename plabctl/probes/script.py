"""What is sent to a node so that a stage runs there, and runs there no longer than it may.

Pure. Only `sh` is needed on the node. The command line passes through the login shell of the account, which may be
csh or fish, so it holds nothing that any of them reads differently. See `plabctl.probes.remote` for the sending.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from plabctl.core.assignment import Assignment

MARK = b"\x1eplabctl\x1e"
"""Printed before the recipe's own first command: what stands before it is noise of the node's shell start-up files."""

KILL_GRACE_S = 5
"""Seconds between TERM and KILL on the node."""

_MAX_ARGUMENT = 24 * 1024
# Code that every login shell passes on as it is between single quotes, and values that need no quotes at all.
_PLAIN_CODE = re.compile(r"[\t -~]*")
_NOT_PLAIN = frozenset("'!\\")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9%+,./:@_-]*")
_ODD = re.compile(rb"[^A-Za-z0-9 \t#&()*+,./:;<=>?@\[\]^_{|}~-]")
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")

_BOUNDED = "exec timeout -k {grace} {seconds} sh -c {code}"
# Without the unpacking that odd characters ask for, which costs the node a process.
_PLAIN = """'printf "\\036plabctl\\036";{exports}code=$1;shift;eval "$code"' sh '{code}'"""
# For nodes without `timeout -k`: a subshell that survives its own TERM ends the process group, or at least the shell.
_GUARDED = (
    "exec sh -c "
    '\'exec 3<&0; sh -c "$1" <&3 3<&- & p=$!; '
    '(trap "" TERM; sleep {seconds}; kill -TERM -$$ || kill -TERM $p; '
    "sleep {grace}; kill -KILL -$$ || kill -KILL $p) >/dev/null 2>&1 3<&- & w=$!; "
    "wait $p; s=$?; kill -KILL $w; exit $s' sh {code}"
)


@dataclass(frozen=True, slots=True)
class Sending:
    """A command line for the node's login shell, and what goes to its standard input (mostly nothing)."""

    command: str
    stdin: bytes = b""


def values_of(assignment: Assignment, vnode: str | None = None) -> dict[str, str]:
    """Return what the placeholders of a recipe stand for: the node's variables, and over them our own four."""
    return {
        **assignment.node.variables,
        "node": assignment.node.name,
        "vnode": assignment.vnode if vnode is None else vnode,
        "pool": assignment.pool,
        "experiment": assignment.experiment,
    }


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """Return `values` as environment variables: `PLABCTL_` and the name in capitals, odd characters as `_`."""
    ours = ("node", "vnode", "pool", "experiment")
    ordered = [name for name in values if name not in ours] + [name for name in ours if name in values]
    return {f"PLABCTL_{_NOT_IN_NAMES.sub('_', name.upper())}": values[name].replace("\0", "") for name in ordered}


def wrap(text: str, variables: Mapping[str, str], timeout_s: float, *, has_timeout: bool = True) -> Sending:
    """Return how to send the shell code `text` so that it is ended on the node after `timeout_s`.

    `has_timeout` says whether the node has coreutils' or busybox' `timeout -k`; else a watchdog in plain sh stands in.
    """
    form = _BOUNDED if has_timeout else _GUARDED
    seconds = max(1, math.ceil(timeout_s))
    if has_timeout and _is_plain(text, variables):
        assignments = "".join(f"export {name}={value};" for name, value in variables.items())
        return Sending(
            form.format(grace=KILL_GRACE_S, seconds=seconds, code=_PLAIN.format(exports=assignments, code=text))
        )
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    head = f"printf '\\036plabctl\\036'\nexport {exports}\n" if exports else "printf '\\036plabctl\\036'\n"
    script = (head + text).encode("utf-8", "replace")
    if len(packed := _pack(script)) <= _MAX_ARGUMENT:
        return Sending(form.format(grace=KILL_GRACE_S, seconds=seconds, code=packed))
    return Sending(form.format(grace=KILL_GRACE_S, seconds=seconds, code="""'eval "$(cat)"'"""), script)


def _is_plain(text: str, variables: Mapping[str, str]) -> bool:
    if len(text) + sum(map(len, variables.values())) > _MAX_ARGUMENT // 2:
        return False
    is_code = _PLAIN_CODE.fullmatch(text) is not None and _NOT_PLAIN.isdisjoint(text)
    return is_code and all(_PLAIN_VALUE.fullmatch(value) for value in variables.values())


def _pack(script: bytes) -> str:
    """Return `script` as one argument in single quotes without quotes, newline, `!` or backslash-newline inside."""
    text = _ODD.sub(lambda match: b"\\%03o" % ord(match.group()), script.rstrip(b"\n")).decode("ascii")
    return f"""'eval "$(printf "{text}")"'"""
