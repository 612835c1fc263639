"""Very many events that differ in their node only, as one document of the outbox: an import of a million nodes.

Pure. A document for each would be larger than the nodes themselves, in the file and in memory. What is in the data of
all is written once; what only some have stands with the node.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from plabctl.core.model import Event
from plabctl.store import codec
from plabctl.store.shapes import Doc, copy_plain_object

LEAST = 1000
"""Fewer events are filed one by one."""
_OF = "nodes"
"""The key that a group has and no event: what only some have, by node."""
_Key = tuple[str, float, str, str]


def encode_events(events: Sequence[Event]) -> dict[str, Doc]:
    """Return the documents of events by what they are filed under; raise ValueError for what cannot be written."""
    if len(events) < LEAST:
        return {event.id: codec.encode_event(event) for event in events}
    groups: dict[_Key, list[Event]] = {}
    for event in events:
        groups.setdefault(_find_key(event), []).append(event)
    docs: dict[str, Doc] = {}
    for key, group in groups.items():
        if len(group) < LEAST or not key[0] or key[0] in docs:
            docs |= {event.id: codec.encode_event(event) for event in group}
        else:
            docs[key[0]] = _encode_group(group)
    return docs


def _find_key(event: Event) -> _Key:
    """Return what the events of a group have in common; the first is empty if this one can be in none."""
    id_, dash, node = event.id.partition("-")
    return (id_ if dash and node == event.node else ""), event.at, event.kind, event.actor


def _encode_group(group: Sequence[Event]) -> Doc:
    first = group[0]
    common = dict(first.data)
    for event in group:
        if event.data is not first.data:
            common = {key: value for key, value in common.items() if key in event.data and event.data[key] == value}
    doc = codec.encode_event(Event("", first.at, first.kind, None, first.actor, common))
    nodes: dict[str, Doc | None] = {}
    for event in group:
        has_own = len(event.data) > len(common)
        own = {key: value for key, value in event.data.items() if key not in common} if has_own else {}
        nodes[str(event.node)] = copy_plain_object(own, "data") if own else None
    return {**doc, _OF: nodes}


def decode_events(id_: str, doc: Doc) -> list[Event]:
    """Return the events of the document that is filed under `id_`; raise ValueError when it is none of events."""
    if _OF not in doc:
        return [codec.decode_event(id_, doc)]
    alike = codec.decode_event(id_, {key: value for key, value in doc.items() if key != _OF})
    return [
        Event(f"{id_}-{node}", alike.at, alike.kind, node, alike.actor, {**alike.data, **own} if own else alike.data)
        for node, own in dict(doc[_OF]).items()
    ]


def drop_events(docs: Mapping[str, Doc], ids: Collection[str]) -> tuple[list[str], dict[str, Doc]]:
    """Return which documents are to go when the events `ids` do, and what is left of groups; ids not there are none."""
    gone = [id_ for id_ in ids if id_ in docs]
    left: dict[str, Doc] = {}
    if len(gone) < len(ids):
        for id_, doc in docs.items():
            if _OF in doc:
                nodes = {node: own for node, own in doc[_OF].items() if f"{id_}-{node}" not in ids}
                if len(nodes) < len(doc[_OF]):
                    gone.append(id_)
                    left |= {id_: {**doc, _OF: nodes}} if nodes else {}
    return gone, left
