"""The history in words and in rows."""

import json

import pytest

from plabctl.core.model import Event
from plabctl.render import data_formats, event_table
from plabctl.render.times import format_local
from tests.builders import NOW


def make_event(kind: str, **data: object) -> Event:
    return Event(f"id-{kind}", NOW, kind, "n1", str(data.pop("actor", "plabctl")), data)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (make_event("probe", outcome="pass", seconds=1.25), "test passed in 1.2 s"),
        (make_event("probe", outcome="pass", seconds=1.0, vantage="north"), "test passed in 1.0 s from north"),
        (make_event("probe", outcome="pass", seconds=1.0, note="load is high"), "test passed in 1.0 s: load is high"),
        (
            make_event("probe", outcome="fail", cause="setup", reason="no [/x]", seconds=2.0),
            "test failed in 2.0 s (setup): no [/x]",
        ),
        (make_event("probe", outcome="unknown", cause="local", reason="no memory"), "no verdict (local): no memory"),
        (make_event("late", outcome="pass", seconds=1.0), "came too late and does not count: test passed in 1.0 s"),
        (make_event("void", reason="its tick is gone"), "test given up: its tick is gone"),
        (make_event("transition", **{"from": "good", "to": "bad"}, reason="refused"), "good -> bad: refused"),
        (
            make_event("suspect", **{"from": "good", "to": "bad"}, reason="refused"),
            "good -> bad, failed once, checking again: refused",
        ),
        (
            make_event("refuted", **{"from": "bad", "to": "good"}),
            "bad -> good as if nothing had happened: the retest passed",
        ),
        (make_event("hold", reason="disk", until_at=NOW), f"held: disk, until {format_local(NOW)}"),
        (make_event("node-added"), "node added"),
        (make_event("something-new", reason="x"), "something new: x"),
    ],
)
def test_an_event_is_told_in_words(event: Event, words: str) -> None:
    assert event_table.describe_event(event) == words


def test_instants_in_the_data_are_text_like_all_others() -> None:
    row = event_table.build_event_row(make_event("probe", started_at=NOW, seconds=1.5))

    assert row["started_at"] == row["at"] == "2023-11-14T22:13:20Z"
    assert row["seconds"] == 1.5


@pytest.mark.parametrize("form", ["tsv", "csv", "json", "jsonl", "name"])
def test_every_form_has_every_event(form: str) -> None:
    events = [make_event("probe", outcome="pass"), make_event("retest", actor="ann")]
    text = "".join(data_formats.render(event_table.build_listing(events), form))

    if form == "json":
        assert [event["kind"] for event in json.loads(text)["events"]] == ["probe", "retest"]
    else:
        assert len(text.splitlines()) == len(events) + (form == "csv")


def test_a_reason_that_is_a_formula_is_defused_in_csv() -> None:
    text = "".join(data_formats.render(event_table.build_listing([make_event("hold", reason="=1+1")]), "csv"))

    assert "'=1+1" in text
