"""Read the status that another user or machine wrote into a file: what views are made from, without the state.

I/O: reads one file. The file has what `status -o json` prints; see `plabctl.app.status_file`. What is not in it is
unknown here, too: the configuration but for the pools, claims, the history.
Tests: `tests/cli/test_status_file.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any

from plabctl.core.due_rows import Due, NodeFields, Row
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.find_problems import TICKS_COME_S
from plabctl.core.liveness_record import Liveness
from plabctl.core.model import Cause, Claim, Event, Hold, Member, Node, Outcome, TickMark, Verdict
from plabctl.core.names import fold_name
from plabctl.core.notes import Document, Notes
from plabctl.core.occupancy import OccupancySettings
from plabctl.core.pools.bad import BAD
from plabctl.core.pools.good import GOOD
from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.settings import LivenessSettings, PoolSettings, Settings
from plabctl.core.state import OCCUPANCY_TOPIC
from plabctl.core.surroundings import HeldLock, LockKind, LockReport, Surroundings
from plabctl.core.suspicion import Suspicion
from plabctl.core.usable import FELL_SILENT, UNTESTED
from plabctl.durations import format_duration
from plabctl.errors import StoreError
from plabctl.files.patient import read_in_time
from plabctl.render.listing import SCHEMA_VERSION
from plabctl.views.node import ViewContext

MAX_BYTES = 512 * 1024**2
_READ_S = 5.0
"""Monitoring systems give their plug-ins ten seconds."""
_TOLD = OccupancySettings("", "told", stale_after_s=inf)
"""Who is busy is believed as the file says it, however old that is."""
_NAMES = frozenset(kind.value for kind in ProblemKind)


class ToldState:
    """A `State` that was read from a status."""

    def __init__(self, document: Mapping[str, Any], at: float) -> None:
        self.rev: int = document["rev"]
        self.tick: TickMark | None = None
        self.claims: dict[str, Claim] = {}
        self.outbox: Sequence[Event] = ()
        self.notes: Notes = _read_notes(document)
        self.experiments: Mapping[str, Experiment] = {}
        self._vnodes: list[Vnode] = []
        self._known: dict[str, tuple[Node, Member]] = {}
        for row in document["nodes"]:
            name = row["name"]
            self._known[name] = _read_node(row), _read_member(row, at)
            guests = row.get("experiments") or ()
            self._vnodes += [Vnode(guest, name, VnodeState.UP, at, at, vnode=name) for guest in guests]
            if row["testing"]:
                slot = len(self.claims) + 1
                self.claims[name] = Claim(name, "", slot, "", "", row["pool"], "", "", at, at)

    def vnode(self, key: str) -> Vnode | None:
        """Return nothing: a status has no details of vnodes."""
        return None

    def vnodes(self) -> Iterable[Vnode]:
        """Return a vnode for each that a status names."""
        return self._vnodes

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""
        return self._known[name][0] if name in self._known else None

    def find_rev(self, name: str) -> int:
        """Return 0: a status does not say when a node was changed."""
        return 0

    def member(self, name: str) -> Member | None:
        """Return that node's place in its health pool."""
        return self._known[name][1] if name in self._known else None

    def names(self) -> Iterable[str]:
        """Return the names of all nodes."""
        return self._known.keys()

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""
        return [node for node, _ in self._known.values()]

    def members(self) -> Iterable[Member]:
        """Return all members of health pools."""
        return [member for _, member in self._known.values()]

    def select(self, fields: NodeFields[Row]) -> Iterable[Row]:
        """Return these fields of all nodes, a row for each."""
        return [fields.read(node, member) for node, member in self._known.values()]

    def select_one(self, fields: NodeFields[Row], name: str) -> Row | None:
        """Return these fields of the node of that name."""
        return fields.read(*self._known[name]) if name in self._known else None

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes are in each pool that has any."""
        return Counter(member.pool for member in self.members())

    def recent(self, since_at: float) -> Iterable[Member]:
        """Return nothing: who only reads judges nobody."""
        return ()

    def due(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return nothing: who only reads tests nobody."""
        return []

    def due_checks(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return nothing, as `due`."""
        return []


def read_status_file(path: str, now: float, max_age_s: float = TICKS_COME_S) -> ViewContext:
    """Return what views are built from, as the file at `path` tells it; raise StoreError when it tells nothing.

    A file older than `max_age_s` is told as a problem.
    """
    try:
        document = json.loads(read_in_time(path, MAX_BYTES, _READ_S))
        return _build_context(document, now, max_age_s)
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"cannot read '{path}': {why}", hint="set `[report] status_file`") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"'{path}' is not a status document", hint="it must have what `status -o json` prints"
        ) from error


def _build_context(document: Mapping[str, Any], now: float, max_age_s: float) -> ViewContext:
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError
    at = _read_instant(document["generated_at"])
    good = frozenset(document["good_pools"])
    names = [*sorted(good), *sorted(document["counts"].keys() - good)]  # in the order of most configurations
    liveness = LivenessSettings() if any("answered_at" in row for row in document["nodes"]) else None
    pools = {name: PoolSettings(name, GOOD if name in good else BAD, "", liveness=liveness) for name in names}
    settings = Settings("", "", pools, {}, window=document["window"]["size"], occupancies=(_TOLD,))
    state = ToldState(document, at)
    slots = range(1, max(min(document["window"]["in_use"], settings.window), len(state.claims)) + 1)
    sight = LockReport(tuple(HeldLock(LockKind.SLOT, slot=slot) for slot in slots), (), 0.0)
    around = Surroundings(_read_optional(document, "last_success_at"))
    told = [_read_problem(row) for row in document.get("problems", ())]
    if problem := _judge_age(at, now, max_age_s):
        told.insert(0, problem)
    return ViewContext(settings, state, now, _read_optional(document, "last_tick_at"), sight, around, told)


def _judge_age(at: float, now: float, max_age_s: float) -> Problem | None:
    """Return that a status written at `at` is old, or that its age is unknown, because a clock was set."""
    remedy = "see on its machine: plabctl check"
    if now - at > max_age_s:
        reason = f"the status is {format_duration(now - at)} old: it is written with every tick"
        return Problem(ProblemKind.STATUS_FILE, reason, remedy, since_at=at)
    if at - now > TICKS_COME_S:  # until that time it would pass for new, also if nobody wrote it any more
        reason = f"the status is {format_duration(at - now)} ahead of the clock: its age is unknown"
        return Problem(ProblemKind.STATUS_FILE, reason, f"compare the clocks; {remedy}")
    return None


def _read_node(row: Mapping[str, Any]) -> Node:
    if not (isinstance(row["name"], str) and isinstance(row["pool"], str)):
        raise TypeError
    variables = dict(row.get("labels") or {})
    if row.get("site") is not None:
        variables["site"] = row["site"]
    return Node(row["name"], variables)


def _read_member(row: Mapping[str, Any], at: float) -> Member:
    since_at = _read_instant(row["since_at"])
    return Member(
        row["name"],
        row["pool"],
        since_at=since_at,
        due_at=_read_instant(row["due_at"]),
        ok_streak=int(row["ok_streak"]),
        fail_streak=int(row["fail_streak"]),
        penalty=float(row["penalty"]),
        penalty_at=at,
        suspicion=_build_suspicion(row, since_at) if row["suspect"] else None,
        hold=_read_hold(row.get("hold")),
        requested_at=_read_optional(row, "requested_at"),
        absent_since_at=_read_optional(row, "absent_since_at"),
        stuck_since_at=_read_optional(row, "stuck_since_at"),
        release_test_since_at=at if row.get("why_not") == UNTESTED else None,
        last=_read_verdict(row.get("last")),
        liveness=Liveness(answered_at=_read_instant(row["answered_at"])) if "answered_at" in row else None,
    )


def _build_suspicion(row: Mapping[str, Any], since_at: float) -> Suspicion:
    return Suspicion("", since_at, 0, since_at, by_silence=row.get("why_not") == FELL_SILENT)


def _read_hold(row: Mapping[str, Any] | None) -> Hold | None:
    if row is None:
        return None
    since_at, until_at = _read_instant(row["since_at"]), _read_optional(row, "until_at")
    return Hold(row["actor"], row.get("reason", ""), since_at, until_at, bool(row.get("move")))


def _read_verdict(row: Mapping[str, Any] | None) -> Verdict | None:
    if row is None:
        return None
    cause = Cause(row["cause"]) if "cause" in row else None
    return Verdict(Outcome(row["outcome"]), cause, row.get("reason", ""), _read_instant(row["at"]), row["seconds"])


def _read_problem(row: Mapping[str, Any]) -> Problem:
    kind = ProblemKind(row["kind"]) if row["kind"] in _NAMES else ProblemKind.FAILING  # of a later version
    since_at = _read_optional(row, "since_at")
    severity, subject = Severity(row["severity"]), row.get("subject")
    return Problem(kind, row["reason"], row["remedy"], since_at=since_at, severity=severity, subject=subject)


def _read_notes(document: Mapping[str, Any]) -> Notes:
    notes: dict[str, Document] = {}
    if scopes := document["guard"].get("scopes"):
        told = {each["scope"]: {"since_at": _read_instant(each["since_at"]), "why": each["reason"]} for each in scopes}
        notes["guard"] = {"scopes": told}
    if busy := {fold_name(row["name"]): row for row in document["nodes"] if "busy_since_at" in row}:
        uses = {
            name: {"since_at": _read_instant(row["busy_since_at"]), "by": str(row.get("busy_by", ""))}
            for name, row in busy.items()
        }
        notes[f"{OCCUPANCY_TOPIC}{_TOLD.name}"] = {"read_at": _read_instant(document["generated_at"]), "busy": uses}
    return notes


def _read_instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _read_optional(row: Mapping[str, Any], key: str) -> float | None:
    return _read_instant(row[key]) if row.get(key) is not None else None
