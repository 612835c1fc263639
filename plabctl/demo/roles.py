"""The nodes of the demo: sound ones and faulty ones, named after their faults.

Pure. Only the port of a node and the program `vnode` on it are staged; what plabctl makes of them is real. To add a
fault, add a role here. Go on with `testbed`, which puts them up.
Tests: `tests/demo/test_run.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LEAST = 6
"""The five faults that everybody meets, and one node that is fine."""
ENOUGH_FOR_ALL = 9


class Port(StrEnum):
    """What a node's SSH port does."""

    OPEN = "open"
    REFUSING = "refusing"
    SILENT = "silent"
    FOREIGN_KEY = "foreign-key"
    """It is open, and shows another host key than the one we trust."""


@dataclass(frozen=True, slots=True)
class Role:
    """One node of the demo: its name, what is wrong with it in words (empty: nothing), and how that is staged.

    `probe_error` is shell code that its `vnode create` runs first.
    """

    name: str
    staged: str = ""
    port: Port = Port.OPEN
    fault_script: str = ""


STAGED = "staged"
"""The label that says what was done to a node."""
REPAIRED = "repaired.demo"
REPAIR_MARK = "vnet"
"""The file in the directory of the repaired node whose coming is the repair."""

_NO_SPACE = """\
    # The disk image lies on a device that is always full.
    mkdir -p "$home"
    ln -sf /dev/full "$home/image"
"""
_STUCK = """\
    # Nobody ever writes to the other end, as on a file server that has died.
    mkfifo "$HOME/server" 2>/dev/null
    cat "$HOME/server"
"""
_TWO_OF_FOUR = """\
    # Two tests pass, two fail, and so on.
    count=$(cat "$HOME/count" 2>/dev/null || echo 0)
    echo $((count + 1)) >"$HOME/count"
    if [ $((count % 4)) -ge 2 ]; then
        echo "vnode: the disk does not answer" >&2
        exit 5
    fi
"""
_UNTIL_REPAIRED = f"""\
    if [ ! -e "$HOME/{REPAIR_MARK}" ]; then
        echo "vnode: the kernel has no module vnet" >&2
        exit 1
    fi
"""
FAULTY = (
    Role("refuses.demo", "nothing listens on its SSH port", port=Port.REFUSING),
    Role("silent.demo", "its SSH port accepts and never says a word", port=Port.SILENT),
    Role("fails.demo", "its disk is full", fault_script=_NO_SPACE),
    Role("hangs.demo", "setting a vnode up there hangs for ever", fault_script=_STUCK),
    Role("flaps.demo", "passes two tests, fails two, and so on", fault_script=_TWO_OF_FOUR),
    Role(REPAIRED, "lacks a kernel module until it is repaired midway", fault_script=_UNTIL_REPAIRED),
    Role("impostor.demo", "shows another host key than the one we trust", port=Port.FOREIGN_KEY),
)
COMMON = 5
"""How many of the faults a small demo has."""


def build_roles(count: int) -> tuple[Role, ...]:
    """Return `count` roles (at least `LEAST`), the faulty ones first."""
    faulty = FAULTY if count >= ENOUGH_FOR_ALL else FAULTY[:COMMON]
    fine = count - len(faulty)
    width = len(str(fine))
    return (*faulty, *(Role(f"steady{number:0{width}}.demo") for number in range(1, fine + 1)))


def build_program(role: Role, pace_s: float) -> str:
    """Return the program `vnode` of that node; making a vnode takes `pace_s` there."""
    return _PROGRAM.format(trouble=role.fault_script, pace=pace_s)


_PROGRAM = """\
#!/bin/sh
# Makes virtual nodes on this node of the demo: each is a directory, a disk image and a process.
# usage: vnode create|up|check|remove NAME
home="$HOME/vnodes/$2"
case "$1" in
create)
{trouble}\
    mkdir -p "$home" && cd "$home" || exit 1
    dd if=/dev/zero of=image bs=1024 count=64 status=none || exit 1
    sleep {pace}
    # Ten minutes at most, should nobody be left to remove it.
    setsid sleep 600 </dev/null >/dev/null 2>&1 &
    echo $! >pid
    ;;
up)
    kill -0 "$(cat "$home/pid")"
    ;;
check)
    date >"$home/written" && test -s "$home/written"
    ;;
remove)
    if [ -e "$home/pid" ]; then kill "$(cat "$home/pid")" 2>/dev/null; fi
    rm -rf "$home"
    ;;
*)
    echo "usage: vnode create|up|check|remove NAME" >&2
    exit 2
    ;;
esac
"""

CONFIG = """\
# The testbed of `plabctl demo`. Everything here is real but the hurry: a site would leave the numbers out and get the
# defaults, which test a steady node once an hour. Its nodes are gone when the demo has ended.
state_dir = "state"
network_disk = true             # wherever the directory for temporary files is, nobody else uses this folder
window = {window}                      # tests at once, over all ticks

[report]
title = "plabctl demo"

[ssh]
user = "demo"
key = "client_key"
connect_timeout = "{patience}"

[recipe.demo]                   # `vnode` is a script on each node, see nodes/NAME/bin/vnode; `sh` runs it on any mount
setup = {{ run = "sh ~/bin/vnode create {{vnode}}", timeout = "{patience}" }}
up = {{ run = "sh ~/bin/vnode up {{vnode}}", timeout = "{patience}", every = "500ms" }}
check = {{ run = "sh ~/bin/vnode check {{vnode}}", timeout = "{patience}" }}
teardown = {{ run = "sh ~/bin/vnode remove {{vnode}}", timeout = "{patience}" }}

[pool.good]
kind = "good"
on_fail = "bad"
recipe = "demo"
backoff = {{ kind = "additive", base = "2s", step = "1s", max = "10s", jitter = "500ms" }}

[pool.bad]
kind = "bad"
on_pass = "good"
recipe = "demo"
backoff = {{ kind = "additive", base = "2s", step = "1s", max = "10s", jitter = "500ms" }}

[flap]
apart = "1s"
"""
