import json
import time
from pathlib import Path

import pytest

from plabctl.clock import ManualClock, SystemClock
from plabctl.core.model import Event
from plabctl.core.settings import HookSettings
from plabctl.sinks.hooks import GIVE_UP_AFTER_S, HookResult, run_hook, run_hooks

MARGIN_S = 3.0
NOW = 1_795_348_800.5


def event(number: int = 1, kind: str = "transition", node: str | None = "pc1.x", **data: object) -> Event:
    return Event(f"id{number}", NOW, kind, node, "alice", data)


def hook(*command: str, on: tuple[str, ...] = ("transition",), timeout_s: float = 20.0) -> HookSettings:
    return HookSettings(on, command, timeout_s)


def shell(code: str, **options: object) -> HookSettings:
    return hook("/bin/sh", "-c", code, **options)  # type: ignore[arg-type]


def clock() -> ManualClock:
    return ManualClock(NOW)


def test_a_command_gets_the_event_as_json_and_a_few_variables(tmp_path: Path) -> None:
    told = run_hook(
        shell(f'cat >{tmp_path}/json; echo "$PLABCTL_EVENT $PLABCTL_NODE $PLABCTL_EVENT_ID" >{tmp_path}/env'),
        event(evidence="$(touch x)\n\x1b[31m", until_at=NOW, moves=[{"since_at": 0.0}], seconds=1.5),
    )

    assert told == HookResult(ok=True)
    assert (tmp_path / "env").read_text() == "transition pc1.x id1\n"
    text = (tmp_path / "json").read_text()
    assert text.endswith("}\n")
    assert text.rstrip("\n").isprintable()
    assert json.loads(text) == {
        "schema_version": 1,
        "id": "id1",
        "at": "2026-11-22T12:00:00.500Z",
        "kind": "transition",
        "node": "pc1.x",
        "actor": "alice",
        "data": {
            "evidence": "$(touch x)\n\x1b[31m",
            "until_at": "2026-11-22T12:00:00.500Z",
            "moves": [{"since_at": "1970-01-01T00:00:00Z"}],
            "seconds": 1.5,
        },
    }


def test_no_shell_reads_what_an_event_says(tmp_path: Path) -> None:
    run_hook(hook("/usr/bin/env", "--chdir", str(tmp_path), "cat"), event(evidence=f"$(touch {tmp_path}/x); `touch x`"))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("exit 3", "exit code 3"),
        ("echo one >&2; echo two; printf 'no \\033[31mmail\\n' >&2; exit 75", "exit code 75: no ?[31mmail"),
        ("echo only; exit 1", "exit code 1: only"),
        ("kill -9 $$", "was ended by signal 9"),
    ],
)
def test_a_command_that_fails_may_be_tried_again(code: str, error: str) -> None:
    told = run_hook(shell(code), event())

    assert told == HookResult(ok=False, error=f"hook '/bin/sh': {error}")


def test_a_command_that_is_none_need_not_be_tried_again() -> None:
    told = run_hook(hook("/no/such/hook"), event())

    assert told == HookResult(
        ok=False, error="hook '/no/such/hook': cannot be run: no such file or directory", permanent=True
    )


def test_a_command_that_hangs_ends_at_its_deadline_and_may_be_tried_again() -> None:
    began = time.monotonic()

    told = run_hook(hook("/bin/sleep", "60", timeout_s=0.3), event())

    assert told == HookResult(ok=False, error="hook '/bin/sleep': did not end within 0.3 s")
    assert time.monotonic() - began < 0.3 + MARGIN_S


def test_a_command_that_floods_is_ended() -> None:
    told = run_hook(hook("/bin/cat", "/dev/zero"), event())

    assert not told.ok
    assert "printed more than" in told.error
    assert len(told.error) < 400


def test_each_hook_hears_of_the_kinds_it_wants_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    moves = shell(f"echo moves $PLABCTL_EVENT_ID >>{log}")
    holds = shell(f"echo holds $PLABCTL_EVENT_ID >>{log}", on=("hold", "release"))
    events = [event(1), event(2, "hold"), event(3, "probe"), event(4)]

    delivery = run_hooks([moves, holds], events, clock(), 60)

    assert log.read_text().split("\n") == ["moves id1", "moves id4", "holds id2", ""]
    assert delivery.delivered == {"id1", "id2", "id3", "id4"}
    assert (delivery.receipts, delivery.faults) == (frozenset(), ())


def test_without_hooks_everybody_was_told() -> None:
    assert run_hooks([], [event(1)], clock(), 60).delivered == {"id1"}


def test_a_hook_that_fails_is_tried_once_and_the_others_are_not_told_twice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    good = shell(f"echo good $PLABCTL_EVENT_ID >>{log}")
    broken = shell(f"echo broken $PLABCTL_EVENT_ID >>{log}; test -e {tmp_path}/mended")
    events = [event(1), event(2), event(3, "hold")]

    first = run_hooks([good, broken], events, clock(), 60)

    assert log.read_text().split() == ["good", "id1", "good", "id2", "broken", "id1"]
    assert first.delivered == {"id3"}
    assert len(first.faults) == 1

    (tmp_path / "mended").touch()
    log.unlink()
    second = run_hooks([good, broken], events[:2], clock(), 60, first.receipts)

    assert log.read_text().split() == ["broken", "id1", "broken", "id2"]
    assert second.delivered == {"id1", "id2"}
    assert (second.receipts, second.faults) == (frozenset(), ())


def test_a_hook_that_cannot_be_run_holds_nothing_up() -> None:
    delivery = run_hooks([hook("/no/such/hook")], [event(1), event(2)], clock(), 60)

    assert delivery.delivered == {"id1", "id2"}
    assert delivery.faults == ("hook '/no/such/hook': cannot be run: no such file or directory",)


def test_old_news_is_dropped() -> None:
    later = clock()
    later.advance(GIVE_UP_AFTER_S)

    assert run_hooks([hook("/bin/false")], [event(1)], clock(), 60).delivered == frozenset()
    assert run_hooks([hook("/bin/false")], [event(1)], later, 60).delivered == {"id1"}


def test_a_delivery_keeps_to_its_budget() -> None:
    began = time.monotonic()
    events = [event(number) for number in range(20)]

    delivery = run_hooks([shell("sleep 0.2"), hook("/bin/sleep", "60")], events, SystemClock(), 1.0)

    assert time.monotonic() - began < 1.0 + MARGIN_S
    assert delivery.delivered == frozenset()
    assert len(delivery.receipts) <= 5


def test_what_stages_printed_is_told_only_to_those_who_ask(tmp_path: Path) -> None:
    stages = [{"stage": "setup", "exit_code": 2, "output": "password=x\nno space left"}]

    for name, output in (("bare", False), ("whole", True)):
        asked = HookSettings(("probe",), ("/bin/sh", "-c", f"cat >{tmp_path}/{name}"), 20.0, output=output)
        assert run_hook(asked, event(kind="probe", stages=stages, reason="no space left")).ok

    assert json.loads((tmp_path / "whole").read_text())["data"]["stages"] == stages
    bare = json.loads((tmp_path / "bare").read_text())["data"]
    assert bare == {"stages": [{"stage": "setup", "exit_code": 2}], "reason": "no space left"}
