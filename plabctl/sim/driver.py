"""One simulated run: members are tested when the policy says so, at once or as slots come free.

Pure. Delays run from the end of a test; a member is looked at by the first tick after it is due. Whom a free slot goes
to is decided by `plabctl.core.claim`. Go on with `sim_run`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from math import ceil

from plabctl.core.claim import choose_rows
from plabctl.core.due_rows import Due, build_due_row
from plabctl.core.model import Member
from plabctl.sim.busy_run import BusyRun
from plabctl.sim.conditions import Conditions
from plabctl.sim.event_run import EventRun
from plabctl.sim.policies import Policy, has_checks
from plabctl.sim.sim_run import SimRun
from plabctl.sim.totals import Totals
from plabctl.sim.world import World

OnProgress = Callable[[float], None]
"""Is told now and then how far the run has come, as a share."""
PROGRESS_COUNT = 1000
"""How often at most."""


def run(world: World, policy: Policy, conditions: Conditions, tell: OnProgress = lambda _: None) -> Totals:
    """Return what the policy did in this world."""
    course, steps = _choose_run(world, policy, conditions)
    tell_at = 0.0
    for at in steps:
        if at >= tell_at:
            tell(min(1.0, at / world.length_s))
            tell_at = at + world.length_s / PROGRESS_COUNT
    return course.close()


def _choose_run(world: World, policy: Policy, conditions: Conditions) -> tuple[SimRun, Iterator[float]]:
    """Return the run, and the iterator that makes it: the plainest that does all that is asked for."""
    if is_eventful(world, policy, conditions):
        kind = BusyRun if conditions.busy_ratio else EventRun
        eventful = kind(world, policy, conditions)
        return eventful, eventful.steps()
    course = SimRun(world, policy, conditions)
    window = conditions.window
    return course, run_unlimited(course) if window is None else _Window(course, window).steps()


def is_eventful(world: World, policy: Policy, conditions: Conditions) -> bool:
    """Return whether more happens to nodes than tests."""
    around, calls = conditions, policy.settings.guard.neighbours and any(life.site for life in world.lives)
    return bool(has_checks(policy) or calls or around.busy_ratio or around.cuts_per_day or around.silent_s is not None)


def run_unlimited(course: SimRun) -> Iterator[float]:
    """Test every member in the tick in which it is due; yield the instant of each tick that tests."""
    starts_at, probe, look, lives = course.find_start, course.probe, course.adjust_scale, course.lives
    tick_s = course.scenario.tick_s
    # A list for each tick: what is due then is looked up, where a heap would sort all that is due at any time.
    ticks: defaultdict[float, list[int]] = defaultdict(list)
    for number in range(len(lives)):
        ticks[starts_at(number)].append(number)
    for count in range(ceil(course.length_s / tick_s)):
        at = count * tick_s
        numbers = ticks.pop(at, None)
        if not numbers:
            continue
        look(at)
        numbers.sort()
        for number in numbers:
            if at < lives[number].gone_at:
                probe(number, at)
                ticks[starts_at(number)].append(number)
        yield at


class _Window:
    """Only so many tests at once: when more members are due than slots are free, the core chooses."""

    def __init__(self, course: SimRun, window: int) -> None:
        self._course = course
        self._window = window
        self._numbers = {life.name: number for number, life in enumerate(course.lives)}
        self._pending = [(course.find_start(number), number) for number in range(len(course.members))]
        self._waiting: dict[int, Due] = {}
        self._running: list[tuple[float, int]] = []
        self._claimed: dict[int, Member] = {}
        self._hand: list[int] = []
        self._hand_until = 0.0

    def steps(self) -> Iterator[float]:
        """Run to the end; yield the instant of each test."""
        heapify(self._pending)
        while self._pending or self._running:
            at = min([queue[0][0] for queue in (self._pending, self._running) if queue])
            if at >= self._course.length_s:
                return
            self._end_tests(at)
            self._admit(at)
            self._course.adjust_scale(at)
            for number in self._choose(at):
                due = self._waiting.pop(number)
                if at >= self._course.lives[number].gone_at:
                    continue
                self._claimed[number] = self._course.members[number]
                self._course.totals.add_wait(at - due.due_at)
                heappush(self._running, (self._course.probe(number, at), number))
                yield at

    def _end_tests(self, at: float) -> None:
        while self._running and self._running[0][0] <= at:
            _, number = heappop(self._running)
            del self._claimed[number]
            heappush(self._pending, (self._course.find_start(number), number))

    def _admit(self, at: float) -> None:
        while self._pending and self._pending[0][0] <= at:
            _, number = heappop(self._pending)
            if at < self._course.lives[number].gone_at:
                self._waiting[number] = build_due_row(self._course.members[number])

    def _choose(self, at: float) -> list[int]:
        """Return whom to test now. As in a tick, more are chosen than slots are free, for those that will be soon."""
        free = self._window - len(self._running)
        if len(self._waiting) <= free:
            self._hand = []
            return list(self._waiting)
        if not free:
            return []
        if not self._hand or at >= self._hand_until:
            self._hand_until = (at // self._course.scenario.tick_s + 1) * self._course.scenario.tick_s
            soon = sum(ends_at < self._hand_until for ends_at, _ in self._running)
            choice = choose_rows(list(self._waiting.values()), self._claimed.values(), free + soon, at)
            self._hand = [self._numbers[row.node] for row in choice.rows]
        taken, self._hand = self._hand[:free], self._hand[free:]
        return taken
