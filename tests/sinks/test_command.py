import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.core.model import Event
from plabctl.core.settings import ANYWHERE, SinkSettings
from plabctl.sinks.base import SinkContext, TellResult
from plabctl.sinks.command import COMMAND
from tests.builders import make_hook

MARGIN_S = 3.0
NOW = 1_795_348_800.5
NODES = {"pc1.x": {"site": "north", "rack": "7", "ssh_port": "2222", "secret": "vogel"}}
CONTEXT = SinkContext("/nowhere", ANYWHERE, NODES)


def event(number: int = 1, kind: str = "transition", node: str | None = "pc1.x", **data: object) -> Event:
    return Event(f"id{number}", NOW, kind, node, "alice", data)


def hook(*command: str, on: tuple[str, ...] = ("transition",), timeout_s: float = 20.0) -> SinkSettings:
    return make_hook(on, command, timeout_s)


def shell(code: str, **options: object) -> SinkSettings:
    return hook("/bin/sh", "-c", code, **options)  # type: ignore[arg-type]


def tell(sink: SinkSettings, told: Event) -> TellResult:
    return COMMAND.tell(sink, [told], sink.timeout_s, CONTEXT)


def test_a_command_is_identified_as_by_earlier_versions() -> None:
    """That is stored: under another name, an upgrade would tell every command again what it knows."""
    assert COMMAND.identify(hook("logger", "-t", "plabctl")) == "03857687119c5a3dc5"


def test_a_command_gets_the_event_as_json_and_a_few_variables(tmp_path: Path) -> None:
    told = tell(
        shell(f'cat >{tmp_path}/json; echo "$PLABCTL_EVENT $PLABCTL_NODE $PLABCTL_EVENT_ID" >{tmp_path}/env'),
        event(evidence="$(touch x)\n\x1b[31m", until_at=NOW, moves=[{"since_at": 0.0}], seconds=1.5, to="bad"),
    )

    assert told == TellResult(ok=True)
    assert (tmp_path / "env").read_text() == "transition pc1.x id1\n"
    text = (tmp_path / "json").read_text()
    assert text.endswith("}\n")
    assert text.rstrip("\n").isprintable()
    assert json.loads(text) == {
        "schema_version": 1,
        "id": "id1",
        "at": "2026-11-22T12:00:00Z",
        "kind": "transition",
        "text": "pc1.x: transition (by alice)",
        "node": "pc1.x",
        "site": "north",
        "labels": {"rack": "7", "secret": "***"},
        "actor": "alice",
        "to": "bad",
        "until_at": "2026-11-22T12:00:00Z",
        "data": {
            "evidence": "$(touch x)\n\x1b[31m",
            "until_at": "2026-11-22T12:00:00Z",
            "moves": [{"since_at": "1970-01-01T00:00:00Z"}],
            "seconds": 1.5,
            "to": "bad",
        },
    }


def test_no_shell_reads_what_an_event_says(tmp_path: Path) -> None:
    tell(hook("/usr/bin/env", "--chdir", str(tmp_path), "cat"), event(evidence=f"$(touch {tmp_path}/x); `touch x`"))

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
    told = tell(shell(code), event())

    assert told == TellResult(ok=False, error=f"hook '/bin/sh': {error}")


def test_a_command_that_is_none_is_said_to_be_none() -> None:
    told = tell(hook("/no/such/hook"), event())

    assert told == TellResult(ok=False, error="hook '/no/such/hook': cannot be run: no such file or directory")


def test_a_batch_is_a_list_on_the_input_of_one_run(tmp_path: Path) -> None:
    sink = shell(f'cat >{tmp_path}/json; echo "$PLABCTL_EVENT_COUNT $PLABCTL_EVENT" >{tmp_path}/env')
    sink = replace(sink, options=replace(sink.options, batch=True))  # type: ignore[type-var]  # of the command

    assert COMMAND.tell(sink, [event(1), event(2, node=None)], 20.0, CONTEXT).ok

    text = (tmp_path / "json").read_text()
    assert text.count("\n") == 1
    assert [(each["id"], each["site"], each["labels"]) for each in json.loads(text)] == [
        ("id1", "north", {"rack": "7", "secret": "***"}),
        ("id2", None, {}),
    ]
    assert (tmp_path / "env").read_text() == "2 \n"


def test_a_command_that_hangs_ends_at_its_deadline_and_may_be_tried_again() -> None:
    began = time.monotonic()

    told = tell(hook("/bin/sleep", "60", timeout_s=0.3), event())

    assert told == TellResult(ok=False, error="hook '/bin/sleep': did not end within 0.3 s")
    assert time.monotonic() - began < 0.3 + MARGIN_S


def test_a_command_that_floods_is_ended() -> None:
    told = tell(hook("/bin/cat", "/dev/zero"), event())

    assert not told.ok
    assert "printed more than" in told.error
    assert len(told.error) < 400


def test_what_stages_printed_is_told_only_to_those_who_ask(tmp_path: Path) -> None:
    stages = [{"stage": "setup", "exit_code": 2, "output": "password=x\nno space left"}]

    for name, output in (("bare", False), ("whole", True)):
        asked = make_hook(("probe",), ("/bin/sh", "-c", f"cat >{tmp_path}/{name}"), 20.0, output=output)
        assert tell(asked, event(kind="probe", stages=stages, reason="no space left")).ok

    assert json.loads((tmp_path / "whole").read_text())["data"]["stages"] == stages
    bare = json.loads((tmp_path / "bare").read_text())["data"]
    assert bare == {"stages": [{"stage": "setup", "exit_code": 2}], "reason": "no space left"}
