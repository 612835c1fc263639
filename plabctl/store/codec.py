"""The nouns of the state as documents of the state file.

Pure. Each function raises ValueError when a value cannot be written or a document cannot be read.
Go on with `plabctl.store.documents`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from plabctl.core.model import Cause, Claim, Event, Goal, Hold, Leftover, Member, Node, Outcome, TickMark, Verdict
from plabctl.core.suspicion import Flap, Suspicion
from plabctl.core.uptime import UptimeStats
from plabctl.store.shapes import Doc, Part, RowSource, Shape, copy_plain, copy_plain_object, make_tuple_part
from plabctl.typed import TYPE_CHECKING, Any
from plabctl.values import MISSING

if TYPE_CHECKING:
    from plabctl.core.due_rows import Due, NodeFields, Row

_OUTCOMES = {str(outcome): outcome for outcome in Outcome}
_GOALS = {str(goal): goal for goal in Goal}
_CAUSES: dict[str | None, Cause | None] = {None: None, **{str(cause): cause for cause in Cause}}


def make_nested_part(shape: Shape[Any]) -> Part:
    """Return how a field that holds a value of that shape is stored."""
    return Part([dict], shape.put, shape.get)


def make_object_part(name: str) -> Part:
    """Return how a field that holds a plain object is stored."""
    return Part([dict], lambda value: copy_plain_object(value, name), lambda stored: stored)


def _make_late_part(name: str) -> Part:
    @cache
    def load() -> Shape[Any]:
        from plabctl.core import liveness_record  # most states have nothing of it

        return Shape(getattr(liveness_record, name))

    return Part([dict], lambda value: load().put(value), lambda doc: load().get(doc))


_HOLD = Shape(Hold)
_SUSPICION = Shape(Suspicion)
_LEFTOVER = Shape(Leftover)
_UPTIME = Shape(UptimeStats)
_FLAP = Shape(
    Flap,
    parts={"before": make_nested_part(_SUSPICION), "uptime": make_nested_part(_UPTIME)},
    stored_as={"uptime": "spells"},
)
_VERDICT = Shape(
    Verdict,
    parts={
        "outcome": Part([str], str, _OUTCOMES.__getitem__),
        "cause": Part([str, type(None)], lambda cause: cause and str(cause), _CAUSES.__getitem__),
    },
)
_MEMBER = Shape(
    Member,
    "node",
    {
        "suspicion": make_nested_part(_SUSPICION),
        "hold": make_nested_part(_HOLD),
        "last": make_nested_part(_VERDICT),
        "leftovers": make_tuple_part(_LEFTOVER),
        "uptime": make_nested_part(_UPTIME),
        "slowest_s": make_object_part("slow"),
        "flaps": make_tuple_part(_FLAP),
        "liveness": _make_late_part("Liveness"),
        "lost_ways": make_tuple_part(_make_late_part("LostWay")),
        "strike_ats": Part([list], list, lambda stored: tuple(map(_read_number, stored))),
    },
    stored_as={
        "leftovers": "debris",
        "uptime": "spells",
        "slowest_s": "slow",
        "flaps": "flops",
        "refused_since_at": "turned_away_at",
    },
)
_NAMES = Part([list], list, lambda stored: tuple(map(_read_text, stored)))
_CLAIM = Shape(Claim, "node", {"goal": Part([str], str, _GOALS.__getitem__), "away_from": _NAMES})
_EVENT = Shape(Event, "id", {"data": make_object_part("data")})
_TICK = Shape(TickMark)
VERDICT = make_nested_part(_VERDICT)

encode_member = _MEMBER.put
"""Without its node's name."""
encode_claim = _CLAIM.put
"""Without its node's name: that is in the key."""
encode_event, decode_event = _EVENT.put, _EVENT.decode
encode_tick, decode_tick = _TICK.put, _TICK.decode

_NODE_KEYS = frozenset({"vars", "source", "added_at", "rev", "member"})
_OPERATOR = "operator"

_BESIDE: dict[str, RowSource] = {
    "variables": ("vars", True, {}, None),
    "source": ("source", True, _OPERATOR, None),
    "added_at": ("added_at", True, 0.0, None),
}
_FEW_NODES = 64
"""So many rows take less time than compiling a function for all of them."""
_row_readers: dict[tuple[NodeFields[Any], bool], Callable[[str, Doc], Any]] = {}


def encode_node(node: Node, member: Doc) -> Doc:
    """Return the document of a node together with that of its member."""
    doc: Doc = {"member": member}
    if node.variables:
        doc["vars"] = _read_texts(copy_plain(node.variables, "variables"))
    if node.source != _OPERATOR:
        doc["source"] = _read_text(copy_plain(node.source, "source"))
    if node.added_at:
        doc["added_at"] = _read_number(copy_plain(node.added_at, "added_at"))
    return doc


def decode_node(name: str, doc: Doc) -> Node:
    """Return the node that is filed under `name`."""
    if not _NODE_KEYS.issuperset(doc):
        raise ValueError(f"a node has no {sorted(doc.keys() - _NODE_KEYS)}")
    return Node(
        name,
        _read_texts(doc.get("vars", {})),
        _read_text(doc.get("source", _OPERATOR)),
        _read_number(doc.get("added_at", 0.0)),
    )


def decode_rev(_name: str, doc: Doc) -> int:
    """Return the rev at which a node was last changed; 0 in what was written before that was kept."""
    rev = doc.get("rev", 0)
    if type(rev) is not int:
        raise ValueError(f"{rev!r} is no rev")
    return rev


def decode_member(name: str, doc: Doc) -> Member:
    """Return the member of the node that is filed under `name`; `doc` is the node's document."""
    return _MEMBER.get(doc["member"], name)


def decode_due(node: str, doc: Doc, experiment: str | None = None) -> Due:
    """Return the light row of a member's document; the pool of a member of an experiment is the experiment."""
    from plabctl.core.due_rows import Due  # a gate reads members only

    probed_at = doc.get("probed_at")
    return Due(
        node,
        doc["pool"] if experiment is None else experiment,
        doc["due_at"],
        doc.get("requested_at"),
        doc["since_at"] if probed_at is None else probed_at,
        doc.get("interval_s", 0.0),
        experiment or "",
    )


def decode_check(node: str, member: Doc) -> Due:
    """Return the light row of a liveness check that is planned, from the member's document."""
    from plabctl.core.due_rows import Due

    own = member["liveness"]
    spacing_s = 0.0 if own.get("called") else own.get("spacing_s", 0.0)
    return Due(node, member["pool"], own["due_at"], None, own["due_at"] - spacing_s, spacing_s, is_check=True)


def make_row_reader(fields: NodeFields[Row], node_count: int) -> Callable[[str, Doc], Row]:
    """Return what makes the row of a node from its name and its document, for as many nodes as there are."""
    are_few = node_count <= _FEW_NODES
    key = fields, are_few
    read = _row_readers.get(key)
    if read is None:
        read = _row_readers[key] = _make_loop(fields) if are_few else _compile(fields)
    return read


def _find_row_sources(fields: NodeFields[Row]) -> dict[str, RowSource]:
    sources = _MEMBER.sources | _BESIDE | {"last": ("last", False, None, _read_verdict)}
    return {name: sources[name] for name in fields.names if name != "node"}


def _make_loop(fields: NodeFields[Row]) -> Callable[[str, Doc], Row]:
    sources = [*map(_find_row_sources(fields).get, fields.names)]

    def read(node: str, doc: Doc) -> Row:
        member = doc["member"]
        values: list[object] = []
        for source in sources:
            if source is None:
                values.append(node)
                continue
            key, is_beside, default, decode = source
            value = (doc if is_beside else member).get(key, default)
            if value is MISSING:
                raise KeyError(key)
            values.append(value if value is default or decode is None else decode(value))
        return tuple.__new__(fields.row, values)

    return read


def _compile(fields: NodeFields[Row]) -> Callable[[str, Doc], Row]:
    from plabctl.store.compiled_reader import compile_reader

    return compile_reader(fields.row, fields.names, _find_row_sources(fields))


def _read_verdict(doc: Doc) -> Verdict:
    # As the shape of a verdict reads it, at a third of its cost: a list has one for nearly every node.
    return Verdict(_OUTCOMES[doc["outcome"]], _CAUSES[doc["cause"]], doc["reason"], doc["at"], doc["seconds"])


def decode_claim(key: str, doc: Doc) -> Claim:
    """Return the claim that is filed under `key`: a node's name, or `EXPERIMENT/NODE`."""
    return _CLAIM.get(doc, key.rpartition("/")[2])


def encode_note(note: Mapping[str, object]) -> Doc:
    """Return the document of a note."""
    return copy_plain_object(note, "note")


def _read_texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or (value and set(map(type, value.values())) != {str}):
        raise ValueError(f"variables are texts by name, not {value!r}")
    return value


def _read_text(value: object) -> str:
    if type(value) is not str:
        raise ValueError(f"{value!r} is no text")
    return value


def _read_number(value: object) -> float:
    if type(value) not in {int, float}:
        raise ValueError(f"{value!r} is no number")
    return value  # type: ignore[return-value]
