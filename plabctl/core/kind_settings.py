"""What the operator decided about executors, inventories and sinks: which kind each is, and what all kinds share.

Pure. Everybody else takes these from `plabctl.core.settings`.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """What runs the probes. `kind` is a name: the module of the kind is loaded when there is something to run."""

    kind: str = "threads"
    options: object = None
    """The values of the keys that only its kind has."""


@dataclass(frozen=True, slots=True)
class InventorySettings:
    """One source of nodes. `kind` is a name: the module of the kind is loaded where inventories are configured."""

    kind: str
    every_s: float = 300.0
    timeout_s: float = 60.0
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


RECORD = SinkSettings("history")
"""The sink that is always there: it takes every event, before the others are told."""
