"""The goal, outcome, cause and stages of a probe.

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
