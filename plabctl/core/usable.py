"""Whether a node is usable: what is offered to people, schedulers and experiments.

Pure. The one place that says so.
"""

# Annotations are not postponed here: this is asked for every node of a long list, in short commands.
from collections.abc import Collection

from plabctl.core.model import Hold
from plabctl.core.suspicion import Suspicion
from plabctl.typed import Protocol

NEEDS_PERSON = "needs a person: it failed too often to return by itself"
"""What is said of a node that is stuck: see `plabctl.core.strikes`."""

FELL_SILENT = "suspect: it fell silent and is tested again"
"""What is said of a node that left good because liveness checks were not answered, and failed no test."""

UNTESTED = "released, and not tested since"
"""What is said of a node that has to pass a set-up test after its release before it is offered again."""


class PlacedNode(Protocol):
    """What decides it: a member, or a row with these fields of one."""

    @property
    def pool(self) -> str:
        """The pool it is in."""

    @property
    def fail_streak(self) -> int:
        """How many tests in a row failed that counted."""

    @property
    def suspicion(self) -> Suspicion | None:
        """Its failure that is not confirmed yet."""

    @property
    def hold(self) -> Hold | None:
        """A person's hold."""

    @property
    def absent_since_at(self) -> float | None:
        """Since when its inventory does not list it."""

    @property
    def stuck_since_at(self) -> float | None:
        """Since when it does not return before a person releases it."""

    @property
    def release_test_since_at(self) -> float | None:
        """When it was released, if a set-up test has to pass after that."""


def is_usable(node: PlacedNode, now: float, good_pools: Collection[str]) -> bool:
    """Return whether the node is offered at `now`."""
    return node.pool in good_pools and explain_unusable(node, now, is_in_good=True) is None


def explain_unusable(node: PlacedNode, now: float, *, is_in_good: bool) -> str | None:
    """Return in words why the node is not offered at `now`; None when it is usable.

    Usable is a node in a good pool that is listed, not held, not suspect, whose last test that counted did not fail,
    and which waits for no test after its release. A person who moves it for a time overrules the tests for that long.
    """
    hold, suspicion = node.hold, node.suspicion
    if node.absent_since_at is not None:
        return "absent: no longer listed by its inventory"
    if hold is not None and hold.holds(now) and not hold.is_move:
        return f"held by {hold.actor}"
    if suspicion is not None and suspicion.pool != node.pool:
        return FELL_SILENT if suspicion.by_silence else "suspect: it failed once and is tested again"
    is_asserted = hold is not None and hold.holds(now)
    if is_in_good:
        return None if is_asserted else _explain_untested(node)
    if node.stuck_since_at is not None:
        return NEEDS_PERSON
    return f"moved to {node.pool} by {hold.actor}" if hold and is_asserted else f"in {node.pool}"


def _explain_untested(node: PlacedNode) -> str | None:
    """Return why a node in good is not offered by its tests."""
    if node.fail_streak:
        return "its last test failed"
    return None if node.release_test_since_at is None else UNTESTED
