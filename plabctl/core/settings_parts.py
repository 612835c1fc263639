"""The parts of the settings that need none of the others: rules for all pools, executors, inventories and sinks.

Pure. Other modules import these from `plabctl.core.settings`.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from enum import StrEnum

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.values import dataclass, field


@dataclass(frozen=True, slots=True)
class AdaptiveSettings:
    """What the adaptive back-off aims at: so much of the window, by what it saw with this half-life."""

    load_ratio: float = 0.8
    half_life_s: float = 1209600.0


@dataclass(frozen=True, slots=True)
class FlapSettings:
    """The flap penalty: it halves every `half_life_s`; each whole point asks for one more pass, `apart_s` apart."""

    half_life_s: float = 21600.0
    max_passes: int = 12
    apart_s: float = 300.0
    strikes: int = 0
    """A node with more confirmed moves than that within `strikes_within_s` does not return by itself; 0: off."""
    strikes_within_s: float = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class LivenessSettings:
    """The liveness checks of a pool; see `plabctl.core.liveness`."""

    between: int = 0
    """How many checks between two set-up tests; 0: none."""
    recipe: str = "command"
    silences: int = 2
    """How many silent checks in a row make a good node a suspect; 0: none do, silence merely calls the test."""
    apart_s: float = 0.0
    """How long after a silent check the next one comes, until there are enough of them; 0: at once."""


class GuardThen(StrEnum):
    """What becomes of a move that the guard has held for its longest time."""

    MOVE = "move"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """When moves to bad are held: more than `max_ratio` of the good nodes tested `within_s` failed, or every canary."""

    max_ratio: float = 0.2
    min_tested: int = 10
    """Distinct nodes that must have been tested before the share means anything."""
    within_s: float = 600.0
    site_label: str = "site"
    """The node variable that groups nodes into sites."""
    canary: tuple[str, ...] = ()
    """`host:port` of machines that are up when we ourselves are connected."""
    max_age_s: float = 3600.0
    then: GuardThen = GuardThen.MOVE
    neighbours: int = 2
    """How many good nodes of its site a failing one has tested at once, or all by a check where those are made."""


@dataclass(frozen=True, slots=True)
class DeadlineSettings:
    """How the time-outs of a recipe are lowered to what its passes have shown; see `plabctl.core.timeouts`."""

    enabled: bool = True
    floor_s: float = 10.0
    """TCP repeats a lost packet after 1, 3 and 7 s: three lost packets are no reason to give a node up."""
    factor: float = 3.0
    """Below 3, what is cut off would be missed among what is learned from, and deadlines could shrink without end."""
    min_passes: int = 20
    """The slowest in twenty is the first that 95 % can be told from."""
    full_every: int = 4
    """A slow but sound node in bad is back within a few tests, and a dead one costs a quarter of the time-outs."""


@dataclass(frozen=True, slots=True)
class ExperimentSettings:
    """How the vnodes of experiments are kept. Each experiment is a pool of its own with this weight and reserve."""

    recipe: str = "process"
    retry: Backoff = field(default_factory=lambda: Backoff(ADDITIVE, base_s=60.0, step_s=60.0))
    """Between tries to set up, or to tear down."""
    check: Backoff = field(default_factory=lambda: Backoff(ADDITIVE))
    """Between looks at a vnode that is up."""
    grace_s: float = 1800.0
    """How long the node of a member may be in bad before the member is replaced, or leaves."""
    give_up_s: float = 604800.0
    """How long a vnode is tried to be torn down after its node was removed."""
    hook_timeout_s: float = 30.0
    weight: float = 1.0
    reserve: float = 0.0


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What is written for those who may not read the state."""

    status_file: str = ""
    """Where the status is written after each change, for monitoring users; empty for nowhere."""
    dir: str = ""
    """Where ticks write the page; empty for nowhere."""
    every_s: float = 300.0
    """How old the page may become while nothing changes."""
    title: str = ""
    """What stands above it; empty for the name of this machine."""
    days: int = 30
    """How far back its pictures go."""


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How long what happened is kept: events, and the stages of tests with what they printed."""

    keep_s: float = 730 * 86400.0
    keep_output_s: float = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """What runs the probes. `kind` is a name: the module of the kind is loaded when there is something to run."""

    kind: str = "threads"
    options: object = None
    """The values of the keys that only its kind has."""
    second_opinion: bool = False
    """Whether a failure is looked at from another vantage before it counts: see `plabctl.core.vantage`."""


@dataclass(frozen=True, slots=True)
class InventorySettings:
    """One source of nodes. `kind` is a name: the module of the kind is loaded where inventories are configured."""

    kind: str
    every_s: float = 300.0
    timeout_s: float = 60.0
    match: tuple[str, ...] = ()
    """Only nodes with these labels, each as `LABEL=VALUE`, are taken."""
    grace_s: float = 86_400.0
    """How long a node that it lists no longer is kept, with all that is known of it."""
    max_leave: float = 0.25
    """A reading that drops more than this share of its nodes, and more than five, is not believed at once."""
    believe_after: int = 3
    """So many equal readings are believed, whatever they drop."""
    name: str = ""
    """What its nodes carry as their source."""
    aliases: tuple[str, ...] = ()
    """What they carried before it had that name."""
    options: object = None
    """The values of the keys that only its kind has."""


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """One receiver of events. `kind` is a name: the module of the kind is loaded where sinks are configured or told."""

    kind: str
    on: tuple[str, ...] = ()
    """The kinds of event that it is told of."""
    timeout_s: float = 30.0
    options: object = None
    """The values of the keys that only its kind has."""
    experiment: str = ""
    """Only events of this experiment; for those that come with one, not for the configuration."""


MAX_NODE_SERIES = 10_000
"""For how many nodes there are series of their own, unless somebody says otherwise: Prometheus keeps each for weeks."""

RECORD = SinkSettings("history")
"""The sink that is always there: it takes every event, before the others are told."""
