"""One node explained: why it is where it is, when it is tested next and why, and what would move it.

Pure. The views are made by `plabctl.render.explanation` and its parts, because their fields `text` are sentences.
Tests: `tests/render/test_explanation.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plabctl.core.model import Event, Leftover, Outcome
from plabctl.values import dataclass
from plabctl.views.experiment_rows import VnodeRow
from plabctl.views.status import ScopeView

if TYPE_CHECKING:
    from plabctl.core.forecast import DueReason
    from plabctl.core.timeouts import TimeoutBasis, TimeoutRule
    from plabctl.views.logins import LoginView


@dataclass(frozen=True, slots=True)
class FailedIn:
    """A first failure that the next test confirms or refutes."""

    pool: str
    failed_at: float


@dataclass(frozen=True, slots=True)
class PoolReason:
    """Why a node is where it is."""

    text: str
    event: Event | None
    """The move that brought it there."""
    take_back: str | None
    """The command that undoes a move of the machine."""
    suspicion: FailedIn | None


@dataclass(frozen=True, slots=True)
class BackoffView:
    """The wait that the back-off of a pool asks for after so many equal results in a row."""

    kind: str
    streak: int
    computed_seconds: float
    jitter_seconds: float


@dataclass(frozen=True, slots=True)
class NextTest:
    """When the next test is due, and why then."""

    due_at: float
    why: DueReason
    interval_seconds: float
    text: str
    backoff: BackoffView | None
    """None where another rule than the back-off holds."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What results of one kind would lead to; None where they lead to no move."""

    outcome: Outcome
    text: str
    move: str | None
    to: str | None
    tests_count: int | None
    """How many tests it takes."""
    first_at: float | None
    """When the first of them can start."""
    earliest_at: float | None
    """When the last of them can start, at the earliest."""


@dataclass(frozen=True, slots=True)
class GuardOfNode:
    """What the guard holds, and whether it holds the node."""

    holds: bool
    scopes: tuple[ScopeView, ...]
    text: str
    """The rule of the guard."""


@dataclass(frozen=True, slots=True)
class StageLimit:
    """How long one stage of the next test may take, and what that comes from."""

    stage: str
    seconds: float
    allowed_seconds: float
    """What the recipe allows."""
    basis: TimeoutBasis
    passes_count: int
    """How many passes there are to learn from."""
    text: str
    p95_seconds: float | None
    own_seconds: float | None
    """The slowest pass of the node itself, if that is what sets it apart."""


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """How long the next test may take."""

    patience: TimeoutRule
    text: str
    stages: tuple[StageLimit, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `explain` says of a node. None is unknown, or does not apply."""

    generated_at: float
    vnodes: tuple[VnodeRow, ...] | None
    """Its places in experiments."""
    because: PoolReason
    next: NextTest
    prospects: tuple[Prospect, Prospect]
    guard: GuardOfNode
    recipe: str
    debris: tuple[Leftover, ...]
    tests: tuple[Event, ...]
    """Its last tests, the latest first, without their stages."""
    skipped_count: int | None
    deadlines: ProbeLimits | None
    """None when its recipe is not configured."""
    login: LoginView | None
    """The logins between its tests."""
