"""Whether a gate lets a node through: it is usable, and a set-up test passed on it lately.

Pure. `plabctl.app.ask_gate` asks, and has nodes tested that have no young pass; `plabctl.render.gate_result` shows it.
"""

# Annotations are not postponed here: a gate stands in the prolog of every job.
from collections.abc import Collection, Iterable

from plabctl.core.model import Member, Outcome
from plabctl.core.usable import explain_unusable
from plabctl.durations import format_duration
from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.state import State


@dataclass(frozen=True, slots=True)
class GateNode:
    """What a gate says of one node; `why_not` is None when it is let through."""

    name: str
    why_not: str | None
    passed_at: float | None
    """When its last test ended, if that passed."""
    is_tested_now: bool = False
    """Whether the gate had it tested."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate says at `now`."""

    now: float
    nodes: tuple[GateNode, ...]
    signal_code: int = 0
    """128 + the signal that ended it early, 0 for none."""
    warning: str = ""
    """What went wrong beside the tests, such as a sink that could not be told; it closes no gate."""

    @property
    def is_open(self) -> bool:
        """Return whether all nodes are let through."""
        return all(node.why_not is None for node in self.nodes)

    @property
    def exit_code(self) -> int:
        """0 when all are let through, 1 when not, 128 + signal when stopped."""
        return self.signal_code or int(not self.is_open)


def check_nodes(
    state: "State",
    names: Iterable[str],
    now: float,
    fresh_s: float,
    good_pools: Collection[str],
    tested: Collection[str] = (),
    signal_code: int = 0,
) -> GateResult:
    """Return what a gate says of the nodes; `fresh_s` is how old a pass may be, `tested` were tested for it."""
    nodes = []
    for name in names:
        member = state.member(name)
        passed = member.last if member and member.last and member.last.outcome is Outcome.PASS else None
        why_not = explain_closed(member, now, fresh_s, good_pools)
        nodes.append(GateNode(name, why_not, passed.at if passed else None, name in tested))
    return GateResult(now, tuple(nodes), signal_code)


def explain_closed(member: Member | None, now: float, fresh_s: float, good_pools: Collection[str]) -> str | None:
    """Return in words why the node is not let through at `now`; None when it is.

    It is when it is usable and its last test passed at most `fresh_s` ago. A person who moved it for a time overrules
    the tests for that long. A pass that lies ahead of `now` was noted by a clock that was set back, and is not fresh.
    """
    if member is None:
        return "no such node any more"
    why = explain_unusable(member, now, is_in_good=member.pool in good_pools)
    if why is None:
        if is_asserted(member, now) or has_fresh_pass(member, now, fresh_s):
            return None
        why = f"no test passed within {format_duration(fresh_s)}"
    last = member.last
    if last is None:
        return f"{why}; never tested"
    if last.outcome is Outcome.PASS or member.absent_since_at is not None:
        return why
    cause = f"{last.cause}: " if last.cause else ""
    return f"{why}: {cause}{last.reason}"


def has_fresh_pass(member: Member, now: float, fresh_s: float) -> bool:
    """Return whether the last test of the node passed, and ended at most `fresh_s` before `now`."""
    last = member.last
    return last is not None and last.outcome is Outcome.PASS and 0 <= now - last.at <= fresh_s


def can_test_open(member: Member, now: float) -> bool:
    """Return whether a test may make the node usable: it is not absent, and no person keeps it where it is."""
    return member.absent_since_at is None and not member.is_held(now)


def is_asserted(member: Member, now: float) -> bool:
    """Return whether a person's move overrules the tests at `now`."""
    hold = member.hold
    return hold is not None and hold.is_move and hold.holds(now)
