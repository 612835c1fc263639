"""A notice in words: the summary for a subject or a telephone, the lines for the text, and the templates of both.

Pure. Nodes are folded, and grouped by site and cause. What nodes say of themselves is shown without the characters by
which chat services mark up, mention and link.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from plabctl.core.notices import Alarm, Ended, Notice, Topic
from plabctl.counts import format_count
from plabctl.durations import format_duration
from plabctl.nodesets import fold_nodeset

SUBJECT = "plabctl: {summary}"
TEXT = "{lines}\n\n{usable} of {total} nodes usable. From plabctl on {host}, {time}."
FIELDS = ("summary", "lines", "usable", "total", "host", "time")
"""What may stand in braces in a template."""
_PART = r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]"
_MOST_GROUPS = 3
_MOST_CAUSES = 3
_MOST_LINES = 40
_LONGEST_NAMES = 300
_LONGEST_SUMMARY = 200
_INERT = str.maketrans(dict.fromkeys("<>@&`*[]|~#\\", "?"))


class Group(NamedTuple):
    """Nodes of one site, with their causes, the most frequent first."""

    site: str
    alarms: Sequence[Alarm]

    @property
    def causes(self) -> str:
        """The causes in words."""
        causes = [cause for cause, _ in Counter(alarm.what for alarm in self.alarms).most_common()]
        more = len(causes) - _MOST_CAUSES
        return ", ".join(causes[:_MOST_CAUSES]) + (f" and {more} more causes" if more > 0 else "")

    @property
    def place(self) -> str:
        """Where, in words."""
        return f" at {make_inert(self.site)}" if self.site else ""


def explain_template(text: str) -> str:
    """Return what is wrong with a template, in words; empty when nothing is."""
    for found in re.finditer(_PART, text):
        if found["name"] is not None and found["name"] not in FIELDS:
            return f"there is no {found[0]}"
        if found[0] in {"{", "}"}:
            return f"a single {found[0]}, write {2 * found[0]} for it"
    return ""


def fill_template(text: str, values: Mapping[str, str]) -> str:
    """Return a template with `values` in it, by the names of `FIELDS`."""
    return re.sub(_PART, lambda found: values[found["name"]] if found["name"] else found[0][0], text)


def make_inert(text: str) -> str:
    """Return what came from elsewhere so that a chat service neither marks it up nor mentions anybody."""
    return "".join(char if char.isprintable() else " " for char in text).translate(_INERT)


def summarize(notice: Notice) -> str:
    """Return the notice in one line: `6 nodes bad at north: connect; 2 back after 3h`."""
    parts = [
        *_summarize_nodes(notice.new, "bad"),
        *(_describe_alarm(alarm) for alarm in notice.new if alarm.topic != Topic.NODES),
        *_summarize_ends(notice.over),
        *_summarize_nodes(notice.still, "still bad"),
        *(f"still: {_describe_alarm(alarm)}" for alarm in notice.still if alarm.topic != Topic.NODES),
    ]
    text = "; ".join(parts)
    return text if len(text) <= _LONGEST_SUMMARY else f"{text[: _LONGEST_SUMMARY - 3]}..."


def list_lines(notice: Notice, now: float) -> list[str]:
    """Return the notice in lines, the worst first."""
    lines = [
        *_list_nodes(notice.new, "bad"),
        *(_describe_alarm(alarm) for alarm in notice.new if alarm.topic != Topic.NODES),
        *_list_ends(notice.over),
        *_list_nodes(notice.still, "still bad", now),
        *(f"still, for {_format_age(alarm, now)}: {_describe_alarm(alarm)}" for alarm in _list_others(notice.still)),
    ]
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"and {more} more lines; see: plabctl status"]


def _list_others(alarms: Sequence[Alarm]) -> list[Alarm]:
    return [alarm for alarm in alarms if alarm.topic != Topic.NODES]


def _group(alarms: Sequence[Alarm]) -> list[Group]:
    """Return the nodes among `alarms` by site, the largest group first."""
    sites: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        if alarm.topic == Topic.NODES:
            sites.setdefault(alarm.site, []).append(alarm)
    return sorted(
        (Group(site, group) for site, group in sites.items()), key=lambda each: (-len(each.alarms), each.site)
    )


def _summarize_nodes(alarms: Sequence[Alarm], what: str) -> Iterator[str]:
    groups = _group(alarms)
    for group in groups[: _MOST_GROUPS if len(groups) > _MOST_GROUPS + 1 else None]:
        nodes = group.alarms[0].node if len(group.alarms) == 1 else format_count(len(group.alarms), "node")
        yield f"{nodes} {what}{group.place}: {group.causes}"
    if len(groups) > _MOST_GROUPS + 1:
        rest = groups[_MOST_GROUPS:]
        yield f"{sum(len(group.alarms) for group in rest)} {what} at {len(rest)} other sites"


def _summarize_ends(over: Sequence[Ended]) -> Iterator[str]:
    back = [each for each in over if each.alarm.topic == Topic.NODES and not each.is_lost]
    lost = [each for each in over if each.is_lost]
    if back:
        yield f"{_name_few(back)} back after {_format_range(back)}"
    if lost:
        yield f"{_name_few(lost)} no longer listed"
    yield from (_describe_end(each) for each in over if each.alarm.topic != Topic.NODES)


def _name_few(over: Sequence[Ended]) -> str:
    return over[0].alarm.node if len(over) == 1 else str(len(over))


def _list_nodes(alarms: Sequence[Alarm], what: str, aged_at: float | None = None) -> Iterator[str]:
    """Yield a line for each site and cause, with how long it has been so at `aged_at`, if that is given."""
    for group in _group(alarms):
        by_cause: dict[str, list[Alarm]] = {}
        for alarm in group.alarms:
            by_cause.setdefault(alarm.what, []).append(alarm)
        for cause, same in sorted(by_cause.items(), key=lambda item: -len(item[1])):
            details = {alarm.detail for alarm in same}
            detail = f": {make_inert(details.pop())}" if len(details) == 1 and any(details) else ""
            ages = "" if aged_at is None else f" for {_format_span([aged_at - alarm.since_at for alarm in same])}"
            count = format_count(len(same), "node")
            yield f"{count} {what}{group.place}{ages}: {fold([alarm.node for alarm in same])}: {cause}{detail}"


def _list_ends(over: Sequence[Ended]) -> Iterator[str]:
    back = [each for each in over if each.alarm.topic == Topic.NODES and not each.is_lost]
    lost = [each for each in over if each.is_lost]
    if back:
        names = fold([each.alarm.node for each in back])
        yield f"{format_count(len(back), 'node')} back after {_format_range(back)}: {names}"
    if lost:
        yield f"{format_count(len(lost), 'node')} no longer listed: {fold([each.alarm.node for each in lost])}"
    yield from (_describe_end(each) for each in over if each.alarm.topic != Topic.NODES)


def fold(names: Sequence[str]) -> str:
    """Return the names of nodes as one pattern, and only how many more where that is long."""
    text = fold_nodeset(names)
    if len(text) <= _LONGEST_NAMES:
        return text
    shown: list[str] = []
    for name in names:
        if sum(map(len, shown)) + len(shown) + len(name) > _LONGEST_NAMES:
            break
        shown.append(name)
    return f"{','.join(shown)} and {len(names) - len(shown)} more"


def _describe_alarm(alarm: Alarm) -> str:
    if alarm.topic == Topic.POOLS:
        return f"pool {alarm.what}: {alarm.detail}"
    if alarm.topic == Topic.GUARD:
        return f"guard on for {alarm.what}: {make_inert(alarm.detail)}"
    return make_inert(alarm.detail)


def _describe_end(ended: Ended) -> str:
    after = format_duration(ended.lasted_s)
    if ended.alarm.topic == Topic.POOLS:
        return f"pool {ended.alarm.what} has enough usable nodes again after {after}"
    if ended.alarm.topic == Topic.GUARD:
        return f"guard off for {ended.alarm.what} after {after}"
    return f"over after {after}: {make_inert(ended.alarm.detail)}"


def _format_age(alarm: Alarm, now: float) -> str:
    return format_duration(max(0.0, now - alarm.since_at))


def _format_range(over: Sequence[Ended]) -> str:
    return _format_span([each.lasted_s for each in over])


def _format_span(seconds: Sequence[float]) -> str:
    least, most = (format_duration(max(0.0, each)) for each in (min(seconds), max(seconds)))
    return least if least == most else f"{least} to {most}"
