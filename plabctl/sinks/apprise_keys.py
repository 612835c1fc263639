"""What a sink `apprise` can be told: its keys, and the options that they fill.

Pure, but for `list_urls`, which reads the file of URLs.
Tests: `tests/sinks/test_apprise_config.py`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from plabctl.core.keys.notice_types import Counts, ServiceUrls, Template
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import DAY_S, Duration, Text, Words
from plabctl.core.names import is_label_setting, is_source_name
from plabctl.core.notice_words import SUBJECT, TEXT
from plabctl.core.notices import Topic
from plabctl.core.quiet_hours import is_span
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import Origin, SinkSettings

_TOPICS = tuple(str(topic) for topic in Topic)


@dataclass(frozen=True, slots=True)
class AppriseOptions:
    """What only a sink of this kind can be told."""

    url: tuple[str, ...] = ()
    url_file: str = ""
    name: str = ""
    topics: tuple[str, ...] = _TOPICS
    match: tuple[str, ...] = ()
    minimum: tuple[tuple[str, int], ...] = ()
    remind_s: float = 4 * 3600.0
    longest_s: float = DAY_S
    apart_s: float = 300.0
    quiet: tuple[str, ...] = ()
    time_zone: str = ""
    subject: str = SUBJECT
    text: str = TEXT


KEYS = Table(
    "sink.apprise",
    AppriseOptions(),
    Key(
        "url",
        ServiceUrls(),
        text="Where notices go, as apprise writes it, one or a list. It may have a secret in it, and is never shown.",
        example='"mailtos://user:password@example.org?to=ops@example.org"',
        default="those of the `url_file`",
    ),
    Key(
        "url_file",
        FilePath(),
        text="A file with more such URLs, one a line. It is refused when others may read it.",
        example='"notify.urls"',
        default="none",
    ),
    Key(
        "name",
        Text("a name of printable characters, but not operator", is_source_name),
        text="What the sink is called in messages, and by `plabctl notify test NAME`.",
        example='"slack"',
        default="how the first URL begins, or the name of the file",
    ),
    Key(
        "on",
        Words("a list of: " + ", ".join(_TOPICS), lambda text: text in _TOPICS),
        "topics",
        text="What is told: nodes that went bad and are back, pools with fewer usable nodes than the `minimum`, the "
        "guard, faults of plabctl itself.",
        example='["nodes", "faults"]',
    ),
    Key(
        "match",
        Words('a list of labels such as "site=north"', is_label_setting),
        text="Only nodes with these labels are looked at, also for the `minimum`: with each label that is named, and "
        "one of the values named for it.",
        example='["site=north"]',
        default="all nodes",
    ),
    Key(
        "minimum",
        Counts(),
        text="With fewer usable nodes than that in a pool, a notice is sent.",
        example="{ good = 40 }",
        default="none",
    ),
    Key(
        "remind",
        Duration(),
        "remind_s",
        text="When what lasts is told again; then after twice that time, and so on. 0: never. 4h because who could do "
        "something at once has done it by then.",
        example='"8h"',
    ),
    Key(
        "remind_at_most",
        Duration(60.0),
        "longest_s",
        text="The longest time between two reminders. 1d because what is told daily is not forgotten.",
        example='"2d"',
    ),
    Key(
        "apart",
        Duration(),
        "apart_s",
        text="The least time between two notices to one service; what happens meanwhile is in the next one. 5m "
        "because where many nodes fail, they do so for some minutes.",
        example='"1m"',
    ),
    Key(
        "quiet",
        Words('a list of spans of the day such as "22:00-07:00"', is_span),
        text="When nothing is sent. When such a span is over, only what is still so is told, in one notice, because "
        "nobody wants to read in the morning what passed in the night.",
        example='["22:00-07:00"]',
        default="never",
    ),
    Key(
        "time_zone",
        Text("a time zone such as Europe/Berlin", lambda text: text.isascii() and text.isprintable() and text != ""),
        text="The time zone of `quiet`, and of instants in notices.",
        example='"Europe/Berlin"',
        default="that of this machine",
    ),
    Key(
        "subject",
        Template(),
        text="The subject. Fields: `{summary}` is the notice in a line, `{lines}` in lines with the names of nodes, "
        "`{usable}` and `{total}` count nodes, `{host}` is this machine, `{time}` now.",
        example='"[cluster] {summary}"',
    ),
    Key("text", Template(), text="The text, with the same fields.", example='"{lines}"'),
)


def find_options(own: SinkSettings) -> AppriseOptions:
    """Return what only this kind is told."""
    assert isinstance(own.options, AppriseOptions), "the configuration fills it"
    return own.options


def find_name(own: SinkSettings) -> str:
    """Return what people call the sink: as configured, else how the first URL begins, or the name of the file."""
    options = find_options(own)
    if options.name:
        return options.name
    return options.url[0].partition("://")[0].lower() if options.url else os.path.basename(options.url_file)


def list_urls(options: AppriseOptions, origin: Origin) -> tuple[str, ...]:
    """Return the URLs; raise ValueError, which says why, when their file is not used."""
    from plabctl.sinks.apprise_urls import read_urls

    try:
        more = read_urls(options.url_file, origin.owners) if options.url_file else ()
    except ValueError as why:
        raise ValueError(f"{options.url_file}: {why}") from why
    return tuple(dict.fromkeys((*options.url, *more)))
