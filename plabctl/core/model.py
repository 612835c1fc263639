"""The nouns of plabctl: nodes, their place in a pool, claims and events.

Pure. Every value is frozen: a decision makes a new one. Instants are seconds since 1970 (UTC) and end in `_at`,
durations end in `_s`. Go on with `plabctl.core.pools.base`, where a report is judged.
Tests: `tests/core/test_settle.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.core.probe import Cause as Cause
from plabctl.core.probe import Goal as Goal
from plabctl.core.probe import Leftover as Leftover
from plabctl.core.probe import Outcome as Outcome
from plabctl.core.probe import Report as Report
from plabctl.core.probe import StageRun as StageRun
from plabctl.core.probe import Verdict as Verdict
from plabctl.core.probe import build_key as build_key
from plabctl.core.suspicion import Flap as Flap
from plabctl.core.suspicion import Suspicion as Suspicion
from plabctl.core.uptime import UptimeStats
from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass, field

if TYPE_CHECKING:
    from plabctl.core.liveness_record import Liveness, LostWay  # most states have none

NO_LABELS = frozenset({"ssh_host", "ssh_port", "ssh_user", "ssh_key", "ssh_jump", "recipe", "site"})
"""The variables of a node that mean something to us; all others are labels."""


@dataclass(frozen=True, slots=True)
class Node:
    """A physical machine we may use.

    `variables` holds `ssh_host`, `ssh_port`, `ssh_user`, `ssh_key`, `ssh_jump`, `recipe`, `site` and any label.
    """

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    source: str = "operator"
    """Where it came from: `operator`, or the name of an inventory."""
    added_at: float = 0.0

    @property
    def site(self) -> str | None:
        """The site it stands at, when that is known."""
        return self.variables.get("site")


@dataclass(frozen=True, slots=True)
class Hold:
    """A person's pin on a node: probes go on, the machine makes no move until `until_at` (None: until released)."""

    actor: str
    reason: str
    since_at: float
    until_at: float | None = None
    is_move: bool = False
    """It came with a person's move: the node counts as what it was moved to."""

    def holds(self, now: float) -> bool:
        """Return whether the pin is still in force."""
        return self.until_at is None or now < self.until_at

    def outlasts(self, other: Hold) -> bool:
        """Return whether the pin ends later than `other`; one until somebody releases it ends last."""
        if other.until_at is None:
            return False
        return self.until_at is None or self.until_at > other.until_at


@dataclass(frozen=True, slots=True)
class Member:
    """A node's place in its health pool, with its counters.

    `ok_streak` and `fail_streak` count equal outcomes in a row, across moves made by the machine; at most one of them
    is positive. `probed_at` is the end of the last probe and `interval_s` the wait drawn then; 0 means "at once".
    """

    node: str
    pool: str
    since_at: float
    due_at: float
    ok_streak: int = 0
    fail_streak: int = 0
    probed_at: float | None = None
    interval_s: float = 0.0
    last: Verdict | None = None
    requested_at: float | None = None
    """When a person asked for a retest that has not been started since."""
    penalty: float = 0.0
    """The flap penalty as it was at `penalty_at`; it decays from there."""
    penalty_at: float = 0.0
    suspicion: Suspicion | None = None
    hold: Hold | None = None
    leftovers: tuple[Leftover, ...] = ()
    uptime: UptimeStats | None = None
    slowest_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds of its own slowest passes, by stage, where they set it apart from its peers."""
    flaps: tuple[Flap, ...] = ()
    """Its latest moves out of good, oldest first, for as long as a guard may still take them back."""
    good_ratio: float = 0.0
    """The share of recent time that it spent in good, as it was when its present stay began; see `steadiness`."""
    refused_since_at: float | None = None
    """Since when its sshd lets no probe log in: see `plabctl.core.refusals`."""
    not_ready_since_at: float | None = None
    """Since when it says itself, in a row, that it is not ready: see `plabctl.core.readiness`."""
    address: str = ""
    """Of several addresses of its name the one that was connected to last, if that is not the first; tried first."""
    tests_busy: bool = False
    """The retest that a person asked for may be made although somebody uses the node: the person said so."""
    release_test_since_at: float | None = None
    """When it was released, where a set-up test has to pass after that before it is offered again."""
    absent_since_at: float | None = None
    """Since when its inventory does not list it: it is not tested and not offered, and all else stays as it was."""
    liveness: Liveness | None = None
    """Of the logins between tests: see `plabctl.core.liveness`."""
    strike_ats: tuple[float, ...] = ()
    """When its latest moves out of good were confirmed, oldest first: see `plabctl.core.strikes`."""
    stuck_since_at: float | None = None
    """Since when there were too many of them, so that it does not return before a person releases it."""
    asked_early: str = ""
    """Why its next test is ahead of its time, in words: see `plabctl.core.neighbours`."""
    vantage: str = ""
    """Where its last test was made from; empty: from this machine."""
    lost_ways: tuple[LostWay, ...] = ()
    """The vantages from which it is not reached although it is from others: see `plabctl.core.vantage`."""

    @property
    def home_pool(self) -> str:
        """The pool it belongs to: of a suspect the one it left, as that move is not confirmed."""
        return self.suspicion.pool if self.suspicion else self.pool

    @property
    def is_suspect(self) -> bool:
        """Return whether it left good on a failure that its next probe confirms or refutes."""
        return self.suspicion is not None and self.suspicion.pool != self.pool

    @property
    def is_guarded(self) -> bool:
        """Return whether it failed and is still in good only because the guard holds its move.

        One that is to be tested again at once is there for the quick retests of its pool.
        """
        return self.suspicion is not None and self.suspicion.pool == self.pool and self.interval_s > 0

    def is_held(self, now: float) -> bool:
        """Return whether a person's pin keeps the machine from moving this node."""
        return self.hold is not None and self.hold.holds(now)


@dataclass(frozen=True, slots=True)
class Claim:
    """A member taken for a probe.

    It is void when its slot can be locked by somebody else, when the machine was booted since, or past its deadline;
    one whose probe is made elsewhere outlives the tick and the boot, and is void past its deadline alone.
    """

    node: str
    token: str
    slot: int
    tick: str
    boot: str
    pool: str
    recipe: str
    vnode: str
    started_at: float
    deadline_at: float
    superseded: bool = False
    """A person moved the node meanwhile: the report will be recorded and not applied."""
    experiment: str = ""
    """Whose vnode it is for; empty for a health test."""
    goal: Goal = Goal.TEST
    until_uptime_s: float | None = None
    """Its deadline as seconds since the boot: the clock may be set while it runs."""
    away_from: tuple[str, ...] = ()
    """The vantages that it is not to be made from, if there is another; those come first that tell least."""

    elsewhere: bool = False
    """Its probe is made by another machine."""

    def is_running(self, now: float, uptime_s: float | None = None) -> bool:
        """Return whether the deadline of its probe is still ahead.

        It goes by `uptime_s`, where that is known and was known to the claim: the clock may have been set since.
        """
        if uptime_s is None or self.until_uptime_s is None:
            return now <= self.deadline_at
        return uptime_s <= self.until_uptime_s

    @property
    def key(self) -> str:
        """What it is filed under."""
        return build_key(self.node, self.experiment)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened and must be told: to the history first, then to the other sinks.

    `id` is unique for ever and makes telling idempotent. `kind` is one of `plabctl.core.event_kinds`. `data` holds JSON
    scalars, lists and objects only.
    """

    id: str
    at: float
    kind: str
    node: str | None
    actor: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TickMark:
    """The newest tick that claims: the one that fills the window."""

    id: str
    started_at: float
