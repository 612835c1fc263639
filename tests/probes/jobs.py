"""Assignments and recipes for tests, with defaults that work."""

import itertools
import os
from collections.abc import Mapping

from plabctl.clock import SystemClock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Goal, Leftover, Node, Report
from plabctl.core.recipe import Become, Recipe, Stage, Transport
from plabctl.core.settings import SshSettings
from plabctl.probes.prober import Prober

_NUMBERS = itertools.count(1)


def make_recipe(
    *,
    setup: str | Stage | None = None,
    up: str | Stage | None = None,
    check: str | Stage | None = None,
    teardown: str | Stage | None = None,
    transport: Transport = Transport.SSH,
    required: bool = False,
    become: Become = Become.NONE,
) -> Recipe:
    def stage(of: str | Stage | None) -> Stage | None:
        return Stage(run=of, timeout_s=10, every_s=0.05) if isinstance(of, str) else of

    return Recipe(
        "made-up",
        transport,
        stage(setup),
        stage(up),
        stage(check),
        stage(teardown),
        teardown_required=required,
        become=become,
    )


def make_assignment(
    recipe: Recipe,
    *,
    goal: Goal = Goal.TEST,
    experiment: str = "",
    vnode: str | None = None,
    leftovers: tuple[tuple[Leftover, Recipe], ...] = (),
    deadline_s: float | None = None,
    connect_timeout_s: float | None = None,
    lowered: Mapping[str, float] | None = None,
    address: str = "",
    **variables: str,
) -> Assignment:
    number = next(_NUMBERS)
    return Assignment(
        node=Node(f"node{number}", {"ssh_host": "127.0.0.1", **variables}),
        token=f"token{number}",
        recipe=recipe,
        vnode=vnode or f"test-{os.getpid()}-{number}",
        pool="bad",
        deadline_s=recipe.compute_longest_s(10, goal) if deadline_s is None else deadline_s,
        experiment=experiment,
        goal=goal,
        leftovers=leftovers,
        connect_timeout_s=connect_timeout_s,
        lowered=lowered or {},
        address=address,
    )


def probe(settings: SshSettings, recipe: Recipe, **more: str) -> Report:
    prober = Prober(settings, SystemClock())
    prober.prepare()
    return prober.probe(make_assignment(recipe, **more))  # type: ignore[arg-type]  # variables are strings
