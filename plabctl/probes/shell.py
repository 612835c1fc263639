"""What running one stage gives, wherever it runs.

Pure. `plabctl.probes.remote_shell` and `plabctl.probes.local_shell` make these, `plabctl.probes.probe_run` judges them.
Tests: `tests/probes/test_probe_run.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from plabctl.core.recipe import Become


class StageFault(StrEnum):
    """Why a stage has no exit code that counts."""

    LATE = "late"
    """It did not end in time and was cut off."""
    LOST = "lost"
    """The connection under it ended."""
    FLOOD = "flood"
    """It printed far more than is kept, and was cut off."""
    OVERRUN = "overrun"
    """The node cost more than it may, by what it sent, and was cut off."""
    NOT_RUN = "not-run"
    """The node did something else than to run it."""
    NOT_STARTED = "not-started"
    """The node's shell did not start in time."""
    NO_SESSION = "no-session"
    """The node opened no session for a shell."""
    NO_SUDO = "no-sudo"
    """sudo started no shell on the node, and says why."""
    ENDED = "ended"
    """It ended without an exit code: a signal killed it."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """How one stage went. `output` is cleaned and capped; `said` says more about a fault."""

    exit_code: int | None
    output: str
    truncated: bool
    fault: StageFault | None = None
    said: str = ""
    never_began: bool = False
    """None of it ran or will run, for certain: it made nothing."""


class Shell(Protocol):
    """A place where the stages of a recipe run."""

    def run(
        self, text: str, variables: Mapping[str, str], timeout_s: float, become: Become = Become.NONE
    ) -> StageResult:
        """Run shell code with `variables` exported, for at most `timeout_s`; raise ProbeError when told to stop."""
        ...

    def is_alive(self) -> bool:
        """Return whether it makes sense to run something more, after a stage that was late or lost."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...
