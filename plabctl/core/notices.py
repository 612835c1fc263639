"""What a notice says: what became so since the last one that was delivered, what still is so, and what is over.

Pure. A notice is made from what is so now (`plabctl.core.notice_alarms`) and what was told (`Told`), not from events.
So one that could not be delivered is made anew from both, a storm is one notice, and what came and went meanwhile is
not told at all. `plabctl.core.notice_words` puts it into words, `plabctl.core.notice_record` keeps what was told.
Tests: `tests/core/test_notices.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import NamedTuple

_COMES_ALONG = 0.5
"""A reminder also tells what was told at least so large a part of its own interval ago: one notice in place of many."""


class Topic(StrEnum):
    """What a notice may be about."""

    NODES = "nodes"
    POOLS = "pools"
    GUARD = "guard"
    FAULTS = "faults"


class Alarm(NamedTuple):
    """Something that is wrong."""

    topic: str
    what: str
    """The cause of a node's failure; of all else what it is about: a pool, a scope of the guard, a kind of fault."""
    since_at: float
    node: str = ""
    site: str = ""
    detail: str = ""
    """In words. It may contain what a node said."""


class Told(NamedTuple):
    """An alarm as it was told last, when, and how often it was told again."""

    alarm: Alarm
    at: float
    reminder_count: int = 0


Memory = Mapping[str, Told]
"""What was told and is not told to be over, by the key of the alarm."""


class Situation(NamedTuple):
    """What is so now."""

    alarms: Mapping[str, Alarm]
    """By a key that says what it is about: `node pc1`, `pool good`, `guard site north`, `fault disk`."""
    pending: Collection[str] = ()
    """Keys of what was told and is neither so nor over: a node that is held, absent or tested again."""
    ignored: Collection[str] = ()
    """Keys of what was told and is not looked at any more."""
    ends: Mapping[str, float] = {}
    """When what was told was over, by key; what is not here is over just now."""
    lost: Collection[str] = ()
    """Keys of nodes that were told of and are no longer nodes."""
    usable_count: int = 0
    node_count: int = 0


class Ended(NamedTuple):
    """What is over, and when it was; a node may also be gone."""

    alarm: Alarm
    at: float
    is_lost: bool = False

    @property
    def lasted_s(self) -> float:
        """How long it was so, in seconds."""
        return max(0.0, self.at - self.alarm.since_at)


class Tone(StrEnum):
    """How a notice looks: the words by which apprise chooses colours, symbols and priorities."""

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"
    INFO = "info"


class Notice(NamedTuple):
    """What is to be told at once."""

    new: tuple[Alarm, ...]
    over: tuple[Ended, ...]
    still: tuple[Alarm, ...]
    open_count: int = 0
    """How many alarms were told before, are not over, and are not in this notice."""

    @property
    def tone(self) -> Tone:
        """A failure for all that is more than nodes which went bad; a success when nothing is wrong any more."""
        if wrong := (*self.new, *self.still):
            return Tone.WARNING if all(alarm.topic == Topic.NODES for alarm in wrong) else Tone.FAILURE
        return Tone.INFO if self.open_count else Tone.SUCCESS


class Reminders(NamedTuple):
    """When something is told again: after `first_s` seconds, then twice that, and so on up to `longest_s`; 0: never."""

    first_s: float
    longest_s: float

    def find_wait(self, reminder_count: int) -> float:
        """Return how long it is until the next reminder of what was told again so often; infinite for never."""
        return min(self.longest_s, self.first_s * 2.0 ** min(reminder_count, 32)) if self.first_s else float("inf")

    def find_next(self, told: Told) -> float:
        """Return when the next reminder is due."""
        return told.at + self.find_wait(told.reminder_count)


def plan_notice(memory: Memory, situation: Situation, now: float, reminders: Reminders) -> tuple[Notice | None, Memory]:
    """Return what is to be told at `now`, if anything, and what was told once that is delivered."""
    new = {key: alarm for key, alarm in situation.alarms.items() if key not in memory}
    still = _find_reminders(memory, situation, now, reminders)
    over: list[Ended] = []
    after: dict[str, Told] = {}
    for key, told in memory.items():
        if key in still:
            after[key] = Told(still[key], now, told.reminder_count + 1)
        elif key in situation.alarms or key in situation.pending:
            after[key] = told
        elif key not in situation.ignored:
            end = situation.ends.get(key, now)
            # What ended before it was told has come again meanwhile, and has ended once more.
            over.append(Ended(told.alarm, end if end >= told.alarm.since_at else now, key in situation.lost))
    after |= {key: Told(alarm, now) for key, alarm in new.items()}
    if not new and not over and not still:
        return None, after
    open_count = len(after) - len(new) - len(still)
    return Notice(tuple(new.values()), tuple(over), tuple(still.values()), open_count), after


def find_next_reminder(memory: Memory, reminders: Reminders) -> float:
    """Return when the next reminder is due; infinite when none is."""
    return min((reminders.find_next(told) for told in memory.values()), default=float("inf"))


def _find_reminders(memory: Memory, situation: Situation, now: float, reminders: Reminders) -> dict[str, Alarm]:
    """Return what is told again, by key: what is due, and with it what soon will be."""
    known = {key: told for key, told in memory.items() if key in situation.alarms}
    # A clock that was set back must not keep reminders away for as long.
    if not any(now >= reminders.find_next(told) or told.at > now for told in known.values()):
        return {}
    return {
        key: situation.alarms[key]._replace(since_at=told.alarm.since_at)
        for key, told in known.items()
        if now - told.at >= _COMES_ALONG * reminders.find_wait(told.reminder_count) or told.at > now
    }
