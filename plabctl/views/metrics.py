"""The metrics: what a monitoring system is given to store, to draw and to raise alarms by.

Pure. Names, labels and help texts stand here; `plabctl.render.metrics_text` writes them down. Go on with
`docs/prometheus.md` for what each is good for.
Tests: `tests/cli/test_metrics.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from plabctl import __version__
from plabctl.core.event_counts import SECONDS, Counter, Counts
from plabctl.core.model import Outcome
from plabctl.core.names import sort_names
from plabctl.core.problems import ProblemKind, Severity
from plabctl.core.usable import explain_unusable
from plabctl.views.node import NODE_FACTS, NodeFacts, ViewContext
from plabctl.views.status import build_guard_view, count_totals, find_current_problems

Labels = Mapping[str, str]
UNTESTED, FAILED = "untested", "failed"
_NO_LABELS: Labels = {}


class Sample(NamedTuple):
    """One value; `suffix` is what its name has behind that of the family."""

    value: float
    labels: Labels = _NO_LABELS
    suffix: str = ""


class Family(NamedTuple):
    """All samples of one metric; a counter's name is without its `_total`, an info's without its `_info`."""

    name: str
    type: Literal["gauge", "counter", "histogram", "info"]
    help: str
    samples: Sequence[Sample]
    unit: str = ""


class MetricsSource(NamedTuple):
    """What metrics are made from beside the state."""

    counts: Counts | None
    """None when the history cannot be read."""
    read_ats: Mapping[str, float | None]
    """When each inventory was last read."""
    occupied_ats: Mapping[str, float | None]
    """When each occupancy source was last read."""
    history_bytes: int
    state_bytes: int
    max_nodes: int = 0
    """For how many nodes there are series of their own."""
    last_tick_s: float | None = None
    """How long the last tick took that had something to do."""


class MetricsView(NamedTuple):
    """The metrics, how many nodes have no series of their own for want of room, and whether there are counters."""

    families: Sequence[Family]
    cut_count: int
    has_counters: bool


def build_metrics_view(context: ViewContext, source: MetricsSource) -> MetricsView:
    """Return the metrics of the state at `context.now`."""
    facts = list(context.state.select(NODE_FACTS))
    shown = sort_names([node.node for node in facts]) if source.max_nodes else []
    cut_count = max(0, len(shown) - source.max_nodes)
    families = [
        _info("plabctl_build", "The version of plabctl.", [Sample(1, {"version": __version__})]),
        *_list_node_counts(context, facts),
        *_list_work(context, facts),
        *_list_ages(context, source),
        *(_list_counters(source.counts) if source.counts is not None else ()),
    ]
    if source.max_nodes:
        families += _list_nodes(context, facts, frozenset(shown[: source.max_nodes]))
        families.append(_gauge("plabctl_nodes_without_series", "Nodes left out beyond max_nodes.", [Sample(cut_count)]))
    return MetricsView(families, cut_count, source.counts is not None)


def _gauge(name: str, text: str, samples: Sequence[Sample], unit: str = "") -> Family:
    return Family(name, "gauge", text, samples, unit)


def _info(name: str, text: str, samples: Sequence[Sample]) -> Family:
    return Family(name, "info", text, samples)


_STATES = {
    "plabctl_nodes": "Nodes.",
    "plabctl_nodes_usable": "Nodes that are offered.",
    "plabctl_nodes_suspect": "Nodes that left good on a failure that is not confirmed yet.",
    "plabctl_nodes_held": "Nodes that a person holds where they are.",
    "plabctl_nodes_absent": "Nodes that their inventory lists no more.",
    "plabctl_nodes_busy": "Nodes that somebody uses, as an occupancy source says.",
    "plabctl_nodes_stuck": "Nodes that do not return before a person releases them.",
    "plabctl_nodes_untested": "Nodes that were not tested yet.",
}


def _list_node_counts(context: ViewContext, facts: Sequence[NodeFacts]) -> Iterator[Family]:
    """Yield how many nodes there are by pool and site; a pool that is empty has a row without a site."""
    now, busy, good_pools = context.now, context.busy, context.settings.good_pools
    rows = {(pool, ""): [0] * len(_STATES) for pool in context.settings.pools.keys() - {node.pool for node in facts}}
    for node in facts:
        row = rows.setdefault((node.pool, node.variables.get("site", "")), [0] * len(_STATES))
        row[0] += 1
        row[1] += explain_unusable(node, now, is_in_good=node.pool in good_pools) is None
        row[2] += node.is_suspect
        row[3] += node.hold is not None and node.hold.holds(now)
        row[4] += node.absent_since_at is not None
        row[5] += node.node in busy
        row[6] += node.stuck_since_at is not None
        row[7] += node.last is None and node.absent_since_at is None
    keys = sorted(rows)
    for number, (name, text) in enumerate(_STATES.items()):
        yield _gauge(name, text, [Sample(rows[key][number], {"pool": key[0], "site": key[1]}) for key in keys])


def _list_work(context: ViewContext, facts: Sequence[NodeFacts]) -> Iterator[Family]:
    """Yield how busy plabctl is, what it waits for and what is wrong."""
    totals = count_totals(context, facts)
    taken = {*context.claims, *context.busy}
    waits = [
        context.now - node.due_at
        for node in facts
        if node.due_at <= context.now and node.absent_since_at is None and node.node not in taken
    ]
    yield _gauge("plabctl_window_size", "How many tests may run at once.", [Sample(context.settings.window)])
    yield _gauge("plabctl_probes_in_flight", "How many tests run.", [Sample(totals.in_use)])
    yield _gauge("plabctl_nodes_due", "Nodes whose test is due and has not begun.", [Sample(len(waits))])
    text = "How long the node has waited that has waited longest for its test."
    yield _gauge("plabctl_oldest_wait_seconds", text, [Sample(max(waits, default=0.0))], "seconds")
    scopes = build_guard_view(context.state).scopes or ()
    yield _gauge("plabctl_guard_frozen", "In how many scopes the guard holds moves back.", [Sample(len(scopes))])
    since = [Sample(each.since_at, {"scope": each.scope}) for each in scopes]
    yield _gauge("plabctl_guard_since_timestamp_seconds", "Since when it does so in each.", since, "seconds")
    found = [(each.kind, each.severity) for each in find_current_problems(context, totals)]
    samples = [
        Sample(found.count((kind, severity)), {"kind": str(kind), "severity": str(severity)})
        for kind in ProblemKind
        for severity in Severity
    ]
    yield _gauge("plabctl_faults", "What keeps plabctl from its work, as plabctl check tells it.", samples)


def _list_ages(context: ViewContext, source: MetricsSource) -> Iterator[Family]:
    """Yield when things were last done, and how large files are."""
    around = context.around
    instants = (
        ("plabctl_last_tick_timestamp_seconds", "When a tick last began.", context.last_tick_at),
        (
            "plabctl_last_successful_tick_timestamp_seconds",
            "When a tick last ended well.",
            around.last_success_at if around else None,
        ),
    )
    for name, text, at in instants:
        yield _gauge(name, text, [Sample(at)] if at is not None else [], "seconds")
    took = [] if source.last_tick_s is None else [Sample(source.last_tick_s)]
    text = "How long the last tick took that had something to do and ended."
    yield _gauge("plabctl_tick_duration_seconds", text, took, "seconds")
    for word, at_by_name in (("inventory", source.read_ats), ("occupancy", source.occupied_ats)):
        samples = [Sample(at, {"source": name}) for name, at in at_by_name.items() if at is not None]
        if at_by_name:
            text = f"When each source of the {word} was last read."
            yield _gauge(f"plabctl_{word}_read_timestamp_seconds", text, samples, "seconds")
            text = f"How long ago that was when this was written ({word})."
            ages = [Sample(max(0.0, context.now - each.value), each.labels) for each in samples]
            yield _gauge(f"plabctl_{word}_age_seconds", text, ages, "seconds")
    yield _gauge("plabctl_history_size_bytes", "The size of the history.", [Sample(source.history_bytes)], "bytes")
    yield _gauge("plabctl_state_size_bytes", "The size of the state.", [Sample(source.state_bytes)], "bytes")


def _list_counters(counts: Counts) -> Iterator[Family]:
    """Yield what is counted from the beginning of the history on."""

    def list_samples(counter: Counter, *names: str) -> list[Sample]:
        rows = sorted((labels, value) for (name, labels), value in counts.items() if name == counter)
        return [
            Sample(value, dict(zip(names, labels, strict=True)), "_total")
            for labels, value in rows
            if len(labels) == len(names)
        ]

    tests = list_samples(Counter.TESTS, "outcome", "cause", "goal")
    yield Family("plabctl_probes", "counter", "Tests that ended.", tests)
    moves = list_samples(Counter.MOVES, "kind", "from", "to")
    yield Family("plabctl_transitions", "counter", "Moves of nodes between pools.", moves)
    kinds = list_samples(Counter.EVENTS, "kind")
    yield Family("plabctl_events", "counter", "Events that were recorded.", kinds)
    text = "How long tests took."
    yield Family("plabctl_probe_duration_seconds", "histogram", text, list(_list_classes(counts)), "seconds")


def _list_classes(counts: Counts) -> Iterator[Sample]:
    for outcome in map(str, Outcome):
        total = 0.0
        for number, bound in enumerate((*SECONDS, float("inf"))):
            total += counts.get((Counter.TEST_CLASSES, (outcome, str(number))), 0.0)
            shown = "+Inf" if number == len(SECONDS) else repr(bound)
            yield Sample(total, {"outcome": outcome, "le": shown}, "_bucket")
        seconds = counts.get((Counter.TEST_SECONDS, (outcome,)), 0.0)
        yield Sample(seconds, {"outcome": outcome}, "_sum")
        yield Sample(total, {"outcome": outcome}, "_count")


def _list_nodes(context: ViewContext, facts: Iterable[NodeFacts], shown: frozenset[str]) -> Iterator[Family]:
    """Yield the series that there are for each node."""
    now, good_pools = context.now, context.settings.good_pools
    usable, info = [], []
    for node in facts:
        if node.node in shown:
            labels = {"node": node.node, "pool": node.pool, "site": node.variables.get("site", "")}
            is_usable = explain_unusable(node, now, is_in_good=node.pool in good_pools) is None
            usable.append(Sample(int(is_usable), labels))
            info.append(Sample(1, {**labels, "cause": "" if is_usable else _find_cause(node, now)}))
    yield _gauge("plabctl_node_usable", "Whether the node is offered.", usable)
    yield _info("plabctl_node", "The node, and why it is not offered.", info)


def _find_cause(node: NodeFacts, now: float) -> str:
    """Return in a word why the node is not usable: that of its last test, or what else keeps it out."""
    if node.absent_since_at is not None:
        return "absent"
    if node.hold is not None and node.hold.holds(now):
        return "held"
    if node.stuck_since_at is not None:
        return "stuck"
    if node.last is None:
        return UNTESTED
    if node.last.outcome is Outcome.FAIL:
        return str(node.last.cause) if node.last.cause else FAILED
    return "recovering" if node.last.outcome is Outcome.PASS else str(node.last.outcome)
