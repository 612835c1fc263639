"""The nouns of experiments: what is wanted, and each member with its vnode.

Pure. An experiment is a pool of its own, under the window that all pools share. Go on with
`plabctl.core.experiments.membership`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from plabctl.core.model import Claim, Goal, Node, Verdict, build_key
from plabctl.values import dataclass, field


class VnodeState(StrEnum):
    """The state of a member."""

    PENDING = "pending"
    """Nothing was tried yet, or nothing that counts."""
    SETTING_UP = "setting-up"
    """It is claimed to be set up. Told by its claim and never stored, so that a claim that dies leaves no trace."""
    UP = "up"
    FAILED = "failed"
    """Tried again by back-off."""
    LEAVING = "leaving"
    """To be torn down, tried until that is done."""


_EARLY_DEATHS = 2


def describe_early_deaths(count: int) -> str:
    """Return what to think of a vnode that was found dead so often by the first look; nothing when it may be chance."""
    if count < _EARLY_DEATHS:
        return ""
    return (
        f"dead {count} times in a row at the first look after its set-up: if the node ends what a login leaves behind "
        "(KillUserProcesses=yes), name our user in KillExcludeUsers= of its logind.conf, or run "
        "`loginctl enable-linger USER` there and start the vnode by `systemd-run --user`"
    )


@dataclass(frozen=True, slots=True)
class Experiment:
    """A set of vnodes that somebody wants: on `nodes`, on `count` nodes, or on all nodes (`is_everywhere`)."""

    name: str
    recipe: str
    actor: str
    since_at: float
    nodes: tuple[str, ...] = ()
    count: int = 0
    spread: str = ""
    """With `count`: the label whose values share the vnodes evenly."""
    at_most: bool = False
    """With `count`: fewer will do while there are no more good nodes."""
    is_everywhere: bool = False
    match: Mapping[str, str] = field(default_factory=dict)
    """With `is_everywhere`: only nodes with these labels."""
    hook: tuple[str, ...] = ()
    """A command that is told what happens to it: argv."""
    ready_at: float | None = None
    """Since when all that is wanted is up."""
    leaving_at: float | None = None
    """When it was swapped out."""


@dataclass(frozen=True, slots=True)
class Vnode:
    """A member of an experiment: its vnode on one node, with its counters. There is one for a member, ever.

    `vnode` is its name on the node; it is given when it is first claimed to be set up and kept until it is known to be
    torn down, so it is empty as long as there is nothing on the node.
    """

    experiment: str
    node: str
    state: VnodeState
    since_at: float
    """When it came into this state."""
    due_at: float
    vnode: str = ""
    is_set_up: bool = False
    """Its set-up passed, and it was not found dead since: it is looked at, and not set up again."""
    tries: int = 0
    """How many set-ups ended."""
    ok_streak: int = 0
    fail_streak: int = 0
    probed_at: float | None = None
    interval_s: float = 0.0
    last: Verdict | None = None
    up_at: float | None = None
    """When it last came up; None if it never did."""
    gone_at: float | None = None
    """When its node was removed; from then on `address` stands for the node, so that the vnode can be torn down."""
    address: Mapping[str, str] = field(default_factory=dict)
    early_deaths: int = 0
    """How often in a row it was found dead by the first look after it had been set up."""

    @property
    def key(self) -> str:
        """Its key in the state."""
        return build_key(self.node, self.experiment)

    @property
    def is_leaving(self) -> bool:
        """Return whether it is wanted no more."""
        return self.state is VnodeState.LEAVING

    @property
    def goal(self) -> Goal:
        """The goal of its next probe."""
        if self.is_leaving:
            return Goal.TEARDOWN
        return Goal.CHECK if self.is_set_up else Goal.SETUP

    def find_shown_state(self, claim: Claim | None) -> VnodeState:
        """Return the state to show; `claim` is the member's claim, if there is one."""
        is_setting_up = claim is not None and claim.goal is Goal.SETUP and not self.is_leaving
        return VnodeState.SETTING_UP if is_setting_up else self.state

    def find_node(self, node: Node | None) -> Node:
        """Return the node to reach: `node` as the state has it, or as it was when it was removed."""
        return Node(self.node, self.address) if node is None or self.gone_at is not None else node
