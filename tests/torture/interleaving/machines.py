"""The machines of the testbed, and what really stands on them.

`Machine.standing` is the truth about vnodes, whoever thinks what. Go on with `shells`, which change it, and with
`truth`, which compares it with what the state says.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Protocol

from plabctl.core.assignment import Assignment
from plabctl.core.model import Report
from plabctl.core.recipe import Recipe, Stage
from tests.torture.interleaving.scheduler import Process, Scheduler

STAGE_S = 40.0

MOODS: Mapping[str, Mapping[str, float]] = {
    "well": {},
    "dead": {"connect": 1.0},
    "frail": {"lost": 0.15, "late": 0.1, "setup": 0.2, "check": 0.2, "teardown": 0.2, "unsure": 0.1},
    "sick": {"setup": 1.0},
    "stubborn": {"teardown": 0.7},
    "silent": {"stuck": 0.3, "late": 0.5},
    "undecided": {"unsure": 1.0},
}
"""How often what goes wrong at a machine of each mood."""


def make_recipe(name: str = "process") -> Recipe:
    stages = {
        verb: Stage(f"{verb} {{vnode}}", timeout_s=STAGE_S, every_s=2.0)
        for verb in ("setup", "up", "check", "teardown")
    }
    return Recipe(name, setup=stages["setup"], up=stages["up"], check=stages["check"], teardown=stages["teardown"])


def make_login() -> Recipe:
    return Recipe("command", check=Stage("login {vnode}", timeout_s=STAGE_S))


class Machine:
    """One machine: its mood, the vnodes on it, and the set-ups under way of which nobody may know any more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mood = "well"
        self.placement: set[str] = set()
        self.making: dict[str, float] = {}
        """By vnode: when its set-up began."""

    def chance(self, what: str) -> float:
        return MOODS[self.mood].get(what, 0.0)

    def reboot(self) -> None:
        self.placement.clear()
        self.making.clear()


class Session(Protocol):
    """A connection to a machine, as far as it matters here."""

    process: Process
    making: str
    """The vnode that is being set up over it."""

    def is_open(self, now: float) -> bool:
        """Return whether it is there."""
        ...


class ProbeLog:
    """Who wants to know of probes; `truth` does."""

    def begun(self, job: Assignment, process: Process) -> None:
        """Hear that a probe begins."""

    def ended(self, report: Report, process: Process) -> None:
        """Hear what came of it."""

    def is_current(self, token: str) -> bool:
        """Return whether the claim with this token stands."""
        return True


class Testbed:
    """All machines, by name, and how many connections there are to them."""

    __test__ = False

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.machines: dict[str, Machine] = {}
        self.is_cut_off = False
        self.is_calm = False
        self.sessions: set[Session] = set()
        self.most_sessions = 0
        self.probes = 0
        self.log: ProbeLog = ProbeLog()

    def machine(self, name: str) -> Machine:
        return self.machines.setdefault(name, Machine(name))

    def happens(self, machine: Machine, what: str) -> bool:
        return not self.is_calm and self.scheduler.dice.random() < machine.chance(what)

    def forget(self, process: Process) -> None:
        """Close the connections of `process`, which is no more."""
        self.sessions = {shell for shell in self.sessions if shell.process is not process}

    def straggle(self, dice: Random) -> None:
        """Let one set-up that nobody waits for come to its end, one way or the other; most never do."""
        for machine in self.machines.values():
            for vnode, began in list(machine.making.items()):
                if any(shell.making == vnode for shell in self.sessions):
                    continue
                if self.scheduler.now - began > STAGE_S:
                    del machine.making[vnode]  # its own time-out over there has ended it
                elif dice.random() < 0.5:
                    del machine.making[vnode]
                    machine.placement.add(vnode)
                    self.scheduler.step_log.tell(self.scheduler.now, "{} came up on {} by itself", vnode, machine.name)
                    return
