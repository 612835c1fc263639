"""`plabctl cron`: let cron run `plabctl tick`, see whether it does, and take it out again."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

import click

from plabctl.app import cron_check, crontab
from plabctl.app.context import open_app
from plabctl.app.crontab import build_job
from plabctl.app.findings import has_failed
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command, make_group, quiet_option
from plabctl.errors import UsageFault

if TYPE_CHECKING:
    from plabctl.app.cron_line import CronJob

_EXAMPLE = """\
plabctl cron install
plabctl cron check
plabctl cron remove
"""


@make_group("cron", example=_EXAMPLE)
def command() -> None:
    """Let cron run `plabctl tick` every minute."""


@make_command("print", example="plabctl cron print --cron-d --user plab >/etc/cron.d/plabctl", parent=command)
@click.option("--cron-d", is_flag=True, help="Print a file for /etc/cron.d instead of a crontab line.")
@click.option("--user", metavar="NAME", help="With --cron-d: the user who runs it (default: you).")
@config_option
def print_(cron_d: bool, user: str | None, config: str | None) -> None:
    """Print the line and change nothing."""
    job = _build_job(config)
    if not cron_d:
        output.write_line(job.line)
        return
    output.write([job.file(user or _find_user())])


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # which of them depends on the version of Python
        raise UsageFault("this account has no name", hint="name the user of the ticks with --user") from None


@make_command("install", example="plabctl cron install", parent=command)
@quiet_option
@config_option
def install(quiet: bool, config: str | None) -> None:
    """Add the line to your crontab, or update it.

    Everything else in the crontab stays as it is. Installing it again changes nothing.
    """
    job = _build_job(config)
    changed = crontab.install(job)
    for line in crontab.list_other_lines(job):
        output.write_note(f"plabctl: there is another line that runs ticks, which stays: {line}")
    if not quiet:
        output.write_line(f"{'installed in' if changed else 'already in'} your crontab: {job.line}")
        output.write_note("undo: plabctl cron remove")


@make_command("remove", example="plabctl cron remove", parent=command)
@quiet_option
@config_option
def remove(quiet: bool, config: str | None) -> None:
    """Remove that line, and nothing else, from your crontab."""
    job = _build_job(config)
    removed = crontab.remove(job)
    if not quiet:
        output.write_line(f"{'removed from' if removed else 'was not in'} your crontab: {job.line}")


@make_command("check", example="plabctl cron check", parent=command)
@config_option
def check(config: str | None) -> int:
    """Check that ticks run: the crontab line, the cron daemon, the last tick; exit with 1 if they do not."""
    app = open_app(config)
    job = crontab.build_job(app.settings, os.environ)
    findings = cron_check.check(job, app.store.last_beat(), app.clock.now())
    output.write(f"{finding}\n" for finding in findings)
    return 1 if has_failed(findings) else 0


def _build_job(config: str | None) -> CronJob:
    return build_job(open_app(config).settings, os.environ)
