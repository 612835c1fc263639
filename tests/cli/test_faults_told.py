"""Faults of sources, of their rows, of sinks and of ticks themselves come to the history and to hooks, once each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cli.console import CONFIG, Desk

HOOK = '[[hook]]\non = ["fault", "fault-over"]\ncommand = ["sh", "-c", "cat >> told"]\n'
SOURCE = '[[inventory]]\nname = "lab"\nkind = "file"\npath = "nodes"\nevery = "0"\n'


def list_events(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(desk.ok("history", "-k", "fault,fault-over", "-o", "json"))["events"]
    return found


def list_told(desk: Desk) -> list[dict[str, Any]]:
    """What the hook was told."""
    path = desk.folder / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def tick(desk: Desk, count: int = 1) -> Sequence[int]:
    return [desk.run("tick").code for _ in range(count)]


def list_kinds(events: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["kind"], event.get("problem") or event["data"]["problem"]) for event in events]


def test_a_source_that_cannot_be_read_is_told_once_and_when_it_can(used_desk: Desk) -> None:
    used_desk.config.write_text(CONFIG + SOURCE + HOOK)
    nodes = used_desk.folder / "nodes"
    assert tick(used_desk, 3) == [1, 1, 1]
    (event,) = list_events(used_desk)

    problems = json.loads(used_desk.ok("status", "-o", "json"))["problems"]
    assert (event["reason"], event["remedy"]) == (problems[0]["reason"], problems[0]["remedy"])
    assert event["reason"] in used_desk.run("check").out
    assert (event["problem"], event["subject"], event["severity"]) == ("inventory", "lab", "warning")
    nodes.write_text("pc1\npc2\n")
    assert tick(used_desk, 2) == [0, 0]

    told = list_told(used_desk)
    assert list_kinds(told) == [("fault", "inventory"), ("fault-over", "inventory")]
    assert list_kinds(list_events(used_desk)) == list_kinds(told)
    assert told[0]["text"] == f"fault: {event['reason']}"
    assert told[1]["text"].startswith(f"fault over: {event['reason']}, since ")
    assert told[1]["since_at"] == event["since_at"] <= told[1]["until_at"]


def test_bad_rows_are_one_event_until_other_rows_are_bad(used_desk: Desk) -> None:
    used_desk.config.write_text(CONFIG + SOURCE + HOOK)
    nodes = used_desk.folder / "nodes"
    rows = [f"bad {number}!\n" for number in range(10_000)]
    nodes.write_text("".join(["pc1\npc2\n", *rows]))
    tick(used_desk, 2)
    nodes.write_text("".join(["pc1\npc2\n", *reversed(rows)]))
    tick(used_desk)
    assert len(list_told(used_desk)) == 1, "the same rows in another order"

    nodes.write_text("pc1\npc2\nbad 7!\n")
    tick(used_desk, 2)

    first, second = list_told(used_desk)
    assert len(json.dumps(first)) < 3000
    assert first["reason"].startswith("inventory: 10000 rows left out: ")
    assert [f"'{number}!' is not key=value" in first["reason"] for number in range(4)] == [True, True, True, False]
    assert second["kind"] == "fault"
    assert "1 row left out: " in second["reason"]
    assert second["since_at"] == first["since_at"], "the source has a fault since then"


def test_ticks_that_could_tell_nobody_are_told_by_the_next(used_desk: Desk) -> None:
    used_desk.config.write_text(CONFIG + HOOK)
    tick(used_desk)
    used_desk.config.write_text(f"{CONFIG}{HOOK}widnow = 3\n")
    assert tick(used_desk, 3) == [78, 78, 78]
    used_desk.config.write_text(CONFIG + HOOK)

    assert tick(used_desk, 2) == [0, 0]

    begun, over = list_told(used_desk)
    assert list_kinds([begun, over]) == [("fault", "config"), ("fault-over", "config")]
    assert begun["reason"].startswith("ticks fail: ")
    assert "widnow" in begun["reason"]
    assert begun["since_at"] == over["since_at"] <= over["until_at"]
    assert over["text"].startswith(f"fault over: {over['reason']}, since ")
    assert list_kinds(list_events(used_desk)) == list_kinds([begun, over])


def test_what_failed_before_hides_no_failure_that_nobody_could_be_told_of(used_desk: Desk) -> None:
    used_desk.config.write_text(CONFIG + SOURCE + HOOK)
    tick(used_desk)
    used_desk.config.write_text(f"{CONFIG}{SOURCE}{HOOK}widnow = 3\n")
    tick(used_desk)
    used_desk.config.write_text(CONFIG + SOURCE + HOOK)
    (used_desk.folder / "nodes").write_text("pc1\npc2\n")
    assert tick(used_desk, 2) == [0, 0]

    told = list_kinds(list_told(used_desk))
    assert told[:2] == [("fault", "inventory"), ("fault-over", "inventory")]
    assert told[2:] == [("fault", "config"), ("fault-over", "config")]


def test_ticks_that_fail_tell_it_as_far_as_they_can(used_desk: Desk) -> None:
    used_desk.config.write_text(CONFIG.replace('transport = "local"', "") + HOOK)
    used_desk.ok("retest", "pc1", "-q")
    assert tick(used_desk, 2) == [78, 78]
    (begun,) = list_told(used_desk)
    assert begun["reason"].startswith("ticks fail: ssh.key: ")

    used_desk.config.write_text(CONFIG + HOOK)
    tick(used_desk)

    assert list_kinds(list_told(used_desk)) == [("fault", "config"), ("fault-over", "config")]


def test_a_sink_that_fails_is_told_to_the_others(used_desk: Desk) -> None:
    failing = '[[hook]]\non = ["retest"]\ncommand = ["./failing"]\n'
    used_desk.config.write_text(CONFIG + failing + HOOK)
    script = used_desk.folder / "failing"
    _write_script(script, "exit 3")
    used_desk.ok("retest", "pc1", "-q")
    assert tick(used_desk, 3)[0] == 1
    (begun,) = list_told(used_desk)
    assert begun["data"]["problem"] == "sink"
    assert begun["data"]["subject"].startswith(f"hook '{used_desk.folder}"[:60])  # a long name is cut

    _write_script(script, "exit 0")
    _pass_the_wait(used_desk)
    tick(used_desk, 2)

    assert list_kinds(list_told(used_desk)) == [("fault", "sink"), ("fault-over", "sink")]


def test_nodes_of_a_source_that_is_not_configured_any_more_stay_and_that_is_told(used_desk: Desk) -> None:
    (used_desk.folder / "nodes").write_text("lab1\nlab2\n")
    used_desk.config.write_text(CONFIG + SOURCE + HOOK)
    tick(used_desk)
    used_desk.config.write_text(CONFIG + HOOK)

    assert tick(used_desk) == [0]

    words = "inventory: 'lab' is no longer configured, and 2 nodes of it are still tested and offered"
    check, doctor = used_desk.run("check"), used_desk.run("doctor")
    assert (check.code, check.out.startswith(f"PLABCTL WARNING - {words}; ")) == (1, True)
    assert f"{words}; put it back, name another source that lists them, or remove them: plabctl node rm lab1,lab2" in (
        doctor.out
    )
    assert used_desk.ok("status", "-o", "table").startswith(f"! {words}")
    assert [(event["kind"], event["data"]["reason"]) for event in list_told(used_desk)] == [("fault", words)]

    used_desk.ok("node", "rm", "lab[1-2]", "--yes", "-q")
    assert used_desk.ok("check").startswith("PLABCTL OK")
    used_desk.ok("retest", "pc1", "-q")
    tick(used_desk)
    assert list_kinds(list_told(used_desk)) == [("fault", "inventory"), ("fault-over", "inventory")]


def test_a_source_that_is_put_back_keeps_its_nodes(used_desk: Desk) -> None:
    (used_desk.folder / "nodes").write_text("lab1\n")
    for config in (CONFIG + SOURCE + HOOK, CONFIG + HOOK, CONFIG + SOURCE + HOOK):
        used_desk.config.write_text(config)
        tick(used_desk)

    assert list_kinds(list_told(used_desk)) == [("fault", "inventory"), ("fault-over", "inventory")]
    assert used_desk.ok("status", "lab1", "-o", "name").split() == ["lab1"]


def _write_script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def _pass_the_wait(desk: Desk) -> None:
    """Let the sink be tried again at once."""
    from plabctl.app.context import open_app
    from plabctl.core.sink_health import SINKS_NOTE
    from plabctl.core.state import Changes
    from plabctl.values import replace

    app = open_app(str(desk.config))
    with app.store.session() as state:
        sinks = {key: replace(each, next_at=0.0) for key, each in SINKS_NOTE.read(state.notes).items()}
        state.apply(Changes(notes=SINKS_NOTE.write(sinks)))
