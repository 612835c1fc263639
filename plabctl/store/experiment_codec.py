"""Experiments and their members as documents of the state file.

Pure. Apart from `plabctl.store.codec`, because most states have none. Each function raises ValueError when a value
cannot be written or a document cannot be read.
"""

from __future__ import annotations

from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.store.codec import VERDICT, make_object_part
from plabctl.store.shapes import Doc, Part, Shape, copy_plain

_STATES = {str(state): state for state in VnodeState}


def _make_words_part(name: str) -> Part:
    return Part([list], lambda words: copy_plain(words, name), lambda stored: tuple(map(str, stored)))


_EXPERIMENT = Shape(
    Experiment,
    "name",
    {"nodes": _make_words_part("nodes"), "match": make_object_part("match"), "hook": _make_words_part("hook")},
)
_VNODE = Shape(
    Vnode,
    parts={
        "state": Part([str], str, _STATES.__getitem__),
        "last": VERDICT,
        "address": make_object_part("address"),
    },
)

encode_experiment, decode_experiment = _EXPERIMENT.put, _EXPERIMENT.decode
"""Without its name."""
encode_vnode = _VNODE.put


def decode_vnode(key: str, doc: Doc) -> Vnode:
    """Return the member that is filed under `key`."""
    vnode = _VNODE.get(doc)
    if vnode.key != key:
        raise ValueError(f"the member {vnode.key!r} is filed under {key!r}")
    return vnode
