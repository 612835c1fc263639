"""`plabctl cron`: let cron run `plabctl tick`, see whether it does, and take it out again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from plabctl.cli import output
from plabctl.cli.options import config_option, noun, quiet_option, verb

if TYPE_CHECKING:
    from plabctl.app.cronline import Job

_EXAMPLE = """\
plabctl cron install
plabctl cron check
plabctl cron remove
"""


@noun("cron", example=_EXAMPLE)
def command() -> None:
    """Let cron run `plabctl tick` every minute."""


@verb("print", example="plabctl cron print --cron-d --user plab >/etc/cron.d/plabctl", parent=command)
@click.option("--cron-d", is_flag=True, help="A whole file for /etc/cron.d, in place of a line for a crontab.")
@click.option("--user", metavar="NAME", help="The user that the file lets run it; you, if not given.")
@config_option
def print_(cron_d: bool, user: str | None, config: str | None) -> None:
    """Print the line and change nothing."""
    job = _job(config)
    if not cron_d:
        output.say(job.line)
        return
    import getpass  # noqa: PLC0415 - only for the file

    output.write([job.file(user or getpass.getuser())])


@verb("install", example="plabctl cron install", parent=command)
@quiet_option
@config_option
def install(quiet: bool, config: str | None) -> None:
    """Put the line into your crontab, or bring the one there up to date.

    Everything else in the crontab stays as it is. Doing it twice is doing it once.
    """
    from plabctl.app import crontab  # noqa: PLC0415 - what --help can spare

    job = _job(config)
    changed = crontab.install(job)
    for line in crontab.others(job):
        output.note(f"plabctl: there is another line that runs ticks, which stays: {line}")
    if not quiet:
        output.say(f"{'installed in' if changed else 'already in'} your crontab: {job.line}")
        output.note("undo: plabctl cron remove")


@verb("remove", example="plabctl cron remove", parent=command)
@quiet_option
@config_option
def remove(quiet: bool, config: str | None) -> None:
    """Take exactly that line out of your crontab again."""
    from plabctl.app import crontab  # noqa: PLC0415 - what --help can spare

    job = _job(config)
    removed = crontab.remove(job)
    if not quiet:
        output.say(f"{'removed from' if removed else 'was not in'} your crontab: {job.line}")


@verb("check", example="plabctl cron check", parent=command)
@config_option
def check(config: str | None) -> int:
    """Say whether ticks come: the line, the cron daemon, the last tick; exit with 1 if they do not."""
    from plabctl.app import croncheck, crontab  # noqa: PLC0415 - what --help can spare
    from plabctl.app.context import open_app  # noqa: PLC0415 - as above
    from plabctl.app.findings import has_failed  # noqa: PLC0415 - as above

    app = open_app(config)
    job = crontab.job_for(app.settings, os.environ)
    findings = croncheck.check(job, app.store.last_beat(), app.clock.now())
    output.write(f"{finding}\n" for finding in findings)
    return 1 if has_failed(findings) else 0


def _job(config: str | None) -> Job:
    from plabctl.app.context import open_app  # noqa: PLC0415 - what --help can spare
    from plabctl.app.crontab import job_for  # noqa: PLC0415 - as above

    return job_for(open_app(config).settings, os.environ)
