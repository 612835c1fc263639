"""A hook that hangs, fails, floods or cannot be run costs a warning: the tick goes on, and ends in time."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.sink_health import SINKS_NOTE
from plabctl.core.state import Changes
from plabctl.store.store import Store
from tests.cli.console import Desk, Said
from tests.lab.wait_until import wait_until

HOOK = """
[[hook]]
on = ["transition"]
command = {command}
timeout = "{timeout}"
"""
LEAVES_A_CHILD = ["/bin/sh", "-c", "sleep 40 & echo on it"]


def desk_with(folder: Path, command: list[str], timeout: str = "1s") -> Desk:
    desk = Desk(folder)
    with desk.config.open("a") as config:
        config.write(HOOK.format(command=json.dumps(command), timeout=timeout))
    desk.ok("node", "add", "pc1", "pc2")
    return desk


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["/bin/sleep", "60"], "did not end within 1 s"),
        (["/bin/sh", "-c", "trap '' TERM; sleep 60 & wait; sleep 60"], "did not end within 1 s"),
        (["/bin/false"], "exit code 1"),
        (["/bin/cat", "/dev/zero"], "printed more than"),
        (["/bin/sh", "-c", "kill -9 $$"], "was ended by signal 9"),
        (["/no/such/hook"], "cannot be run: no such file or directory"),
        (["/proc/version"], "cannot be run: permission denied"),
        (LEAVES_A_CHILD, ""),
    ],
    ids=["hangs", "ignores TERM", "fails", "floods", "is killed", "is not there", "is no program", "leaves a child"],
)
def test_a_hook_that_does_not_work_costs_a_warning_and_nothing_else(
    tmp_path: Path, command: list[str], said: str
) -> None:
    # What prints without end is cut off for that, however slow the machine is.
    desk = desk_with(tmp_path, command, "15s" if said.startswith("printed") else "1s")
    began = time.monotonic()

    tick = desk.run("tick")

    assert time.monotonic() - began < 20
    assert desk.ok("status", "-p", "good", "-o", "name") == "pc1\npc2\n"
    if said and not tick.err:  # that took longer than a tick waits
        assert tick.code == 0
        assert wait_until(lambda: said in desk.run("check").out)
        tick = desk.run("tick")
    assert (tick.out, tick.code) == ("", 1 if said else 0)
    assert said in tick.err
    assert tick.err.count("\n") == (2 if said else 0), "a line, and a hint"
    if said:
        assert "hint: it is tried again, ever less often, for a day" in tick.err


def test_a_hook_that_fails_makes_one_mail_and_is_said_to_be_well_when_it_is(tmp_path: Path) -> None:
    desk = desk_with(tmp_path, ["/bin/sh", "-c", "test -e go"])

    first, *others = [tick_until_told(desk), *(desk.run("tick") for _ in range(3))]

    assert first.code == 1
    assert [(each.err, each.code) for each in others] == [("", 1)] * 3, "also while it is left alone"
    assert "hook '/bin/sh': exit code 1; " in desk.run("doctor").out
    (tmp_path / "go").touch()
    with Store(tmp_path / "state", SystemClock()).session() as state:
        waiting = {key: replace(each, next_at=0.0) for key, each in SINKS_NOTE.read(state.notes).items()}
        state.apply(Changes(notes=SINKS_NOTE.write(waiting)))
    last = tick_until_told(desk)
    assert last.code == 0
    assert re.match(r"plabctl: all is well again; what had failed \d+ times over", last.err)


def tick_until_told(desk: Desk) -> Said:
    """Tick until one says something: the tick in which it happens may end before, on a busy machine."""
    deadline = time.monotonic() + 60
    while not (said := desk.run("tick")).err:
        assert time.monotonic() < deadline, said
    return said


def test_what_cannot_be_told_now_is_told_later(tmp_path: Path) -> None:
    failing = desk_with(tmp_path, ["/bin/sh", "-c", "cat >>told; exit 1"])
    failing.run("tick")
    failing.run("tick")

    told = [json.loads(line)["id"] for line in (tmp_path / "told").read_text().splitlines()]
    assert len(told) == 2
    assert len(set(told)) == 1, "the second event waits until the first was taken"
