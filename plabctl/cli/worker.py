"""`plabctl worker`: make tests for a monitor elsewhere. What it does then: `plabctl.executors.dask.worker`."""

from __future__ import annotations

import click

from plabctl.app import run_worker
from plabctl.app.context import open_app
from plabctl.app.findings import has_failed
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command

_EXAMPLE = """\
plabctl worker tls://dask.example.org:8786 --site north --slots 40
plabctl worker tls://dask.example.org:8786 --site north --check
"""
_MOST_SLOTS = 10_000


@make_command("worker", example=_EXAMPLE)
@click.argument("scheduler")
@click.option("--site", metavar="SITE", required=True, help="Where this machine is: it tests the nodes of that site.")
@click.option(
    "--slots", type=click.IntRange(1, _MOST_SLOTS), default=40, help="How many tests to make at once (default: 40)."
)
@click.option("--check", is_flag=True, help="Only say whether it would work.")
@config_option
def command(scheduler: str, site: str, slots: int, check: bool, config: str | None) -> int:
    """Make tests for the monitors of a Dask cluster until a signal comes, and write to standard error how it goes.

    Nodes are reached by [ssh] of this machine's own configuration, with its own key; the host keys to expect come
    from the monitor. The certificates are those of [executor]. What a signal interrupts is torn down before the next
    test of that node. Set-up and systemd units: docs/dask.md.
    """
    app = open_app(config)
    own = run_worker.find_options(app, scheduler)
    if check:
        findings = list(run_worker.check_worker(app, own))
        output.write(f"{finding}\n" for finding in findings)
        return 1 if has_failed(findings) else 0
    return run_worker.serve(app, own, site, slots, lambda text: output.write_note(f"plabctl worker: {text}"))
