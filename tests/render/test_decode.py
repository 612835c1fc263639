"""Views that come back from JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.render.data_formats import dumps
from plabctl.render.decode import make_object_reader, read_instant
from plabctl.render.encode import encode_view
from plabctl.render.times import format_iso
from plabctl.views.node import NodeView
from tests.render.test_compiled_rows import VIEWS

READ = make_object_reader(NodeView, lambda text: "".join(char for char in text if char.isprintable()))


@given(VIEWS)
def test_what_was_written_comes_back(view: NodeView) -> None:
    row = json.loads(dumps(encode_view(view)))

    assert json.loads(dumps(encode_view(make_object_reader(NodeView, str)(row)))) == row


@given(st.integers(-(10**9), 10**10))
def test_an_instant_comes_back(at: int) -> None:
    assert read_instant(format_iso(at)) == at


def test_an_instant_may_have_parts_of_a_second_or_a_zone() -> None:
    assert read_instant("2026-11-22T12:00:00.250Z") == read_instant("2026-11-22T12:00:00Z") + 0.25
    assert read_instant("2026-11-22T13:00:00+01:00") == read_instant("2026-11-22T12:00:00Z")


@pytest.mark.parametrize("text", ["now", "2026-11-22T12:00:61Z", "2026-13-22T12:00:00Z", "2026-11-22T12:00:0xZ"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month must|second must|invalid literal"):
        read_instant(text)


PLAIN = {
    "name": "n1", "pool": "good", "since_at": "2026-11-22T12:00:00Z", "due_at": "2026-11-22T12:00:00Z",
    "testing": False, "held": False, "suspect": False, "ok_streak": 1, "fail_streak": 0, "penalty": 0, "usable": True,
}  # fmt: skip


def test_what_is_left_out_is_unknown_and_what_is_new_is_not_looked_at() -> None:
    view = READ({**PLAIN, "colour": {"of": "a later version"}, "last": {"outcome": "fail", "cause": "gremlins",
                 "at": "2026-11-22T12:00:00Z", "seconds": 1}})  # fmt: skip

    assert (view.site, view.hold, view.monitor) == (None, None, None)
    assert view.last.cause is None, "a cause of a later version"
    assert view.last.reason == ""


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5}, {"name": None}, {"penalty": "x"}, {"pool": 7}, {"labels": 5}, {"labels": {"a": 5}},
        {"since_at": 1}, {"ok_streak": None}, {"ok_streak": True}, {"ok_streak": 1.5}, {"usable": 1},
        {"last": {"outcome": "gremlins"}},
        {"last": 5}, {"hold": []}, {"experiments": "e1"},
        {"penalty": -1}, {"penalty": float("inf")}, {"penalty": float("nan")}, {"ok_streak": -1}, {"ok_streak": 10**16},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_view_has_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        READ({**PLAIN, **change})


def test_text_that_would_act_on_a_terminal_is_cleaned() -> None:
    assert READ({**PLAIN, "name": "n\x1b[2J1", "labels": {"a": "\u202eb"}}).name == "n[2J1"
