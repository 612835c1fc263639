"""The keys of what comes in and what goes out: inventories, sinks, the history, and the status file.

Pure. Loaded only where a file has such a table. See `plabctl.config.schema`.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from plabctl.config.kind_name import KindName
from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Shape, Table
from plabctl.core.keys.types import DAY_S, Duration, Number, Text, Whole, Words
from plabctl.core.names import is_label_setting, is_source_name
from plabctl.core.settings import HistorySettings, InventorySettings, ReportSettings, SinkSettings

_MOST_KEPT_S = 100 * 365 * DAY_S


def is_event_kind(text: str) -> bool:
    """Return whether there are events of that kind."""
    return text in EVENT_KINDS


INVENTORY = Table(
    "inventory",
    InventorySettings(""),
    Key(
        "kind", KindName("inventory", by_name=True), text="Where its nodes come from.", example='"file"', required=True
    ),
    Key(
        "every",
        Duration(),
        "every_s",
        text="How often it is read. 5m because reading a list is cheap, and a new node should not wait for long.",
        example='"5m"',
    ),
    Key(
        "timeout",
        Duration(0.1, DAY_S),
        "timeout_s",
        text="Time-out of reading it. 1m because the tick waits for it, and the next tick comes in a minute.",
        example='"1m"',
    ),
    Key(
        "match",
        Words('a list of labels such as "site=north"', is_label_setting),
        text="Only nodes with these labels are taken: with each label that is named, and one of the values named for "
        "it. A label such as `web,db` has both values.",
        example='["site=north", "site=south", "roles=web"]',
        default="all nodes",
    ),
    Key(
        "name",
        Text("a name of printable characters, but not operator", is_source_name),
        text="The name of the source. Set it before the file moves or the command changes: nodes belong to the source "
        "of that name.",
        example='"racks"',
        default="the kind and the name of the file or program, such as `file:nodes.txt`",
    ),
    Key(
        "grace",
        Duration(),
        "grace_s",
        text="How long a node that it no longer lists is absent before it leaves: kept with all that is known of it, "
        "not tested and not offered. 1d because a wrong list is usually noticed within a day.",
        example='"1d"',
    ),
    Key(
        "max_leave",
        Number(0, 1),
        text="The share of its nodes that may be missing at once (five always may): a reading that drops more is not "
        "believed at first, and no more than that leave at once unless a person accepts it. 0.25 because whole "
        "sites do go away, while half a list is more likely an error.",
        example="0.25",
    ),
    Key(
        "believe_after",
        Whole(1, 1000),
        text="How many equal readings in a row it takes until one that drops more is believed, and its nodes are "
        "absent. 3 because a source that is half written or half reachable rarely stays so in the same way.",
        example="3",
    ),
    text="A source of nodes. Nodes that appear in it are added; nodes that vanish from it are absent for the `grace`, "
    "and then they leave. A source that cannot be read is ignored.",
    shape=Shape.MANY,
)
_TOLD = (
    Key(
        "on",
        Words("a list of: " + ", ".join(EVENT_KINDS), is_event_kind),
        text="The kinds of event that it gets.",
        example='["transition"]',
        required=True,
    ),
    Key(
        "timeout",
        Duration(0.1, DAY_S),
        "timeout_s",
        text="How long it may take each time. 30s because a command that hangs delays the events after it.",
        example='"30s"',
    ),
)
SINK = Table(
    "sink",
    SinkSettings(""),
    Key(
        "kind",
        KindName("sink", lambda kind: not kind.is_record, by_name=True),
        text="Where the events go.",
        example='"command"',
        required=True,
    ),
    *_TOLD,
    text="Where events are sent, besides the history, which gets every event first. Each sink has a queue of its own "
    "and waits for no other. One that fails gets the event again, after ever longer waits, for a day; it may get the "
    "same event twice, with the same `id`. See events.md.",
    shape=Shape.MANY,
)
HOOK = Table(
    "hook",
    SinkSettings("command"),
    *_TOLD,
    text='The short form of a `[[sink]]` with `kind = "command"`. The command gets one event as JSON on its standard '
    "input, its kind in `PLABCTL_EVENT` and its node in `PLABCTL_NODE`; with `batch` a list of all that wait.",
    shape=Shape.MANY,
    short_for=("sink", "command"),
)
HISTORY = Table(
    "history",
    HistorySettings(),
    Key(
        "keep",
        Duration(DAY_S, _MOST_KEPT_S),
        "keep_s",
        text="How long events are kept. 730d, two years, because a season is compared with the "
        "same season of the last year.",
        example='"5y"',
    ),
    Key(
        "keep_output",
        Duration(DAY_S, _MOST_KEPT_S),
        "keep_output_s",
        text="How long the stages of tests are kept, with what they printed. 30d because who looks into a fault looks "
        "at the last weeks, and stages are most of what the history takes on the disk.",
        example='"90d"',
    ),
    text="For how long what happened is kept. What is older is removed a little at a time by the ticks.",
)
REPORT = Table(
    "report",
    ReportSettings(),
    Key(
        "status_file",
        FilePath(),
        text="A file with what `status -o json` prints, for users who may not read the state, such as those of "
        "monitoring systems: `check --from FILE`, `status --from FILE`. It is written with every change and by every "
        "tick, readable by the group of its directory, which must exist. A file that is no status is not replaced.",
        example='"/var/lib/plabctl-status/status.json"',
        default="none",
    ),
    Key(
        "dir",
        FilePath(),
        text="A directory for the page: `index.html`, a page for each node, `status.json`, badges and `feed.atom`, for "
        "a web server or a browser. Ticks write it after all else is done, when something has changed, but at most a "
        "tenth of the time. It is made if it is missing; one that holds other files is refused. See docs/page.md.",
        example='"/var/lib/plabctl-page"',
        default="none",
    ),
    Key(
        "every",
        Duration(10, DAY_S),
        "every_s",
        text="How old the page may become while nothing changes. 5m because its age is on it: one that is much older "
        "says that no tick comes any more.",
        example='"5m"',
    ),
    Key(
        "title",
        Text("a line of printable characters", str.isprintable),
        text="What stands at the top of the page.",
        example='"North lab"',
        default="`Nodes of` and the name of this machine",
    ),
    Key(
        "days",
        Whole(1, 400),
        text="How many days back the pictures on the page go. 30 because a pattern of weekends or of maintenance "
        "shows within a month.",
        example="30",
    ),
    text="What is written for others.",
)
