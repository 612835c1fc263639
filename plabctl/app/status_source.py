"""Read a status that another user or machine wrote: what views are made from, without the state.

I/O: reads what it is given. It has what `status -o json` prints; see `plabctl.app.status_file`. What is not in it is
unknown here, too: the configuration but for the pools, claims, the history. Where a status is found is known by
`plabctl.app.sources`.
Tests: `tests/cli/test_status_file.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from plabctl.app.json_stream import NotJson, Read, read_object
from plabctl.app.told_state import TOLD, ToldState
from plabctl.core.find_problems import TICKS_COME_S
from plabctl.core.names import MAX_NAME
from plabctl.core.occupancy import OccupancySettings
from plabctl.core.pools.bad import BAD
from plabctl.core.pools.good import GOOD
from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.settings import LivenessSettings, PoolSettings, Settings
from plabctl.core.surroundings import HeldLock, LockKind, LockReport, NodeCounts, Surroundings
from plabctl.durations import format_duration
from plabctl.errors import StoreError
from plabctl.probes.clean import clean_line
from plabctl.render.decode import make_object_reader, read_instant, read_number
from plabctl.render.listing import SCHEMA_VERSION
from plabctl.views.node import NodeView, ViewContext
from plabctl.views.status import GuardView, ScopeView, StatusHead, Totals, WindowView

MAX_BYTES = 512 * 1024**2
"""Of a file, some million nodes."""
_BUSY = OccupancySettings("", TOLD, stale_after_s=inf)
"""Who is busy is believed as the status says it, however old that is."""
_NAMES = frozenset(kind.value for kind in ProblemKind)
_IS_NONE, _HINT = "is not a status document", "it must have what `status -o json` prints"
_AHEAD_S = TICKS_COME_S
_LONGEST = 2000
"""Characters kept of a text."""
_MOST_SLOTS = 1_000_000
"""Of all monitors together; a slot in use takes memory here."""

RowTest = Callable[[Mapping[str, Any]], bool]
"""Says of a node, as JSON has it, whether it is wanted."""


class ToldStatus(NamedTuple):
    """What a status tells: its head, counts and names of all nodes, and those nodes that are wanted."""

    head: StatusHead
    totals: Totals
    names: Mapping[str, Sequence[str]]
    """The names of the nodes in each pool."""
    unusable: Sequence[str]
    absent: Sequence[str]
    views: Sequence[NodeView]


def read_status(read: Read, place: str, keep: RowTest | None = None, monitor: str = "") -> ToldStatus:
    """Return what the status that `read` gives tells, with all its nodes or those that `keep` wants.

    Its nodes become those of `monitor`, if that has a name. Raise StoreError, which names `place`, when it is none, and
    OSError as `read` does.
    """
    tally = _Tally(keep, monitor)
    try:
        document = read_object(read, "nodes", tally.take)
        version = document["schema_version"]
        if version.__class__ is int and version != SCHEMA_VERSION:
            raise StoreError(
                f"'{place}' is a status of version {version}, and this plabctl reads version {SCHEMA_VERSION}",
                hint="bring the older of the two up to date",
            )
        if tally.fault:
            raise tally.fault
        return tally.close(_read_head(document))
    except NotJson as error:
        words = f"is {error}, not a status document" if f"{error}" else _IS_NONE
        raise StoreError(f"'{place}' {words}", hint=_HINT) from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise StoreError(f"'{place}' {_IS_NONE}", hint=_HINT) from error


class _Tally:
    """Counts the nodes of a status one by one, and makes views of those that are wanted."""

    def __init__(self, keep: RowTest | None, monitor: str) -> None:
        self._keep = keep
        self._monitor = monitor
        self._read = make_object_reader(NodeView, _clean)
        self._views: list[NodeView] = []
        self._names: dict[str, list[str]] = {}
        self._unusable: list[str] = []
        self._absent: list[str] = []
        self._held = self._suspect = self._stuck = self._busy = self._untested = self._unknown = 0
        self._next_due, self._last_test = "", ""
        self.fault: Exception | None = None

    def take(self, row: Any) -> None:
        """Count the node; what is wrong with one is kept for later: the status may be of a later version."""
        try:
            self._count(row)
            if self._keep is None or self._keep(row):
                if self._monitor:  # of which that may be the status of several
                    row["monitor"] = f"{self._monitor}/{row['monitor']}" if "monitor" in row else self._monitor
                self._views.append(self._read(row))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            self.fault = self.fault or error

    def _count(self, row: Mapping[str, Any]) -> None:
        name, pool = row["name"], row["pool"]
        if name.__class__ is not str or pool.__class__ is not str or not (name + pool).isprintable():
            raise TypeError
        if len(name) > MAX_NAME:
            raise ValueError
        if pool in self._names:
            self._names[pool].append(name)
        else:
            self._names[pool] = [name]
        if not row["usable"]:
            self._unusable.append(name)
        is_absent, is_busy = "absent_since_at" in row, "busy_since_at" in row
        if is_absent:
            self._absent.append(name)
        elif not (row["testing"] or is_busy) and (not self._next_due or row["due_at"] < self._next_due):
            self._next_due = row["due_at"]
        if (last := row.get("last")) is None:
            self._untested += not is_absent
        else:
            self._unknown += last["outcome"] == "unknown"
            self._last_test = max(self._last_test, last["at"])
        self._busy += is_busy
        self._held += bool(row["held"])
        self._suspect += bool(row["suspect"])
        self._stuck += "stuck_since_at" in row

    def close(self, head: StatusHead) -> ToldStatus:
        """Return what came together, with the head that was read beside it."""
        count = sum(map(len, self._names.values()))
        pools = {**dict.fromkeys(head.counts, 0), **{pool: len(names) for pool, names in self._names.items()}}
        pools = {pool: pools[pool] for pool in sort_pools(pools, head.good_pools)}
        last_test_at = read_instant(self._last_test) if self._last_test else 0.0
        next_due_at = read_instant(self._next_due) if self._next_due else None
        is_any_usable = len(self._unusable) < count
        counts = NodeCounts(pools, self._unknown, self._untested, is_any_usable, last_test_at, next_due_at, self._stuck)
        totals = Totals(count, self._held, self._suspect, len(self._absent), head.window.in_use, counts, self._busy)
        return ToldStatus(head, totals, self._names, self._unusable, self._absent, self._views)


def sort_pools(pools: Mapping[str, object], good: Sequence[str]) -> list[str]:
    """Return the names of the pools in the order of most configurations: the good ones first."""
    return [*sorted(pools.keys() & set(good)), *sorted(pools.keys() - set(good))]


def build_context(told: ToldStatus, now: float, max_age_s: float | None = None) -> ViewContext:
    """Return what views are built from; a status older than `max_age_s`, or than it may be, is told as a problem."""
    head = told.head
    settings = build_settings(head, has_answers=any(view.answered_at is not None for view in told.views))
    state = ToldState(told.views, head.generated_at, head.rev, head.guard)
    slots = range(1, max(min(head.window.in_use, settings.window), len(state.claims)) + 1)
    sight = LockReport(tuple(HeldLock(LockKind.SLOT, slot=slot) for slot in slots), (), 0.0)
    problems = list(head.problems or ())
    if problem := judge_age(head, now, max_age_s):
        problems.insert(0, problem)
    around = Surroundings(head.last_success_at)
    return ViewContext(settings, state, now, head.last_tick_at, sight, around, problems, state.views)


def build_settings(head: StatusHead, *, has_answers: bool) -> Settings:
    """Return what a status lets us know of the configuration of its monitor."""
    liveness, good = LivenessSettings() if has_answers else None, frozenset(head.good_pools)
    names = sort_pools(head.counts, head.good_pools)
    pools = {name: PoolSettings(name, GOOD if name in good else BAD, "", liveness=liveness) for name in names}
    return Settings("", "", pools, {}, window=head.window.size, occupancies=(_BUSY,))


def judge_age(head: StatusHead, now: float, max_age_s: float | None = None) -> Problem | None:
    """Return that a status is old, or that its age is unknown, because a clock was set.

    Without `max_age_s` it may be as old as it gets before it is written anew, and three minutes.
    """
    every_s, at = head.every_seconds, head.generated_at
    remedy = "see on its machine: plabctl check"
    if now - at > (TICKS_COME_S + (every_s or 0.0) if max_age_s is None else max_age_s):
        how_often = f"every {format_duration(every_s)}" if every_s else "with every tick"
        reason = f"the status is {format_duration(now - at)} old: it is written {how_often}"
        return Problem(ProblemKind.STATUS_FILE, reason, remedy, since_at=at)
    if at - now > _AHEAD_S:  # until that time it would pass for new, also if nobody wrote it any more
        reason = f"the status is {format_duration(at - now)} ahead of the clock: its age is unknown"
        return Problem(ProblemKind.STATUS_FILE, reason, f"compare the clocks; {remedy}")
    return None


def _read_head(document: Mapping[str, Any]) -> StatusHead:
    window, guard = document["window"], document["guard"]
    return StatusHead(
        generated_at=read_instant(document["generated_at"]),
        rev=int(document["rev"]),
        window=WindowView(_read_count(window["size"], _MOST_SLOTS), _read_count(window["in_use"])),
        guard=_read_guard(guard),
        counts={_read_pool(pool): int(count) for pool, count in document["counts"].items()},
        problems=[_read_problem(row) for row in document.get("problems", ())] or None,
        last_tick_at=_read_optional(document, "last_tick_at"),
        last_success_at=_read_optional(document, "last_success_at"),
        good_pools=[_read_pool(pool) for pool in document["good_pools"]],
        every_seconds=read_number(document["every_seconds"]) if "every_seconds" in document else None,
    )


def _read_count(given: Any, most: float = inf) -> int:
    number = int(given)
    if not 0 <= number <= most:
        raise ValueError
    return number


def _read_pool(name: str) -> str:
    """Return the name of a pool; raise ValueError for one that would act on a terminal."""
    if not name.isprintable():
        raise ValueError
    return name


def _read_guard(guard: Mapping[str, Any]) -> GuardView:
    scopes = [
        ScopeView(_clean(each["scope"]), read_instant(each["since_at"]), _clean(each["reason"]))
        for each in guard.get("scopes") or ()
    ]
    return GuardView("on", scopes) if scopes else GuardView("off", None)


def _read_problem(row: Mapping[str, Any]) -> Problem:
    kind = ProblemKind(row["kind"]) if row["kind"] in _NAMES else ProblemKind.FAILING  # of a later version
    since_at = _read_optional(row, "since_at")
    severity, subject = Severity(row["severity"]), row.get("subject")
    reason, remedy = _clean(row["reason"]), _clean(row["remedy"])
    monitor = _clean(row["monitor"]) if "monitor" in row else None  # of a status of several
    subject = subject and _clean(subject)
    return Problem(kind, reason, remedy, since_at=since_at, severity=severity, subject=subject, monitor=monitor)


def _clean(text: str) -> str:
    return clean_line(text, _LONGEST)


def _read_optional(row: Mapping[str, Any], key: str) -> float | None:
    return read_instant(row[key]) if row.get(key) is not None else None
