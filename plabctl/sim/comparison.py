"""Prepare a simulation from its options: the world, the policies and the conditions.

I/O: reads traces, configurations, the history. Everything that can be refused is refused here, before anything runs.
Tests: `tests/sim/test_simulate_command.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from plabctl.clock import SystemClock
from plabctl.core.selection import find_nearest
from plabctl.durations import format_duration
from plabctl.errors import UsageFault
from plabctl.sim.compare import Budget, Cost, Progress, compare
from plabctl.sim.conditions import DAY_S, NODES_PER_SLOT, Conditions
from plabctl.sim.driver import is_eventful
from plabctl.sim.policies import (
    COMPARED,
    CONFIGURED,
    MAIN,
    NAMED,
    Policy,
    find_policy,
    has_checks,
    let_one_pass,
    make_bare,
    read_configured,
)
from plabctl.sim.recorded_past import RecordedPast, read_past
from plabctl.sim.score import Score
from plabctl.sim.sim_options import SimOptions
from plabctl.sim.surroundings import describe_surroundings, list_conditions, refuse_idle_logins, surround
from plabctl.sim.synthetic import FITS, make_world
from plabctl.sim.trace import read_trace
from plabctl.sim.world import World
from plabctl.values import dataclass

_COUNT, _DAYS, _FIT = 100, 30.0, "pl05"
_SHORTEST_S = 0.001
SAMPLE = 10_000
"""So many generated nodes are simulated at most: each fails by itself, so that a sample tells what more of them do."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a comparison needs. `title` says in words what is simulated."""

    title: str
    world: World
    policies: tuple[Policy, ...]
    conditions: Conditions
    budget: Budget | None
    stands_for: float = 1.0
    """How many nodes each of those that are simulated stands for."""

    def compute_scores(self, progress: Progress) -> Iterator[Score]:
        """Yield the figures of each policy as they come: those that grow with the nodes as of all that are meant."""
        for score in compare(self.world, self.policies, self.conditions, self.budget, progress):
            if self.stands_for == 1.0:
                yield score
                continue
            busy_count = score.busy_count * self.stands_for
            yield replace(score, nodes_count=self.nodes_count, busy_count=busy_count, window=self.window)

    @property
    def window(self) -> int | None:
        """How many tests run at once over all of them, None for as many as are due."""
        return None if self.conditions.window is None else round(self.conditions.window * self.stands_for)

    @property
    def nodes_count(self) -> int:
        """How many nodes are meant."""
        return round(len(self.world.lives) * self.stands_for)

    @property
    def head(self) -> dict[str, object]:
        """What was simulated, for programs."""
        return {
            "world": self.title,
            "nodes_count": self.nodes_count,
            "sample_count": len(self.world.lives),
            "days": round(self.world.length_s / DAY_S, 3),
            "budget": None if self.budget is None else {str(self.budget.cost): self.budget.amount},
            **list_conditions(self.conditions, has_checks=self.has_checks),
            "window": self.window,
        }

    @property
    def has_checks(self) -> bool:
        """Whether any of the policies makes liveness checks, as some do at releases only."""
        return bool(self.conditions.busy_ratio) or any(has_checks(policy) for policy in self.policies)

    @property
    def footer(self) -> str:
        """What was simulated, in two lines for people."""
        around = self.conditions
        window = f"a window of {self.window}" if self.window else "as many at once as are due"
        days = f"{self.world.length_s / DAY_S:.1f} days, the first {format_duration(around.warm_up_s)} not counted"
        told = [
            f"tests of {format_duration(around.up_s)} up and {format_duration(around.down_s)} down, {window}",
        ]
        if around.false_ratio:
            told.append(f"{100 * around.false_ratio:.3g} % fail falsely")
        told += describe_surroundings(around, has_checks=self.has_checks)
        if not around.window and any(_is_adaptive(policy) for policy in self.policies):
            told.append(f"adaptive plans for {-(-self.nodes_count // NODES_PER_SLOT)} slots")
        sample = f" (told from a sample of {len(self.world.lives)})" if self.stands_for > 1.0 else ""
        return f"{self.title}: {self.nodes_count} nodes{sample}, {days}\n{'; '.join(told)}; seed {around.seed}"


def prepare(options: SimOptions) -> Comparison:
    """Return what was asked for; raise UsageFault or ConfigError for what cannot be."""
    budget = _parse_budget(options.equal)
    policies = _find_policies(options)
    title, world, conditions = _choose_source(options)
    world = world.thin(options.every)
    if options.days:
        world = world.truncate(options.days * DAY_S)
    stands_for = max(1.0, (options.nodes or 0) / SAMPLE)
    dead = round(options.dead / stands_for)
    world = world.shift(options.shift_s, Random(f"shift {options.seed}")).add_dead(dead)
    warm_up_s = min(DAY_S, round(world.length_s / 2, 3)) if options.warm_up_s is None else options.warm_up_s
    if world.length_s <= warm_up_s:
        lasts, left_out = format_duration(world.length_s), format_duration(warm_up_s)
        raise UsageFault(f"{title} lasts {lasts}, and the first {left_out} are not counted", hint="see --warm-up")
    window = None if options.window is None else max(1, round(options.window / stands_for))
    conditions = replace(conditions, window=window, seed=options.seed, warm_up_s=warm_up_s)
    given = {name: value for name in ("up_s", "down_s", "false_ratio") if (value := getattr(options, name)) is not None}
    if not all(given.get(name, 1) >= _SHORTEST_S for name in ("up_s", "down_s")):
        raise UsageFault("the duration of a test must be more than 0", hint="see --pass-takes and --fail-takes")
    world, conditions = surround(world, replace(conditions, **given), options)
    _refuse_idle_extras(world, policies, conditions)
    _refuse_window(world, policies, conditions)
    comparison = Comparison(title, world, policies, conditions, budget, stands_for)
    refuse_idle_logins(options, has_checks=comparison.has_checks)
    return comparison


def _refuse_idle_extras(world: World, policies: tuple[Policy, ...], conditions: Conditions) -> None:
    """Raise UsageFault for what follows the name of a policy and makes no difference here."""
    for policy in policies:
        if "neighbours" in policy.extras and not any(life.site for life in world.lives):
            raise UsageFault(f"the policy {policy.name!r} needs sites", hint="see --site-of and --site-nodes")
        for name in ("test-busy", "test-released"):
            if name in policy.extras and not conditions.busy_ratio:
                raise UsageFault(f"+{name} makes no difference while no node is in use", hint="see --busy")


def _refuse_window(world: World, policies: tuple[Policy, ...], conditions: Conditions) -> None:
    if conditions.window is None:
        return
    for policy in policies:
        if is_eventful(world, policy, conditions):
            raise UsageFault(
                f"--window cannot be simulated with what happens between the tests of {policy.name!r}",
                hint="leave it out: checks, neighbours, jobs, cuts and --silent-takes are simulated without a window",
            )


def _choose_source(options: SimOptions) -> tuple[str, World, Conditions]:
    """Return what the world is called, the world, and the scenario as far as the world says anything of it."""
    sources = [name for name, value in _SOURCES.items() if getattr(options, value) is not None]
    if len(sources) > 1:
        raise UsageFault(f"{' and '.join(sources)} cannot be simulated together", hint="give one of them")
    if sources not in ([], ["--synthetic"]) and (options.nodes or options.spread is not None):
        raise UsageFault("--nodes and --spread are for generated testbeds", hint="see --every and --dead")
    if options.trace is not None:
        return Path(options.trace).name, read_trace(options.trace), Conditions()
    if options.since_s is not None:
        past = _read_past(options, options.since_s)
        conditions = Conditions(up_s=past.up_s, down_s=past.down_s, false_ratio=past.false_ratio)
        left = f", {past.skipped_count} damaged rows of the history left out" if past.skipped_count else ""
        return f"the past {format_duration(options.since_s)} ({past.test_count} tests{left})", past.world, conditions
    return _build_synthetic(options)


_SOURCES = {"TRACE": "trace", "--since": "since_s", "--synthetic": "synthetic"}


def _build_synthetic(options: SimOptions) -> tuple[str, World, Conditions]:
    name = options.synthetic or _FIT
    if name not in FITS:
        like = find_nearest(name, FITS)
        raise UsageFault(f"no fit is named {name!r}", hint=f"{like}?" if like else f"the fits: {', '.join(FITS)}")
    length_s = (options.days or _DAYS) * DAY_S
    count, spread = min(options.nodes or _COUNT, SAMPLE), options.spread or 0.0
    world = make_world(FITS[name], count=count, length_s=length_s, seed=options.seed, spread=spread)
    return f"generated by {name}", world, Conditions()


def _read_past(options: SimOptions, since_s: float) -> RecordedPast:
    now = SystemClock().now()
    state_dir = Path(read_configured(options.config).settings.state_dir)
    return read_past(state_dir, now - since_s, now)


def _find_policies(options: SimOptions) -> tuple[Policy, ...]:
    words = options.words
    if not words:
        words = (CONFIGURED, *MAIN) if options.since_s is not None else COMPARED
    found: dict[str, Policy] = {}
    for word in dict.fromkeys(words):
        policy = read_configured(options.config) if word == CONFIGURED else find_policy(word)
        if policy.name in found or (policy.name in NAMED and word not in NAMED):
            policy = replace(policy, name=word)  # two files of the same name, or one that is called like a policy
        if options.one_pass:
            policy = let_one_pass(policy)
        found[policy.name] = make_bare(policy) if options.bare else policy
    return tuple(found.values())


def _is_adaptive(policy: Policy) -> bool:
    return any(pool.backoff.kind.is_budgeted for pool in policy.settings.pools.values())


def _parse_budget(text: str | None) -> Budget | None:
    if text is None:
        return None
    cost, _, amount = text.partition("=")
    try:
        number = float(amount)
    except ValueError:
        number = 0.0
    if cost not in set(Cost) or not 0 < number < float("inf"):
        raise UsageFault(
            f"--equal cannot be {text!r}", hint="such as tests=24, or slots=3000 for seconds; per node and day"
        )
    return Budget(Cost(cost), number)
