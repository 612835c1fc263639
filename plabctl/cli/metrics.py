"""`plabctl metrics`: what Prometheus and its relatives store, on standard output."""

from __future__ import annotations

import click

from plabctl.app.context import open_app
from plabctl.app.metrics import read_metrics
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command
from plabctl.core.settings_parts import MAX_NODE_SERIES
from plabctl.counts import format_count
from plabctl.render.metrics_text import FORMS, format_metrics

_EXAMPLE = """\
plabctl metrics
plabctl metrics --per-node -o openmetrics
"""


@make_command("metrics", example=_EXAMPLE)
@click.option("--output", "-o", "form", type=click.Choice(FORMS), default=FORMS[0], help="In which format.")
@click.option("--per-node", is_flag=True, help="Also series for each node: whether it is usable, and the cause.")
@click.option(
    "--max-nodes",
    type=click.IntRange(1),
    default=MAX_NODE_SERIES,
    show_default=True,
    help="For how many nodes, the first by name.",
)
@config_option
def command(form: str, per_node: bool, max_nodes: int, config: str | None) -> None:
    """Print the metrics of plabctl: nodes by pool and site, tests, the window, the guard, faults, ages.

    A sink of kind textfile writes the same at the end of every tick, for Prometheus' node exporter. See prometheus.md.
    """
    view = read_metrics(open_app(config), max_nodes if per_node else 0)
    output.write(format_metrics(view.families, form))
    output.flush()
    if view.cut_count:
        nodes = f"{format_count(view.cut_count, 'node')} {'has' if view.cut_count == 1 else 'have'}"
        output.write_note(f"{nodes} no series: --max-nodes is {max_nodes}")
    if not view.has_counters:
        output.write_note("plabctl: without counters: the history cannot be read; see: plabctl doctor")
