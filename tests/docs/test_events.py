"""What hooks get is what the schema says, for every kind of event; `test_pages` compares the examples of the page."""

import json
from pathlib import Path

import jsonschema
import pytest

from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.model import Event
from plabctl.sinks.event_json import build_message
from tests.app.installation import Installation
from tests.builders import make_hook
from tests.docs.event_examples import CONTEXT, build_examples

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/events.schema.json").read_text())
EXAMPLES = build_examples()


@pytest.mark.parametrize("event", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize("has_output", [False, True], ids=["bare", "with output"])
def test_every_kind_of_event_is_as_the_schema_says(event: Event, has_output: bool) -> None:
    for is_batch in (False, True):
        told = json.loads(build_message([event], CONTEXT, is_batch=is_batch, has_output=has_output))
        jsonschema.validate(told, SCHEMA, format_checker=jsonschema.FormatChecker())


def test_the_schema_knows_the_kinds_that_there_are() -> None:
    assert SCHEMA["$defs"]["event"]["properties"]["kind"]["enum"] == list(EVENT_KINDS)


@pytest.mark.parametrize(
    ("key", "value"), [("at", "2026-11-22T12:00:00.500Z"), ("kind", "other"), ("labels", None), ("text", "")]
)
def test_the_schema_sees_what_is_wrong(key: str, value: object) -> None:
    told = json.loads(build_message([EXAMPLES["transition"]], CONTEXT))

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told | {key: value}, SCHEMA)


def test_what_a_tick_tells_is_as_the_schema_says(tmp_path: Path) -> None:
    log = tmp_path / "log"
    here = Installation(tmp_path, hooks=(make_hook(EVENT_KINDS, ("sh", "-c", f"cat >>{log}")),))
    here.break_node("n2")
    here.add("n1", "n2", site="north", rack="7")

    here.tick()

    told = [json.loads(line) for line in log.read_text().splitlines()]
    for each in told:
        jsonschema.validate(each, SCHEMA)
    assert {each["kind"] for each in told} == {"node-added", "probe", "transition"}
    (move,) = (each for each in told if each["kind"] == "transition")
    assert (move["text"], move["from"], move["to"]) == ("n1: bad -> good: test passed", "bad", "good")
    assert (move["site"], move["labels"]) == ("north", {"rack": "7"})
