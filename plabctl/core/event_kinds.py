"""The kinds of events: what sinks subscribe to.

Pure. A module of its own, because checking the configuration of a sink needs nothing else of `model`.
Tests: `tests/docs/test_glossary.py`.
"""

from __future__ import annotations

EVENT_KINDS = (
    "transition",
    "suspect",
    "refuted",
    "guarded",
    "stuck",
    "guard-on",
    "guard-off",
    "hold",
    "release",
    "retest",
    "node-added",
    "node-removed",
    "node-changed",
    "node-absent",
    "node-back",
    "node-renamed",
    "path-lost",
    "path-back",
    "void",
    "late",
    "probe",
    "vnode-up",
    "vnode-failed",
    "vnode-recovered",
    "vnode-replaced",
    "vnode-gone",
    "vnode-probe",
    "experiment-in",
    "experiment-ready",
    "experiment-leaving",
    "experiment-gone",
    "dropped",
    "names-differ",
    "fault",
    "fault-over",
)
"""All of them."""

EXPERIMENT_HOOK_KINDS = (
    "vnode-up",
    "vnode-failed",
    "vnode-recovered",
    "vnode-replaced",
    "vnode-gone",
    "experiment-ready",
    "experiment-leaving",
    "experiment-gone",
)
"""Those that the command of an experiment is told of."""

MOVES = ("transition", "suspect", "refuted", "guarded")
"""The kinds of event by which a node comes to where it is."""

PLACE_KINDS = (
    *MOVES,
    "stuck",
    "hold",
    "release",
    "node-added",
    "node-removed",
    "node-changed",
    "node-absent",
    "node-back",
    "node-renamed",
)
"""Those that change where a node is, whether it may be used, or what it is called."""
