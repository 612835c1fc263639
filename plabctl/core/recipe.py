"""How a vnode is made: the stages of a recipe and the filling-in of their placeholders.

Pure. `plabctl.probes` runs what stands here; `plabctl.config` reads it from the config file.
Tests: `tests/probes/test_probe_run.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from plabctl.core.probe import Goal
from plabctl.values import dataclass

NO_OPINION = 75
"""The exit code by which a stage declines to judge (EX_TEMPFAIL of sysexits)."""

_PLACEHOLDER = r"\{([a-z][a-z0-9_]*)\}"


class Transport(StrEnum):
    """Where a recipe's commands run."""

    SSH = "ssh"
    LOCAL = "local"


class Become(StrEnum):
    """As whom a recipe's stages run on the node."""

    NONE = "none"
    """The user who logs in."""
    SUDO = "sudo"
    """root, by `sudo -n`, which asks for no password."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a recipe: a command line for `sh`, or a script file to send; with its time-out in seconds."""

    run: str = ""
    script: str = ""
    timeout_s: float = 60.0
    every_s: float = 5.0
    """Only for `up`: the pause between two looks."""


DEFAULT_STAGES: Mapping[str, Stage] = {
    "setup": Stage(timeout_s=600.0),
    "up": Stage(timeout_s=600.0),
    "check": Stage(timeout_s=60.0),
    "teardown": Stage(timeout_s=300.0),
}
"""The stages in the order they run, each with the time it is given when a recipe says nothing."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make, look at and remove a vnode. A stage that is None is skipped."""

    name: str
    transport: Transport = Transport.SSH
    setup: Stage | None = None
    up: Stage | None = None
    check: Stage | None = None
    teardown: Stage | None = None
    teardown_required: bool = False
    become: Become = Become.NONE
    help: str = ""
    """What its vnode is, for the reference; only those that are built in have it."""
    fault: str = ""
    """Why it cannot be used: only those of plug-ins ever have one."""

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages it has, by name, in the order they run."""
        found = ((name, getattr(self, name)) for name in DEFAULT_STAGES)
        return {name: stage for name, stage in found if stage is not None}

    def compute_longest_s(self, connect_timeout_s: float, goal: Goal = Goal.TEST) -> float:
        """Return the seconds that a probe can take at most, from its start to its end.

        The teardown counts twice, because leftovers of an earlier probe are torn down first.
        """
        stages = [self.teardown, self.teardown]
        match goal:
            case Goal.CHECK | Goal.LIVENESS:
                stages = [self.check or self.up]
            case Goal.TEARDOWN:
                pass
            case _:
                stages += [self.setup, self.up, self.check]
        return connect_timeout_s + sum(stage.timeout_s for stage in stages if stage)


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with each `{name}` that `values` knows replaced by its value, quoted for `sh`.

    Braces around other words are left alone, so that shell code such as `${x}` or `awk '{print}'` needs no escaping.
    """
    import shlex

    def replacement(match: re.Match[str]) -> str:
        if match.start() and text[match.start() - 1] == "$":
            return match.group(0)
        value = values.get(match.group(1))
        return match.group(0) if value is None else shlex.quote(value)

    return re.sub(_PLACEHOLDER, replacement, text)
