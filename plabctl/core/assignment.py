"""The assignment of a probe: recipe, node, vnode, deadline.

Pure. A claim becomes an assignment; `plabctl.probes` carries it out and answers with a `Report`.
Tests: `tests/probes/test_probe_run.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from plabctl.core.model import Goal, Leftover, Node, StageRun, build_key
from plabctl.core.recipe import Recipe

_CLOSE_S = 0.1
"""A stage that ended this close to its time-out was ended by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One probe to run: the recipe, on the node, under the name `vnode`.

    `leftovers` are vnodes of earlier probes that may still be there, each with the recipe that made it; they are torn
    down first, unless the goal is only a check. `deadline_s` bounds the whole probe, leftovers and teardown included.
    """

    node: Node
    token: str
    recipe: Recipe
    vnode: str
    pool: str
    deadline_s: float
    experiment: str = ""
    goal: Goal = Goal.TEST
    leftovers: tuple[tuple[Leftover, Recipe], ...] = ()
    begin_by_uptime_s: float | None = None
    """When it has to begin, in seconds since the boot: later, its claim would be void before it ends."""
    connect_timeout_s: float | None = None
    """In place of what the configuration allows."""
    address: str = ""
    """Of several addresses of the node the one to try first: `Member.address`."""
    lowered: Mapping[str, float] = field(default_factory=dict)
    """The stages whose time-outs were lowered to a learned deadline, each with the seconds it had before."""
    away_from: tuple[str, ...] = ()
    """The vantages that it is not to be made from, if there is another; those come first that tell least."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    """What stands in the script files of its recipes, by path, for a prober on another machine."""
    host_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lines of known_hosts for the servers on the way, by their names there; likewise."""

    @property
    def key(self) -> str:
        """What it is addressed by."""
        return build_key(self.node.name, self.experiment)

    def list_at_stake(self, *, begun: bool) -> tuple[str, ...]:
        """Return the vnodes to assume left on the node when nothing else is known; `begun`: stages may have run."""
        vnodes = {leftovers.vnode: None for leftovers, _ in self.leftovers}
        makes = self.goal in {Goal.TEST, Goal.SETUP} and self.recipe.teardown is not None
        if (makes and begun) or self.goal is Goal.TEARDOWN:
            vnodes[self.vnode] = None
        return tuple(vnodes)

    def build_stray(self, since_at: float) -> Leftover:
        """Return the vnode as a leftover, for a probe whose result nobody waits for any more."""
        return Leftover(self.vnode, self.recipe.name, since_at)

    def find_lowered_timeout(self, run: StageRun) -> float | None:
        """Return the seconds that the recipe allows for this stage, if a lowered time-out is what ended it."""
        stage = self.recipe.stages.get(run.stage)
        limit_s = self.connect_timeout_s if stage is None else stage.timeout_s
        if run.stage not in self.lowered or limit_s is None:
            return None
        # `up` is given up when there is no time for another look.
        pause_s = stage.every_s if stage and run.stage == "up" else 0.0
        return self.lowered[run.stage] if run.seconds + pause_s >= limit_s - _CLOSE_S else None
