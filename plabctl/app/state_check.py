"""Whether the state can be read, written and trusted: its directory, its disk, its file, its lock, its slots.

I/O. Nothing is changed: the lock is acquired and released, no slot is taken. What the store does when it meets one of
these is in `plabctl.files.private` and `plabctl.store.head`.
"""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from plabctl.app.context import App, check_pools
from plabctl.app.findings import Finding, fail, ok, warn
from plabctl.core.find_problems import judge_disk
from plabctl.core.tick_errors import find_sink_problems
from plabctl.counts import format_count
from plabctl.durations import format_duration
from plabctl.errors import ConfigError, PlabctlError, StoreError, Untrusted
from plabctl.files.trusted import open_trusted, user_name
from plabctl.store.documents import Snapshot
from plabctl.store.lock_report import read_lock_report
from plabctl.store.mounts import HINT, find_file_system
from plabctl.store.store import Store

LOCK_WAIT_S = 2.0
CLOCK_SLACK_S = 2.0
EARLIEST = 1_700_000_000.0
"""An instant before plabctl existed: a clock that shows an earlier one was never set."""
_FILES_FOR_A_PROBE = 4
_FILES_BESIDES = 64
_OUTBOX_IS_LONG = 1000


def check(app: App) -> Iterator[Finding]:
    """Yield what was found out about the state directory and all that lies in it but the history."""
    folder = app.state_dir
    if not folder.is_dir():
        yield _report_missing(folder)
        return
    yield from _check_directory(folder, app.settings.origin.owners)
    yield from _check_disk(folder, is_allowed=app.settings.network_disk)
    yield from _check_state(app)
    yield _check_lock(app)
    yield from _check_slots(app)


def _report_missing(folder: Path) -> Finding:
    if folder.exists():
        return fail("state directory", f"'{folder}' is not a directory", "set `state_dir` to one")
    parent = next(path for path in folder.parents if path.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        return ok("state directory", f"'{folder}' does not exist yet; it is created with the first node")
    return fail(
        "state directory",
        f"'{folder}' does not exist, and '{parent}' may not be written to",
        "make it, or set `state_dir`",
    )


def _check_directory(folder: Path, owners: Collection[int]) -> Iterator[Finding]:
    topic, found = "state directory", folder.stat()
    try:
        os.close(open_trusted(str(folder), os.O_RDONLY | os.O_DIRECTORY, owners=owners).fd)
    except Untrusted as error:
        yield fail(topic, f"'{folder}' is not used: {error}", error.hint or "set `state_dir` to another place")
        return
    except PermissionError:
        pass  # whose it is, is told below
    if found.st_uid != os.geteuid():
        yield fail(
            topic, f"'{folder}' belongs to {user_name(found.st_uid)}", f"run plabctl as {user_name(found.st_uid)}"
        )
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield fail(topic, f"other users may write in '{folder}'", f"run: chmod 700 '{folder}'")
    elif found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield warn(topic, f"other users may look into '{folder}'", f"run: chmod 700 '{folder}'")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield fail(topic, f"'{folder}' cannot be written", "mount it read-write, or check its mode")
    else:
        yield ok(topic, f"'{folder}' is private to this user")


def _check_disk(folder: Path, *, is_allowed: bool) -> Iterator[Finding]:
    there = find_file_system(folder)
    if not there.is_local:
        what = f"'{folder}' is on {there.kind}, where locks may not work"
        if there.is_refused and not is_allowed:
            yield fail("disk", what, HINT)
        else:
            yield warn("disk", what, "move `state_dir` to a local disk")
    found = os.statvfs(folder)
    free = 0 if found.f_files and not found.f_favail else found.f_bavail * found.f_frsize
    if problem := judge_disk(str(folder), free):
        make = fail if problem.is_critical else warn
        yield make("disk", problem.reason, problem.remedy)
    else:
        yield ok("disk", f"{free // 1024**2} MiB free on {there.kind}")


def _check_state(app: App) -> Iterator[Finding]:
    topic = "state"
    if app.clock.now() < EARLIEST:
        yield fail("clock", "it was never set: it shows a time before plabctl existed", "set the clock")
    try:
        snapshot = app.store.snapshot(anew=True)
    except StoreError as error:
        yield fail(topic, str(error), error.hint)
        yield from _check_previous(app, is_needed=True)
        return
    if snapshot.head is None:
        yield ok(topic, "there are no nodes yet")
        return
    head, now = snapshot.head, app.clock.now()  # in this order: the state may have been saved a moment ago
    age = format_duration(max(now - head.saved_at, 0))
    yield ok(topic, f"{format_count(head.node_count, 'node')}, revision {head.rev}, saved {age} ago, checksum correct")
    yield from _report_torn(snapshot, now)
    yield from _check_previous(app, is_needed=False)
    ahead = head.saved_at - now
    if ahead > CLOCK_SLACK_S:
        yield fail(
            "clock", f"it was set back: the state was saved {format_duration(ahead)} from now", "check the clock"
        )
    if len(snapshot.outbox) > _OUTBOX_IS_LONG:
        yield warn("outbox", f"{len(snapshot.outbox)} events wait to be told", "look for errors of the history")
    yield from (warn("sink", each.reason, each.remedy) for each in find_sink_problems(snapshot, now))
    try:
        check_pools(app.settings, snapshot)
    except ConfigError as error:
        yield from (fail("pools", fault, error.hint) for fault in error.faults)
    damaged = sorted(app.state_dir.glob("state.*.damaged-*"))
    if damaged:
        yield warn(
            topic, f"{len(damaged)} damaged files were set aside, such as '{damaged[-1]}'", "delete them when done"
        )


def _report_torn(snapshot: Snapshot, now: float) -> Iterator[Finding]:
    """Yield what is known of commits that were cut off: nobody was told that they were done, and nothing is lost."""
    if snapshot.torn_bytes:
        what = f"{format_count(snapshot.torn_bytes, 'byte')} of a commit that was cut off, or is being written now"
        yield ok("journal", f"it ends with {what}; the next commit drops what was cut off")
    if snapshot.dropped:
        at, size = snapshot.dropped
        age = format_duration(max(now - at, 0))
        yield ok("journal", f"{format_count(size, 'byte')} of a commit that was cut off were dropped {age} ago")


def _check_previous(app: App, *, is_needed: bool) -> Iterator[Finding]:
    topic = "previous state"
    try:
        head = app.store.previous()
    except StoreError as error:
        yield warn(topic, str(error), "the next commit makes a new one" if not is_needed else "restore a backup")
        return
    if head is not None:
        yield ok(topic, f"{format_count(head.node_count, 'node')}, revision {head.rev}")
    elif is_needed:
        yield warn(topic, "there is none", "restore a backup, or move the damaged file away to start over")


def _check_lock(app: App) -> Finding:
    try:
        owners = app.settings.origin.owners
        store = Store(app.state_dir, app.clock, lock_timeout_s=LOCK_WAIT_S, network_disk=True, owners=owners)
        with store.session():
            pass
    except StoreError as error:
        return warn("lock", f"not tried: {error}", "")
    except PlabctlError as error:
        return fail("lock", str(error), error.hint)
    return ok("lock", "acquired and released")


def _check_slots(app: App) -> Iterator[Finding]:
    window = app.settings.window
    wanted = window * _FILES_FOR_A_PROBE + _FILES_BESIDES
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit not in {resource.RLIM_INFINITY, -1} and limit < wanted:
        yield warn("window", f"{window} probes need {wanted} open files, {limit} are allowed", f"ulimit -n {wanted}")
    try:
        used = len(read_lock_report(app.state_dir, app.clock.uptime()).held_slots)
    except StoreError as error:
        yield fail("slots", str(error), error.hint)
        return
    yield ok("slots", f"{used} of {window} in use")
