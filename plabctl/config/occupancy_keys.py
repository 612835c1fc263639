"""The keys of `[[occupancy]]`: who says which nodes are in use.

Pure. Loaded only where a file has such a table. See `plabctl.config.schema`.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from plabctl.config.kind_name import KindName
from plabctl.core.keys.table import Key, Shape, Table
from plabctl.core.keys.types import DAY_S, Duration, Text
from plabctl.core.names import is_source_name
from plabctl.core.occupancy import OccupancySettings

OCCUPANCY = Table(
    "occupancy",
    OccupancySettings(""),
    Key(
        "kind",
        KindName("occupancy", by_name=True),
        text="What says which nodes are busy.",
        example='"command"',
        required=True,
    ),
    Key(
        "every",
        Duration(),
        "every_s",
        text="How often it is read. 1m because ticks come every minute, and a node may be taken at any time.",
        example='"1m"',
    ),
    Key(
        "timeout",
        Duration(0.1, DAY_S),
        "timeout_s",
        text="Time-out of reading it. 30s because the tick waits for it.",
        example='"30s"',
    ),
    Key(
        "stale_after",
        Duration(),
        "stale_after_s",
        text="How long what it said last holds while it cannot be read; then nobody is known to be busy. 15m because "
        "a restart of a scheduler is over by then, while nodes that are never tested would not be known to work.",
        example='"15m"',
    ),
    Key(
        "name",
        Text("a name of printable characters, but not operator", is_source_name),
        text="The name of the source.",
        example='"scheduler"',
        default="the kind and the name of the program, such as `command:busy-nodes`",
    ),
    text="A source that says which nodes are in use. A busy node is spared: no set-up test is started on it. See "
    "occupancy.md.",
    shape=Shape.MANY,
)
