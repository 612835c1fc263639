"""`plabctl doctor`: find what is wrong with the installation, and go back to the last good state."""

from __future__ import annotations

import click

from plabctl.app.context import open_app
from plabctl.app.diagnose import diagnose, list_written_paths
from plabctl.app.diagnose import restore as restore_state
from plabctl.app.findings import has_failed
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command
from plabctl.counts import format_count
from plabctl.render.times import format_local

_EXAMPLE = """\
plabctl doctor
plabctl doctor --restore
plabctl doctor --paths
"""


@make_command("doctor", example=_EXAMPLE)
@click.option("--restore", is_flag=True, help="Replace a damaged state with the latest whole one.")
@click.option("--paths", is_flag=True, help="List every file that plabctl writes.")
@config_option
def command(restore: bool, paths: bool, config: str | None) -> int:
    """Check the configuration, the state, the keys and cron, and say what to do; exit with 1 on any FAIL.

    Nothing is changed, unless --restore is given; it keeps the damaged file under another name.
    """
    if restore and paths:
        raise click.UsageError("--restore and --paths exclude each other")
    if restore:
        return _restore(config)
    if paths:
        return _paths(config)
    findings = []
    for finding in diagnose(config):
        findings.append(finding)
        output.write_line(str(finding))
    return 1 if has_failed(findings) else 0


def _restore(config: str | None) -> int:
    done = restore_state(open_app(config))
    saved = format_local(done.saved_at)
    output.write_line(
        f"restored the state of {saved}: {format_count(done.node_count, 'node')}, now revision {done.rev}"
    )
    output.write_line(f"the damaged file is kept: {done.kept}" if done.kept else "there was no damaged file to keep")
    output.write_note("what was changed after that is lost; the history still has it: plabctl history")
    return 0


def _paths(config: str | None) -> int:
    output.write(f"{path}\t{purpose}\n" for path, purpose in list_written_paths(open_app(config)))
    return 0
