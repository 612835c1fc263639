"""What is kept of each of several monitors."""

import json
from typing import Any

from plabctl.app.several import Asked
from plabctl.app.status_source import read_status

NOW = "2026-11-22T12:00:00Z"
PASS, FAIL = {"outcome": "pass", "at": NOW, "seconds": 1}, {"outcome": "fail", "at": NOW, "seconds": 1}


def row(name: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "name": name, "pool": "good", "since_at": NOW, "due_at": NOW, "testing": False, "held": False, "suspect": False,
        "ok_streak": 1, "fail_streak": 0, "penalty": 0, "usable": True, "last": PASS,
    }  # fmt: skip
    return {**plain, **changes}


def read(rows: list[dict[str, Any]], asked: Asked) -> tuple[int, list[str], int]:
    """How many nodes there are, those of which more is kept than their name, and how often the bytes were read."""
    document = {
        "schema_version": 1, "generated_at": NOW, "rev": 1, "window": {"size": 4, "in_use": 0}, "nodes": rows,
        "guard": {"state": "off"}, "counts": {"good": 1}, "good_pools": ["good"],
    }  # fmt: skip
    data = json.dumps(document).encode()
    place = 0

    def give(size: int) -> bytes:
        nonlocal place
        part = data[place : place + size]
        place += len(part)
        return part

    told = read_status(give, "x.json", asked.build_test())
    return told.totals.nodes, [view.name for view in told.views], place // len(data)


def test_for_groups_by_reason_only_nodes_with_a_reason_are_kept() -> None:
    """So memory and time are those of the bad nodes: of a million others there is a name."""
    odd = [
        row("failed", last=FAIL, usable=False), row("held", hold={"actor": "a", "reason": "r", "since_at": NOW}),
        row("absent", absent_since_at=NOW, usable=False), row("stuck", stuck_since_at=NOW, usable=False), row("new"),
    ]  # fmt: skip
    del odd[-1]["last"]
    rows = [*(row(f"n{number}") for number in range(2000)), *odd]

    expected = ["failed", "held", "absent", "stuck", "new"]
    assert read(rows, Asked(by="reason")) == (2005, expected, 1)
    assert read(rows, Asked(by="reason", fail_on="unusable")) == (2005, expected, 1)


def test_for_anything_else_all_are_kept() -> None:
    rows = [row("n1"), row("n2")]

    for asked in (Asked(), Asked(by="site"), Asked(("n1",), by="reason"), Asked(by="reason", fail_on="good")):
        assert read(rows, asked) == (2, ["n1", "n2"], 1)
