"""Delivering notices to one service: what is to be told now, and a process that tells it while nobody waits.

I/O: the record of the receiver, and the process of `plabctl.sinks.notice_sender`, which goes on when the tick ends. The
record says what is told once that process succeeds, and the process itself notes how it went. So whoever is killed, and
whenever, a notice that was not delivered is made anew, and what became so meanwhile is in it as well.
Tests: `tests/sinks/test_apprise.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from plabctl.core.notice_record import Record
from plabctl.core.notices import Memory, Notice
from plabctl.core.sink_health import is_due
from plabctl.files.locks import open_locked, poll_lock
from plabctl.files.private import open_private
from plabctl.sinks.notice_files import read_record, write_record
from plabctl.sinks.notice_process import DIED, SLACK_S, Words, start_sender
from plabctl.sinks.notice_sender import Job

_LOOK_S = 0.05


class Delivery(NamedTuple):
    """How it goes: what was begun to be told, the error of the last attempt, when a tick has to look again."""

    subject: str = ""
    error: str = ""
    look_at: float = float("inf")


class Plan(NamedTuple):
    """What is to be told now, if anything, what was told after that, and when there may be something if nothing is."""

    notice: Notice | None
    memory: Memory
    next_at: float


class Limits(NamedTuple):
    """How long one delivery may take, and how far apart two are at least, in seconds."""

    timeout_s: float
    apart_s: float


def deliver(
    url: str,
    stem: str,
    now: float,
    limits: Limits,
    plan: Callable[[Memory], Plan],
    write: Callable[[Notice], Words],
    *,
    is_rehearsal: bool = False,
    is_waited: bool = False,
) -> Delivery:
    """Begin to tell the service at `url` what `plan` makes of what it was told, unless it is not time to.

    `stem` is how the paths of its files begin. With `is_waited`, return when that is done. Raise StoreError.
    """
    lock = open_locked(f"{stem}.lock")
    if lock is None:  # it is being told something by an earlier tick
        failure = read_record(f"{stem}.json").failure
        return Delivery(error=failure.error if failure else "", look_at=now)
    try:
        record = read_record(f"{stem}.json")
        if is_rehearsal:
            notice = plan(record.memory).notice
            return Delivery(write(notice).subject if notice else "")
        begun = _begin(Job(url, "", "", limits.timeout_s, f"{stem}.json"), lock, record, now, limits, plan, write)
    finally:
        os.close(lock)  # the process has it open as well
    return _wait(stem, begun, limits.timeout_s) if is_waited and begun.subject else begun


def _begin(
    job: Job,
    lock: int,
    record: Record,
    now: float,
    limits: Limits,
    plan: Callable[[Memory], Plan],
    write: Callable[[Notice], Words],
) -> Delivery:
    if record.attempt:
        record = record.fail(DIED, now)
        write_record(job.path, record)
    notice, memory, next_at = plan(record.memory)
    if notice is None:
        settled = record.settle(memory)
        if settled != record:
            write_record(job.path, settled)
        return Delivery(look_at=next_at)
    failure = record.failure
    error = failure.error if failure else ""
    if failure and not is_due(failure, now):
        return Delivery(error=error, look_at=failure.next_at)
    if (pause_end := record.find_pause_end(now, limits.apart_s)) > now:
        return Delivery(error=error, look_at=pause_end)
    write_record(job.path, record.begin(memory, now))
    words = write(notice)
    try:
        start_sender(job._replace(**words._asdict()), lock)
    except OSError as why:
        error = f"no process can be started: {(why.strerror or str(why)).lower()}"
        write_record(job.path, record.fail(error, now))
        return Delivery(error=error, look_at=now)
    return Delivery(words.subject, error, now)


def _wait(stem: str, begun: Delivery, timeout_s: float) -> Delivery:
    descriptor = open_private(f"{stem}.lock", os.O_RDWR)
    try:
        poll_lock(descriptor, timeout_s + SLACK_S, _LOOK_S)
    finally:
        os.close(descriptor)
    failure = read_record(f"{stem}.json").failure
    return begun._replace(error=failure.error if failure else "", look_at=failure.next_at if failure else begun.look_at)
