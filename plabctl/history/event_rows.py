"""One row of the history and the event in it, and which rows are none of ours.

Pure. Somebody may have written into the file, or a disk may have changed it. Everything that shows events relies on
their shape, so a row that plabctl cannot have written is left out here, in one place, and counted by
`plabctl.history.database`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from plabctl.core.model import Event

MOST_BYTES = 64 * 1024**2
"""Of the stages of one event; what they printed is left out where there is more."""
LAST_AT = 253402300800.0
"""The end of the year 9999."""
_MOST = 2**53
"""Beyond this, numbers are not the same in all programs that read JSON."""
_MOST_LEVELS = 16
_TEXTS = frozenset(
    {"pool", "from", "to", "outcome", "cause", "reason", "note", "experiment", "vnode", "goal", "state", "scope"}
    | {"vantage"}
)
"""Keys of an event's data whose values are text."""
_SUSPICIOUS = re.compile(r"[^ -~]|\\[ubfr]")
"""What a JSON text of ours seldom has: it is looked at closely then."""
_NEVER = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but newline and tab, and half pairs: no text of ours has them."""

_dump = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
"""As `json.dumps` does, which makes an encoder for each value."""

Row = tuple[object, object, object, object, object, object, object]
"""`id, at, kind, node, actor, data, stages` as SQLite gives them; text comes as bytes."""


def encode_row(event: Event) -> tuple[tuple[str, float, str, str | None, str, str], str]:
    """Return the row for `event` without its stages, and these as JSON, empty when there are none.

    They are kept apart because they are most of its size and not kept for as long. Raise ValueError or TypeError when
    its data is not JSON.
    """
    stages = event.data.get("stages") or ()
    rest = {key: value for key, value in event.data.items() if key != "stages"}
    row = event.id, event.at, event.kind, event.node, event.actor, _dump(rest)
    text = _dump(stages) if stages else ""
    if len(text) > MOST_BYTES:
        text = _dump(_drop_output(event.data))
    return row, text


def decode_row(row: Row) -> Event | None:
    """Return the event in `row`; None when plabctl did not write it."""
    id_, at, kind, node, actor, data, stages = row
    try:
        texts = [read_text(value) for value in (id_, kind, actor)]
        name = None if node is None else read_text(node)
        if not (isinstance(at, int | float) and 0 <= at < LAST_AT):
            return None
        found = _read_data(data, stages)
    except (ValueError, RecursionError):
        return None
    return Event(texts[0], float(at), texts[1], name, texts[2], found)


def read_text(value: object) -> str:
    """Return the text in `value`; raise ValueError when there is none, or one that is none of ours."""
    text = value.decode() if isinstance(value, bytes) else ""
    if not text or _NEVER.search(text):
        raise ValueError
    return text


def _read_data(value: object, stages: object) -> Mapping[str, object]:
    """Return the data of an event, with its stages where there are some; raise ValueError for what is none of ours."""
    texts = [
        part.decode() if isinstance(part, bytes) else "" for part in (value, b"null" if stages is None else stages)
    ]
    data = json.loads(texts[0])
    if isinstance(data, dict) and stages is not None:
        data["stages"] = json.loads(texts[1])
    is_odd = any(map(_SUSPICIOUS.search, texts))
    if not isinstance(data, dict) or not all(_is_ours(key, inner, is_odd=is_odd) for key, inner in data.items()):
        raise ValueError
    return data


def _is_ours(key: str, value: object, *, is_odd: bool) -> bool:
    """Return whether `value` is what plabctl writes under `key`; `is_odd` asks for a close look at text."""
    if value is None:
        return True
    if is_odd and _NEVER.search(key):
        return False
    if key in _TEXTS:
        return isinstance(value, str) and not (is_odd and _NEVER.search(value))
    if key == "seconds" or key.endswith("_at"):
        return _is_number(value)
    if key == "stages":
        return isinstance(value, list) and all(_is_stage(stage, is_odd=is_odd) for stage in value)
    return _is_plain(value, _MOST_LEVELS, is_odd=is_odd)


def _is_stage(value: object, *, is_odd: bool) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("stage"), str)
        and _is_number(value.get("seconds"))
        and isinstance(value.get("output", ""), str)
        and isinstance(value.get("exit_code"), int | None)
        and _is_plain(value, _MOST_LEVELS, is_odd=is_odd)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST


def _is_plain(value: object, levels: int, *, is_odd: bool) -> bool:
    if isinstance(value, str):
        return not (is_odd and _NEVER.search(value))
    if isinstance(value, list):
        return levels > 0 and all(_is_plain(inner, levels - 1, is_odd=is_odd) for inner in value)
    if isinstance(value, dict):
        return levels > 0 and all(_is_plain(part, levels - 1, is_odd=is_odd) for pair in value.items() for part in pair)
    return value is None or isinstance(value, bool) or _is_number(value)


def _drop_output(data: Mapping[str, object]) -> list[Mapping[str, object]]:
    stages = cast(Sequence[Mapping[str, object]], data["stages"])
    return [{**stage, "output": "", "truncated": True} for stage in stages]
