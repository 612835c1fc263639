"""`plabctl export`: the nodes for other tools, each in its own form."""

from __future__ import annotations

from collections.abc import Iterable

import click

from plabctl.app import export_nodes
from plabctl.app.export_nodes import Collected, Wanted, Way
from plabctl.app.queries import read_context
from plabctl.cli import output
from plabctl.cli.options import Function, config_option, make_command, make_group, nodes_argument, source_option
from plabctl.errors import UsageFault

_EXAMPLE = """\
plabctl export ansible --wrapper plab-nodes
plabctl export ssh-config > plab.conf
plabctl export nodeset --group usable
plabctl export csv > nodes.csv
"""
_ANSIBLE = """\
plabctl export ansible
plabctl export ansible --host pc1.example.org
plabctl export ansible @usable --by rack --wrapper plab-nodes
"""
_SSH_CONFIG = """\
plabctl export ssh-config > plab.conf
plabctl export ssh-config --as-self 'pc*'
"""
_NODESET = """\
plabctl export nodeset > plab.yaml
plabctl export nodeset --group usable
plabctl export nodeset --groups-of pc1.example.org
plabctl export nodeset --source > plab.conf
plabctl export nodeset --from status.json --group usable
"""
_CSV = """\
plabctl export csv > nodes.csv
plabctl export csv @usable '!pc2*'
"""


def by_option(function: Function) -> Function:
    """Add `--by`."""
    return click.option(
        "--by", "labels", metavar="LABEL", multiple=True, help="A group for each value of LABEL, too; may be repeated."
    )(function)


def self_option(function: Function) -> Function:
    """Add `--as-self`."""
    return click.option(
        "--as-self",
        is_flag=True,
        help="Leave out user, keys and known hosts, for people who log in as themselves.",
    )(function)


def sources_option(function: Function) -> Function:
    """Add `--from`, and what goes with it."""
    option = click.option(
        "--ignore-failed-read",
        "is_lenient",
        is_flag=True,
        help="With --from: exit with 0 although a source cannot be read, for programs that would take nothing then.",
    )
    return source_option(option(function))


@make_group("export", example=_EXAMPLE)
def command() -> None:
    """Give the nodes to other tools, each in its own form.

    Nothing is changed and no tick waits. Without NODES these are all nodes but absent ones; a node that NODES name is
    there whatever its state.

    With --from, they are the nodes of other monitors, each of them once. A source that is old or cannot be read hides
    no other and is told on standard error; when one cannot be read, the exit code is 1, and 74 when none can.
    """


@make_command("ansible", example=_ANSIBLE, parent=command)
@nodes_argument(required=False)
@click.option("--list", "is_list", is_flag=True, help="Print the inventory, as without it; Ansible calls it so.")
@click.option("--host", metavar="NAME", help="Print the variables of this node.")
@click.option(
    "--wrapper", metavar="PATH", help="Write a program for `ansible -i`, which calls this with these NODES and options."
)
@by_option
@self_option
@sources_option
@config_option
def ansible(
    nodes: tuple[str, ...],
    *,
    is_list: bool,
    host: str | None,
    wrapper: str | None,
    labels: tuple[str, ...],
    as_self: bool,
    sources: tuple[str, ...],
    is_lenient: bool,
    config: str | None,
) -> int:
    """Print an inventory for Ansible.

    Groups are plab (all), plab_usable, plab_unusable, plab_held, plab_suspect, plab_stuck, plab_busy, plab_absent,
    plab_pool_POOL, plab_site_SITE and plab_label_LABEL_VALUE, with _ in place of what Ansible takes in no name. Each
    node has the address, port, user, key and jump hosts by which plabctl reaches it, and plab_pool, plab_usable,
    plab_why_not, plab_site and plab_labels; with several monitors also plab_monitor, and is in plab_monitor_MONITOR.
    """
    if wrapper is not None:
        if is_list or host is not None:
            raise UsageFault("--wrapper writes a program; --list and --host are what Ansible calls it with")
        if not (wrapper.strip() and wrapper.isprintable()):
            raise UsageFault(f"--wrapper names no file: {wrapper!r}")
        arguments = ["ansible", *_repeat_labels(labels), *(["--as-self"] if as_self else []), *nodes]
        export_nodes.write_wrapper(wrapper, config, arguments, sources)
        return 0
    from plabctl.render import ansible_inventory

    found = _collect(config, sources, Wanted(nodes, Way.WHERE_KNOWN, as_self))
    if host is not None:
        picked = export_nodes.pick_host(found.export, host)
        return _write(ansible_inventory.format_host(picked), found, is_lenient=is_lenient)
    text, remarks = ansible_inventory.format_list(found.export, found.pools, labels)
    return _write(text, found, remarks, is_lenient=is_lenient)


@make_command("ssh-config", example=_SSH_CONFIG, parent=command)
@nodes_argument(required=False)
@self_option
@sources_option
@config_option
def ssh_config(
    nodes: tuple[str, ...], *, as_self: bool, sources: tuple[str, ...], is_lenient: bool, config: str | None
) -> int:
    """Print a block for each node, for Include in an ssh_config.

    It has the address, port, user, key, known hosts and jump hosts by which plabctl reaches the node, so that `ssh
    NODE` logs in as a test does. Usable or not, held or busy: a node is there.

    With --from, sources are configurations on this machine: how nodes are reached is in no page and no status file.
    """
    from plabctl.render.ssh_config_text import format_ssh_config

    found = _collect(config, sources, Wanted(nodes, Way.ALWAYS, as_self))
    return _write("".join(format_ssh_config(found.export)), found, is_lenient=is_lenient)


@make_command("nodeset", example=_NODESET, parent=command)
@nodes_argument(required=False)
@click.option("--group", metavar="GROUP", help="Print the nodes of this group.")
@click.option("--list", "is_list", is_flag=True, help="Print the names of the groups.")
@click.option("--all", "is_all", is_flag=True, help="Print all nodes.")
@click.option("--groups-of", "node", metavar="NODE", help="Print the groups of this node.")
@click.option("--source", "is_section", is_flag=True, help="Print a section for groups.conf.d, which calls this.")
@by_option
@sources_option
@config_option
def nodeset(
    nodes: tuple[str, ...],
    *,
    group: str | None,
    is_list: bool,
    is_all: bool,
    node: str | None,
    is_section: bool,
    labels: tuple[str, ...],
    sources: tuple[str, ...],
    is_lenient: bool,
    config: str | None,
) -> int:
    """Print the nodes as groups for ClusterShell, so that `clush -g usable` and `@plab:bad` are known.

    Groups are all, usable, unusable, held, suspect, stuck, busy, absent, each pool by its name, site=SITE,
    LABEL=VALUE, and monitor=MONITOR where there are several. What is printed is a file for groups.d of ClusterShell,
    true when it was written; with --source it is a section for groups.conf.d, by which ClusterShell asks plabctl each
    time.
    """
    from plabctl.render import nodeset_groups

    if sum((group is not None, is_list, is_all, node is not None, is_section)) > 1:
        raise UsageFault("--group, --list, --all, --groups-of and --source are different questions", hint="give one")
    if is_section:
        arguments = ["nodeset", *_repeat_labels(labels), *nodes]
        output.write([nodeset_groups.format_section(export_nodes.build_call(config, arguments, sources))])
        return 0
    found = _collect(config, sources, Wanted(nodes))
    groups = nodeset_groups.build_groups(found.export, found.pools, labels)
    remarks: Iterable[str] = ()
    if is_all or group is not None:
        text = nodeset_groups.format_group(groups, nodeset_groups.ALL if group is None else group)
    elif node is not None:
        text = "".join(f"{name}\n" for name in nodeset_groups.list_groups_of(groups, node))
    else:
        remarks = groups.remarks
        text = "".join(f"{name}\n" for name in groups.nodes) if is_list else nodeset_groups.format_file(groups)
    return _write(text, found, remarks, is_lenient=is_lenient)


@make_command("csv", example=_CSV, parent=command)
@nodes_argument(required=False)
@sources_option
@config_option
def csv(nodes: tuple[str, ...], *, sources: tuple[str, ...], is_lenient: bool, config: str | None) -> int:
    """Print names and variables as CSV, as an [[inventory]] of kind file and `plabctl node import` read them.

    How the nodes are, and what a test said, is in `plabctl status -o csv`.
    """
    from plabctl.render.node_csv import format_csv

    found = _collect(config, sources, Wanted(nodes, Way.VARIABLES))
    lines, remarks = format_csv(found.export)
    return _write("".join(lines), found, remarks, is_lenient=is_lenient)


def _repeat_labels(labels: Iterable[str]) -> list[str]:
    return [part for label in labels for part in ("--by", label)]


def _collect(config: str | None, sources: tuple[str, ...], wanted: Wanted) -> Collected:
    if sources:
        from plabctl.app.several_export import collect_from

        return collect_from(sources, wanted)
    return export_nodes.collect(read_context(config), wanted)


def _write(text: str, found: Collected, remarks: Iterable[str] = (), *, is_lenient: bool) -> int:
    """Write the text, then what is wrong with its sources and other remarks; return the exit code."""
    output.write([text])
    for remark in (*found.notes, *found.export.remarks, *remarks):
        output.write_note(f"plabctl: {remark}")
    return int(found.is_partial and not is_lenient)
