"""What the sink `apprise` does in a tick: for each service, plan the notice, put it into words, have it sent.

I/O: reads the file of URLs, and what `plabctl.sinks.notice_delivery` does.
Tests: `tests/sinks/test_apprise.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING

from plabctl.core.notice_alarms import Scope, find_situation
from plabctl.core.notice_words import fill_template, list_lines, summarize
from plabctl.core.notices import Memory, Notice, Reminders, Situation, find_next_reminder, plan_notice
from plabctl.core.quiet_hours import find_quiet_end
from plabctl.errors import StoreError
from plabctl.sinks.apprise_keys import AppriseOptions, find_name, find_options, list_urls
from plabctl.sinks.apprise_urls import find_scheme
from plabctl.sinks.base import Scene, SinkContext, SyncResult
from plabctl.sinks.notice_delivery import Delivery, Limits, Plan, deliver
from plabctl.sinks.notice_files import build_stem
from plabctl.sinks.notice_process import Words, send_now

if TYPE_CHECKING:
    from plabctl.core.settings import SinkSettings
    from plabctl.core.standing import Standing


def tell_services(
    name: str, own: SinkSettings, scene: Scene, timeout_s: float, context: SinkContext, *, is_rehearsal: bool
) -> SyncResult:
    """Begin to tell each service of the sink called `name` what it is to be told now; raise nothing."""
    options = find_options(own)
    try:
        urls = list_urls(options, context.origin)
        zone = find_zone(options.time_zone)
    except ValueError as error:
        return SyncResult(error=f"{name}: {error}")
    round_ = _Round(name, options, scene, zone)
    # Who runs as the first process of a container takes all others along when it ends.
    is_waited = context.is_waited or os.getpid() == 1
    done: list[tuple[str, Delivery]] = []
    for url in urls:
        # What is told depends on what is looked at: who changes that is told once more what is wrong.
        stem = build_stem(scene.settings.state_dir, url, (find_name(own), options.topics, options.match))
        send = partial(deliver, url, stem, scene.now, Limits(timeout_s, options.apart_s))
        try:
            told = send(round_.plan, round_.write, is_rehearsal=is_rehearsal, is_waited=is_waited)
        except StoreError as error:
            told = Delivery(error=str(error), look_at=scene.now)
        done.append((find_scheme(url), told))
    return _sum_up(name, done)


def try_services(own: SinkSettings, scene: Scene, context: SinkContext) -> Iterator[tuple[str, str]]:
    """Send a test to each service of the sink and wait for it; yield how its URL begins, and what went wrong."""
    options = find_options(own)
    try:
        urls, zone = list_urls(options, context.origin), find_zone(options.time_zone)
    except ValueError as error:
        yield find_name(own), str(error)
        return
    round_ = _Round("", options, scene, zone)
    round_.plan({})
    words = round_.fill("test", ["This is a test: notices of plabctl reach you."])
    for url in urls:
        yield find_scheme(url), send_now(url, words, own.timeout_s)


def _sum_up(name: str, done: Sequence[tuple[str, Delivery]]) -> SyncResult:
    errors = [f"{name}: {scheme}: {told.error}" for scheme, told in done if told.error]
    look_at = min(told.look_at for _, told in done)
    return SyncResult(
        tuple(f"{scheme}: {told.subject}" for scheme, told in done if told.subject),
        "; ".join(dict.fromkeys(errors)),
        memory={} if look_at == float("inf") else {"due_at": look_at},
    )


def find_zone(name: str) -> tzinfo | None:
    """Return the time zone of that name, None for that of this machine; raise ValueError when there is no such."""
    if not name:
        return None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"there is no time zone {name!r} on this machine") from error


def format_time(now: float, zone: tzinfo | None) -> str:
    """Return an instant as people write it, with its zone."""
    shown = datetime.fromtimestamp(now, zone)
    return (shown if zone else shown.astimezone()).strftime("%Y-%m-%d %H:%M %Z")


class _Round:
    """What all services of one sink have in common."""

    def __init__(self, name: str, options: AppriseOptions, scene: Scene, zone: tzinfo | None) -> None:
        self._options = options
        self._scene = scene
        self._zone = zone
        self._scope = Scope(frozenset(options.topics), options.match, dict(options.minimum), name)
        self._quiet_end = find_quiet_end(options.quiet, scene.now, self._show_minute)
        self._standings: list[Standing] = scene.list_standings("\0")  # no actor is called so: all holds count
        self._situation = Situation({})

    def _show_minute(self, at: float) -> int:
        shown = datetime.fromtimestamp(at, self._zone)
        return 60 * shown.hour + shown.minute

    def plan(self, memory: Memory) -> Plan:
        """Return what a service is to be told now that was told `memory`."""
        now = self._scene.now
        scene = self._scene
        reminders = Reminders(self._options.remind_s, self._options.longest_s)
        self._situation = find_situation(self._standings, scene.state, scene.settings, now, self._scope, memory)
        if self._quiet_end is not None:
            return Plan(None, memory, self._quiet_end)
        notice, after = plan_notice(memory, self._situation, now, reminders)
        return Plan(notice, after, find_next_reminder(after, reminders))

    def write(self, notice: Notice) -> Words:
        """Return the notice in words."""
        words = self.fill(summarize(notice), list_lines(notice, self._scene.now))
        return words._replace(tone=notice.tone)

    def fill(self, summary: str, lines: Sequence[str]) -> Words:
        """Return what is sent, by the templates of the sink."""
        values = {
            "summary": summary,
            "lines": "\n".join(lines),
            "usable": str(self._situation.usable_count),
            "total": str(self._situation.node_count),
            "host": os.uname().nodename,
            "time": format_time(self._scene.now, self._zone),
        }
        # A subject is a line, whatever the template says.
        subject = " ".join(fill_template(self._options.subject, values).split())
        return Words(subject, fill_template(self._options.text, values))
