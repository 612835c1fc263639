"""`plabctl node`: the nodes there are.

Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import click

from plabctl.app import change_nodes as use
from plabctl.app import node_input, queries
from plabctl.app.context import open_app
from plabctl.cli import output
from plabctl.cli.candidates import complete_choice
from plabctl.cli.node_changes import choose_nodes, print_changes
from plabctl.cli.options import (
    Function,
    config_option,
    find_actor,
    if_rev_option,
    listing_options,
    make_command,
    make_group,
    nodes_argument,
    quiet_option,
    read_words,
    yes_option,
)
from plabctl.render import node_table as views

_EXAMPLE = """\
plabctl node add pc1.example.org pc2.example.org --set site=north
plabctl node import nodes.csv
plabctl node list
"""
_ADD = """\
plabctl node add pc1.example.org pc2.example.org --set site=north
plabctl node add root@pc3.example.org --trust --test
plabctl node add lab7 --set ssh_host=10.0.0.7 --set ssh_port=2222
"""
_SET = """\
plabctl node set pc1.example.org ssh_port=2222 --unset rack
plabctl node set @bad ssh_user=plab --yes
"""
_IMPORT = """\
plabctl node import nodes.csv
printf 'pc1.example.org site=north\\n' | plabctl node import -
"""


@make_group("node", example=_EXAMPLE)
def command() -> None:
    """Add, change, remove and list nodes."""


def _replace_option(function: Function) -> Function:
    return click.option("--replace", is_flag=True, help="Replace the variables of nodes that exist already.")(function)


@make_command("add", example=_ADD, parent=command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set a variable of these nodes.")
@_replace_option
@click.option("--trust", is_flag=True, help="Then accept their host keys, after confirmation.")
@click.option("--test", is_flag=True, help="Then test them, and exit by the results.")
@yes_option
@quiet_option
@config_option
def add(
    names: tuple[str, ...],
    *,
    settings: tuple[str, ...],
    replace: bool,
    trust: bool,
    test: bool,
    yes: bool,
    quiet: bool,
    config: str | None,
) -> int:
    """Add nodes; they are tested at once, and must pass before they count as good.

    USER@NAME says which user logs in there. `-` reads names from standard input. The variables ssh_host, ssh_port,
    ssh_user, ssh_key, ssh_jump, recipe and site have a meaning; all others are labels of your own. Ranges such as
    'pc[1-12]' are expanded.
    """
    app = open_app(config)
    found = node_input.parse_names(app, read_words(names), settings)
    order = use.build_order(app, find_actor(), "")
    print_changes(use.add_nodes(app, found, order, replacing=replace), quiet=quiet)
    added = [node.name for node in found]
    if trust:
        from plabctl.cli.trust import trust_nodes

        if code := trust_nodes(app, added, yes=yes, quiet=quiet):
            return code
    if test:
        from plabctl.cli.retest import retest_nodes

        return retest_nodes(app, added, use.build_order(app, find_actor(), ""), quiet=quiet)
    return 0


@make_command("set", example=_SET, parent=command)
@click.argument("words", nargs=-1, required=True, metavar="NODES... KEY=VALUE...", shell_complete=complete_choice)
@click.option("--unset", "unset", metavar="KEY", multiple=True, help="Remove a variable of these nodes.")
@if_rev_option
@yes_option
@quiet_option
@config_option
def set_(
    words: tuple[str, ...],
    *,
    unset: tuple[str, ...],
    if_rev: int | None,
    yes: bool,
    quiet: bool,
    config: str | None,
) -> None:
    """Set variables of nodes; those that are not named stay as they are.

    The first word names nodes; from the second on, words with a `=` in them set variables. A node that is reached in
    another way now is tested at once. What an inventory lists is changed there.
    """
    app = open_app(config)
    nodes, settings = _split_words(words)
    variables = node_input.parse_changes(app, settings, unset)
    order = use.build_order(app, find_actor(), "", if_rev)
    names = choose_nodes(app, nodes, "change", yes=yes, quiet=quiet)
    print_changes(use.set_variables(app, names, variables, unset, order), quiet=quiet)


def _split_words(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words that name nodes, and those that set variables."""
    rest = words[1:]
    settings = tuple(word for word in rest if "=" in word and not word.startswith("!"))
    return read_words((words[0], *(word for word in rest if word not in settings))), settings


@make_command("import", example=_IMPORT, parent=command)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@_replace_option
@quiet_option
@config_option
def import_(file: str, replace: bool, quiet: bool, config: str | None) -> None:
    """Add the nodes of a file, or of standard input with `-`.

    A plain list has one node a line, with `key=value` words after the name and remarks after `#`. CSV has a header with
    a column `name`; its other columns are variables. JSON, hosts files and ssh_config are read as well. One fault in
    the file, and no node is added.
    """
    app = open_app(config)
    found = node_input.read_nodes(app, file)
    order = use.build_order(app, find_actor(), "")
    with output.open_bar(f"adding {len(found)} nodes", len(found)):
        done = use.add_nodes(app, found, order, replacing=replace)
    print_changes(done, quiet=quiet)


@make_command("rm", example="plabctl node rm pc1.example.org", parent=command)
@nodes_argument(required=True)
@click.option("--reason", "-r", metavar="TEXT", default="", help="The reason; it is kept in the history.")
@if_rev_option
@yes_option
@quiet_option
@config_option
def remove(nodes: tuple[str, ...], reason: str, if_rev: int | None, yes: bool, quiet: bool, config: str | None) -> None:
    """Remove nodes. Their history is kept."""
    app = open_app(config)
    order = use.build_order(app, find_actor(), reason, if_rev)
    print_changes(use.remove_nodes(app, choose_nodes(app, nodes, "forget", yes=yes, quiet=quiet), order), quiet=quiet)


@make_command("list", example="plabctl node list -o name", parent=command)
@nodes_argument(required=False)
@listing_options
@config_option
def list_(nodes: tuple[str, ...], form: str | None, header: bool, color: str, config: str | None) -> None:
    """List the nodes with their variables."""
    context = queries.read_context(config)
    names = queries.list_chosen(context, nodes)
    output.show_listing(views.build_listing(context, names), output.choose_form(form, header=header, color=color))
