"""Whether ticks come: is there a line that runs them, would cron accept it, does cron run, when was the last one.

I/O, reads only. Debian's cron skips a file of /etc/cron.d without a word when its name has a dot, when others may write
in it, when it is not root's, or when its last line has no end; each is looked for here. See cron(8).
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plabctl.app import crontab
from plabctl.app.cron_line import (
    CronJob,
    find_config,
    has_unescaped_percent,
    is_tick_line,
    parse_command,
    split_command,
)
from plabctl.app.findings import Finding, fail, ok, warn
from plabctl.core.find_problems import TICKS_COME_S, describe_late_tick
from plabctl.durations import format_duration
from plabctl.errors import PlabctlError

DAEMONS = frozenset({"cron", "crond", "fcron", "bcron-sched", "busybox-crond"})
_GOOD_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_TIMER = re.compile(r"plabctl\S*\.timer")
_ROOT = 0


@dataclass(frozen=True, slots=True)
class SystemPaths:
    """Where a system keeps what is looked at here."""

    cron_d: Path = Path("/etc/cron.d")
    crontab: Path = Path("/etc/crontab")
    proc: Path = Path("/proc")
    timers: tuple[Path, ...] = (Path("/etc/systemd/system/timers.target.wants"),)


def check(job: CronJob, last_tick_at: float | None, now: float, places: SystemPaths | None = None) -> list[Finding]:
    """Return what was found out about the ticks of this installation; `last_tick_at` is when the last one ran."""
    places = places or SystemPaths()
    own = _read_own_crontab()
    findings = [*_check_own_lines(job, own), *_check_system_files(places)]
    timer = next(
        (path for folder in places.timers for path in _list_folder(folder) if _TIMER.fullmatch(path.name)), None
    )
    if timer:
        findings.append(ok("timer", f"{timer.name} is enabled"))
    findings += _check_duplicates(job, own, places, timer)
    if not findings:
        findings.append(fail("cron", "no line runs `plabctl tick`", "run: plabctl cron install"))
    if not timer:
        findings.append(_check_daemon(places.proc))
    # Several lines may have the same fault.
    return [*dict.fromkeys(findings), _check_last_tick(last_tick_at, now)]


def _read_own_crontab() -> list[str] | PlabctlError:
    """Return the lines of the user's crontab that run ticks, or why it cannot be read."""
    try:
        lines = crontab.read().decode(errors="replace").splitlines()
    except PlabctlError as error:
        return error
    return [line for line in lines if is_tick_line(line)]


def _check_own_lines(job: CronJob, own: list[str] | PlabctlError) -> Iterator[Finding]:
    if isinstance(own, PlabctlError):
        yield warn("crontab", str(own), own.hint)
        return
    for line in own:
        yield from _check_line("your crontab", line, has_user=False)
    named = {find_config(line, has_user=False) for line in own} - {None}
    if named and job.config not in named:
        yield warn("crontab", f"no line names '{job.config}'", "run: plabctl cron install")


def _check_duplicates(
    job: CronJob, own: list[str] | PlabctlError, places: SystemPaths, timer: Path | None
) -> Iterator[Finding]:
    """Find that several schedulers run the ticks of this installation, which does no harm and no good."""
    lines = [("your crontab", find_config(line, has_user=False)) for line in own] if isinstance(own, list) else []
    for path in [places.crontab, *_list_folder(places.cron_d)]:
        text = _read_text(path)
        lines += [(str(path), find_config(line, has_user=True)) for line in text.splitlines() if is_tick_line(line)]
    ways = [where for where, config in lines if config in {None, job.config}]
    ways += [timer.name] if timer else []
    if len(ways) > 1:
        said = f"ticks come {len(ways)} times as often as they need to: {', '.join(ways)}"
        yield warn("cron", said, "one line is enough; it does no harm")


def _check_system_files(places: SystemPaths) -> Iterator[Finding]:
    for path in [places.crontab, *_list_folder(places.cron_d)]:
        text = _read_text(path)
        lines = [line for line in text.splitlines() if is_tick_line(line)]
        if not lines:
            continue
        if path != places.crontab:
            yield from _check_file(path)
        if not text.endswith("\n"):
            yield fail(
                str(path), "its last line has no newline, so cron ignores it", f"run: echo >>{shlex.quote(str(path))}"
            )
        for line in lines:
            yield from _check_line(str(path), line, has_user=True)


def _check_file(path: Path) -> Iterator[Finding]:
    if not _GOOD_NAME.fullmatch(path.name):
        yield fail(
            str(path), "cron skips a file whose name has more than letters, digits, - and _", "rename it to plabctl"
        )
    found = path.stat()
    if found.st_uid != _ROOT:
        yield fail(
            str(path), "it does not belong to root, so cron skips it", f"run: chown root {shlex.quote(str(path))}"
        )
    if found.st_mode & _OTHERS_MAY_WRITE:
        yield fail(str(path), "others may write to it, so cron skips it", f"run: chmod 644 {shlex.quote(str(path))}")


def _check_line(where: str, line: str, *, has_user: bool) -> Iterator[Finding]:
    """Find what would keep cron from running this line as it was meant."""
    command = parse_command(line, has_user=has_user)
    faults = list(_check_command(where, line, command, has_user=has_user))
    yield from faults or [ok(where, f"`{command.partition(' #')[0].strip()}`")]


def _check_command(where: str, line: str, command: str, *, has_user: bool) -> Iterator[Finding]:
    if not command:
        fields = "five fields of time, a user and a command" if has_user else "five fields of time and a command"
        yield fail(where, f"the line has too few fields: {line!r}", f"it needs {fields}")
        return
    if has_unescaped_percent(command):
        yield fail(where, "an unescaped % ends the command there", "write it as \\%")
    if has_user:
        yield from _check_user(where, line)
    program = _find_program(command)
    if not program.startswith("/"):
        yield warn(where, f"'{program}' is not an absolute path, and cron's PATH is short", "write the absolute path")
    elif not os.access(program, os.X_OK):
        yield fail(where, f"'{program}' does not exist, or is not executable", "run: plabctl cron install")
    if "/dev/null" in command:
        yield warn(
            where,
            "its output is discarded, errors too",
            "remove the redirection: a tick prints nothing when all is well",
        )


def _check_user(where: str, line: str) -> Iterator[Finding]:
    fields = line.split()
    user = fields[1] if line.startswith("@") else fields[5]
    try:
        pwd.getpwnam(user)
    except KeyError:
        yield fail(where, f"there is no user '{user}'", "a line in /etc/cron.d names its user before the command")


def _find_program(command: str) -> str:
    return next((word for word in split_command(command) if not _ASSIGNMENT.match(word)), "")


def _check_daemon(proc: Path) -> Finding:
    running = {_read_text(path / "comm").strip() for path in _list_folder(proc) if path.name.isdigit()} & DAEMONS
    if running:
        return ok("cron", f"{min(running)} is running")
    return fail("cron", "no cron daemon is running", "start it, such as: service cron start")


def _check_last_tick(at: float | None, now: float) -> Finding:
    if at is None:
        return warn("ticks", *describe_late_tick(at, now))
    age = now - at
    if age > TICKS_COME_S:
        return fail("ticks", *describe_late_tick(at, now))
    return ok("ticks", f"the last one was {format_duration(max(age, 0))} ago")


def _list_folder(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _read_text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
