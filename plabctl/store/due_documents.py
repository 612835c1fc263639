"""What is due, and what was seen lately, found by a look at all documents.

Pure. A step of a tick asks `plabctl.store.due_index` and `plabctl.store.recent_index` instead, which find the same.
Tests: `tests/store/test_state_protocol.py`.
"""

from __future__ import annotations

from plabctl.core.due_rows import Due
from plabctl.store import codec
from plabctl.store.tables import NODES, VNODES, Tables

_NEVER = float("inf")


def list_due(tables: Tables, now: float, latest_at: float) -> list[Due]:
    """Return what `State.due` does; raise KeyError or TypeError for a document that cannot be read."""
    rows = [
        codec.decode_due(name, member)
        for name, doc in tables[NODES].items()
        if not now < (member := doc["member"])["due_at"] <= latest_at and "absent_since_at" not in member
    ]
    return rows + [
        codec.decode_due(doc["node"], doc, doc["experiment"])
        for doc in tables[VNODES].values()
        if not now < doc["due_at"] <= latest_at
    ]


def list_due_checks(tables: Tables, now: float, latest_at: float) -> list[Due]:
    """Return what `State.due_checks` does; raise AttributeError, KeyError or TypeError as `list_due` does."""
    return [
        codec.decode_check(name, member)
        for name, doc in tables[NODES].items()
        if "liveness" in (member := doc["member"])
        and (due_at := member["liveness"].get("due_at", _NEVER)) != _NEVER
        and not now < due_at <= latest_at
        and "absent_since_at" not in member
    ]
