"""A testbed that is looked at from two vantages, in memory: steps of ticks without a clock, a file or a thread."""

from collections.abc import Callable
from random import Random
from typing import Any

from plabctl.core.assign import assign
from plabctl.core.claim import Claimant, list_candidates
from plabctl.core.guard.evaluate import evaluate
from plabctl.core.model import Cause, Claim, Event, Goal, Member, Outcome, Report, StageRun, TickMark
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import ExecutorSettings, Settings
from plabctl.core.settings_parts import LivenessSettings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.core.vantage import find_fit
from plabctl.values import replace
from tests.builders import NOW, make_member, make_node, make_settings
from tests.memory_state import MemoryState

Sight = Callable[[str, str, float], str]
"""What a probe of a node finds from a vantage at an instant: `pass`, `fail` at the login, or `broken` after it."""


def make_opinionated(*, between: int = 0, is_on: bool = True, **fields: Any) -> Settings:
    """The settings of a testbed whose failures are looked at from elsewhere."""
    base = make_settings(executor=ExecutorSettings(second_opinion=is_on), **fields)
    own = LivenessSettings(between) if between else None
    return replace(base, pools={name: replace(pool, liveness=own) for name, pool in base.pools.items()})


class TwoVantages:
    """Nodes that are due when the clock says so; an executor of two vantages, the first of which is the usual one."""

    def __init__(self, settings: Settings, sight: Sight, *members: Member, site: str = "lab") -> None:
        self.settings = settings
        self.sight = sight
        nodes = tuple(make_node(member.node, site=site) for member in members)
        self.state = MemoryState(Changes(nodes=nodes, members=members))
        self.vantages: tuple[str, ...] = ("north", "south")
        self.now = NOW
        self.probes: list[tuple[str, str, str]] = []
        """Every probe so far: the node, `test` or `liveness`, and from where."""
        self._claimant = Claimant(TickMark("tick-1", NOW), "boot-1", Random(1))

    def choose(self, claim: Claim) -> str:
        """The vantage that the executor takes."""
        fit = find_fit(self.vantages, claim.away_from)
        return next(each for each in self.vantages if each in fit)

    def step(self) -> tuple[Event, ...]:
        """Claim what is due, probe it, and settle it a second later."""
        _, changes = evaluate(self.state, self.settings, (), self.now, is_cut_off=None)
        self.state.apply(changes)
        first = changes.events
        rows = list_candidates(self.state, self.settings, self.now)
        jobs, changes = assign(self.state, self.settings, rows, range(1, 200), self._claimant, self.now)
        self.state.apply(changes)
        reports = [self._probe(job.claim) for job in jobs]
        self.now += 1.0
        guard, changes = evaluate(self.state, self.settings, reports, self.now, is_cut_off=None)
        self.state.apply(changes)
        after = settle(self.state, reports, build_pools(self.settings), self.now, Random(1), guard)
        self.state.apply(after)
        return (*first, *changes.events, *after.events)

    def run(self, seconds: float, *, every_s: float = 60.0) -> list[Event]:
        """Let ticks come for so long, each going on while anything is due."""
        end, found = self.now + seconds, list[Event]()
        while self.now < end:
            due = True
            while due:
                found += self.step()
                due = bool(list_candidates(self.state, self.settings, self.now))
            self.now += every_s
        return found

    def member(self, name: str = "n1") -> Member:
        """The member of that name."""
        found = self.state.member(name)
        assert found is not None
        return found

    def _probe(self, claim: Claim) -> Report:
        vantage = self.choose(claim)
        self.probes.append((claim.node, str(claim.goal), vantage))
        word = self.sight(claim.node, vantage, self.now)
        if word == "broken" and claim.goal is Goal.LIVENESS:
            word = "pass"
        outcome = Outcome.FAIL if word == "broken" else Outcome(word)
        cause = {"pass": None, "fail": Cause.CONNECT, "broken": Cause.SETUP, "unknown": Cause.LOCAL}[word]
        reason = "" if word == "pass" else "no answer" if word == "fail" else word
        stages = (StageRun("connect", 1.0, None), *((StageRun("setup", 1.0, 1),) if word == "broken" else ()))
        made = Report(claim.node, claim.token, outcome, cause, reason, self.now, 1.0, stages, goal=claim.goal)
        return replace(made, vantage=vantage)


def waiting(node: str = "n1", **fields: Any) -> Member:
    """A node that has been good for a day and is due now."""
    known = {"ok_streak": 7, "probed_at": NOW - 3600.0, "interval_s": 3600.0, "vantage": "north"}
    return make_member(node, **{**known, **fields})


def list_kinds(events: list[Event] | tuple[Event, ...]) -> list[str]:
    """The kinds of these events, without those of the tests themselves."""
    return [event.kind for event in events if event.kind != "probe"]
