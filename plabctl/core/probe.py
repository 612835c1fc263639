"""A probe: its goal, and what came of it: report, outcome, cause, stages and what it left on the node.

Pure, and light to import. Other modules import these from `plabctl.core.model`.
"""

from __future__ import annotations

from enum import StrEnum

from plabctl.values import dataclass


class Outcome(StrEnum):
    """What a probe says."""

    PASS = "pass"  # noqa: S105 - a verdict, no secret
    FAIL = "fail"
    UNKNOWN = "unknown"
    """Evidence about us, not about the node: it never counts and never moves a node."""


class Goal(StrEnum):
    """What a probe is for. Debris of earlier probes is torn down first, except before a `CHECK`."""

    TEST = "test"
    """Set a vnode up, wait until it is up, check it, tear it down: what the health pools do."""
    SETUP = "setup"
    """The same without the teardown: the vnode stays when all passed, and is torn down when not."""
    CHECK = "check"
    """Only look at a vnode: `check`; without one, a single look by `up`; without both, a connection is enough."""
    TEARDOWN = "teardown"
    """Only remove a vnode; passes when its `teardown` does."""
    LIVENESS = "liveness"
    """Only log in and run the `check` of a recipe that sets nothing up; see `plabctl.core.liveness`."""


class Cause(StrEnum):
    """Why a probe did not pass. What each says, and about whom, stands in `plabctl.core.evidence`."""

    DNS = "dns"
    CONNECT = "connect"
    HOST_KEY = "host-key"
    AUTH = "auth"
    NOT_READY = "not-ready"
    """The node says itself that it is booting, or closed."""
    SUDO = "sudo"
    """The user we log in as may not become root without a password, and the recipe wants root."""
    PROTOCOL = "protocol"
    SETUP = "setup"
    UP_TIMEOUT = "up-timeout"
    CHECK = "check"
    TEARDOWN = "teardown"
    DEADLINE = "deadline"
    """A stage, or the connection under it, gave no answer in time."""
    JUMP = "jump"
    """A jump host on the way did not let us through to the node."""
    NO_OPINION = "no-opinion"
    """The recipe itself declined to judge (exit code 75, or 3 of a monitoring plug-in)."""
    LOCAL = "local"
    """Our own fault: descriptors, memory, a missing key, the resolver."""
    EXECUTOR = "executor"
    """What was to run the probe elsewhere did not: the scheduler or a worker."""
    INTERRUPTED = "interrupted"
    """The tick was told to stop, or died."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a probe as it went. `output` is cleaned and capped; `exit_code` is None when there was none."""

    stage: str
    seconds: float
    exit_code: int | None
    output: str = ""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the latest probe said, kept with the member so that `status` needs no history."""

    outcome: Outcome
    cause: Cause | None
    reason: str
    at: float
    seconds: float


def build_key(node: str, experiment: str) -> str:
    """Return what a member is filed under: the node's name in a health pool, `EXPERIMENT/NODE` in an experiment."""
    return f"{experiment}/{node}" if experiment else node


@dataclass(frozen=True, slots=True)
class Leftover:
    """A vnode that may still be on its node; it is torn down before that node is probed again."""

    vnode: str
    recipe: str
    since_at: float


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one probe, addressed by the claim's token."""

    node: str
    token: str
    outcome: Outcome
    cause: Cause | None
    reason: str
    started_at: float
    seconds: float
    stages: tuple[StageRun, ...] = ()
    left: tuple[str, ...] = ()
    """Vnodes, of this probe or leftovers of earlier ones, that may still be on the node."""
    note: str = ""
    """A remark that does not decide, such as a teardown that failed after a pass."""
    experiment: str = ""
    """Whose vnode it is about; empty for a health test."""
    is_cut: bool = False
    """Whether it is a failure by a learned deadline, where the recipe allows more time."""
    stray: Leftover | None = None
    """Its own vnode, if that is or may be on the node now: what remains when nobody waits for the report any more."""
    address: str | None = None
    """What becomes of `Member.address`: empty when the first address is to be tried first; None when it stays."""
    goal: Goal = Goal.TEST
    vantage: str = ""
    """Where the probe was made from: the name of a place with workers; empty: this machine."""

    @property
    def key(self) -> str:
        """What it is addressed by."""
        return build_key(self.node, self.experiment)
