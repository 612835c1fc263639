"""The quick path takes exactly its calls, and answers as click would."""

import json

import pytest

from plabctl.cli.fast_path import parse_call
from tests.cli.console import Desk


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ("tick", ("tick", None, None)),
        ("tick --config x", ("tick", "x", None)),
        ("tick -c x", ("tick", "x", None)),
        ("tick --config=x", ("tick", "x", None)),
        ("status -o json", ("status", None, "json")),
        ("status -otsv", ("status", None, "tsv")),
        ("status --output name -c x", ("status", "x", "name")),
        ("status", ("status", None, None)),
        ("tick -o json", None),
        ("tick --dry-run", None),
        ("tick pc1", None),
        ("status pc1 -o json", None),
        ("status -o table", None),
        ("status -o", None),
        ("status -o json -o json", None),
        ("status -o json --watch", None),
        ("status -o json -c", None),
        ("status --config= -o json", None),
        ("show pc1", None),
        ("--config x status -o json", None),
        ("", None),
    ],
)
def test_what_the_quick_path_takes(arguments: str, parsed: object) -> None:
    assert parse_call(arguments.split()) == parsed


def test_both_ways_show_the_same_table(used_desk: Desk) -> None:
    assert used_desk.ok("status") == used_desk.ok("status", "*")


@pytest.mark.parametrize("form", ["json", "tsv", "name"])
def test_both_ways_say_the_same(used_desk: Desk, form: str) -> None:
    quick = used_desk.ok("status", "-o", form)
    through_click = used_desk.ok("status", "*", "-o", form)

    if form == "json":
        first, second = json.loads(quick), json.loads(through_click)
        assert first.pop("generated_at") <= second.pop("generated_at")
        assert first == second
    else:
        assert quick == through_click
