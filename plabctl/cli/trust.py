"""`plabctl trust`: accept the host keys of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from plabctl.app import change_nodes, host_key_offers
from plabctl.app.context import open_app
from plabctl.cli import output
from plabctl.cli.options import (
    config_option,
    confirm,
    find_actor,
    make_command,
    nodes_argument,
    quiet_option,
    yes_option,
)
from plabctl.errors import CommitUncertain, StoreBusy, StoreError, Untrusted
from plabctl.render.change_report import count_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plabctl.app.context import App
    from plabctl.app.host_key_offers import KeyOffer
    from plabctl.views.changes import ChangeResult

_EXAMPLE = """\
plabctl trust pc1.example.org
plabctl trust '*' --yes
plabctl trust pc1.example.org --changed
"""
_WHY = "somebody must compare the fingerprints"


@make_command("trust", example=_EXAMPLE)
@nodes_argument(required=True)
@click.option("--changed", is_flag=True, help="Also accept changed keys, as after a reinstallation.")
@yes_option
@quiet_option
@config_option
def command(nodes: tuple[str, ...], changed: bool, yes: bool, quiet: bool, config: str | None) -> int:
    """Fetch the host keys of nodes, show them, and accept them after confirmation.

    The keys of jump hosts on the way that are not known yet come first; nothing goes through them before.

    Compare the fingerprints with those that the nodes' administrator gives you (ssh-keygen -lf on the node): every
    later connection is checked against the keys accepted now. A changed key is accepted only with --changed. Then the
    nodes are tested at once.
    """
    app = open_app(config)
    return trust_nodes(app, change_nodes.choose_nodes(app, nodes).names, changed=changed, yes=yes, quiet=quiet)


def trust_nodes(app: App, names: Sequence[str], *, changed: bool = False, yes: bool, quiet: bool) -> int:
    """Fetch, show and accept the host keys of these nodes; return 1 if one could not be had or is not accepted."""
    refused, is_way_new, refusal = 0, False, "nothing was changed"
    for hop in host_key_offers.find_jump_hosts(app, names, known_too=changed):
        offer = host_key_offers.fetch_jump_host_offer(app, hop)
        wanted, count = _show([offer], changed=changed, quiet=quiet or offer.authority is not None)
        refused += count
        if wanted:
            confirm(f"accept the keys of {wanted[0].node}?", yes=yes, why=_WHY)
            host_key_offers.accept_keys(app, wanted)
            refusal, is_way_new = "no key of a node was accepted; those of jump hosts were", True
            if not quiet:
                output.write_note(f"accepted: {wanted[0].node}")
    offers = host_key_offers.fetch_offers(app, app.store.snapshot(), names)
    wanted, count = _show(offers, changed=changed, quiet=quiet)
    accepted = [offer.node for offer in wanted]
    if wanted:
        confirm(f"accept the keys of {count_nodes(accepted)}?", yes=yes, why=_WHY, refusal=refusal)
        host_key_offers.accept_keys(app, wanted)
    if wanted or is_way_new:
        done = _retest(app, names if is_way_new else accepted)
        if accepted and not quiet:
            output.write_note(f"accepted: {accepted[0] if len(accepted) == 1 else count_nodes(accepted)}; due now")
        if done.warning:
            output.write_note(f"plabctl: {done.warning}")
    return int(refused + count > 0)


def _retest(app: App, names: Sequence[str]) -> ChangeResult:
    """Make the nodes due whose keys were accepted, and say that they were accepted if that fails."""
    order = change_nodes.build_order(app, find_actor(), "host key accepted")
    try:
        return change_nodes.retest_accepted(app, names, order)
    except CommitUncertain:
        raise
    except (StoreError, StoreBusy, Untrusted) as error:
        which = names[0] if len(names) == 1 else count_nodes(names)
        raise type(error)(
            f"the keys were accepted, but {which} cannot be made due now: {error}",
            hint="mend that, then: plabctl retest NODE...",
        ) from error


def _show(offers: Iterable[KeyOffer], *, changed: bool, quiet: bool) -> tuple[list[KeyOffer], int]:
    """Show what is offered; return the offers to accept, and how many cannot be."""
    wanted, refused = [], 0
    for offer in offers:
        if not offer.shown:
            output.write_note(f"plabctl: {offer.node}: {offer.fault}")
        elif not quiet or offer.is_changed:
            output.write(f"{line}\n" for line in _format_offer(offer))
        if not offer.shown or (offer.is_changed and not changed):
            refused += 1
        elif not offer.is_known:
            wanted.append(offer)
    output.flush()
    return wanted, refused


def _format_offer(offer: KeyOffer) -> list[str]:
    if offer.authority:
        (key,) = offer.shown
        by = f"certified by {offer.authority.kind} {offer.authority.fingerprint}"
        return [f"{offer.node}: {key.kind} {key.fingerprint} ({by}): nothing needs to be trusted"]
    lines = [f"{offer.node}: its host certificate {offer.remark}"] if offer.remark else []
    for key in offer.shown:
        before = [known.fingerprint for known in offer.known if known.kind == key.kind]
        word = "known" if key in offer.known else f"CHANGED, was {before[0]}" if before else "new"
        lines.append(f"{offer.node}: {key.kind} {key.fingerprint} ({word})")
    if offer.unseen:
        lines.append(f"{offer.node}: its {' and '.join(offer.unseen)} key could not be fetched: {offer.fault}")
    gone = {known.kind for known in offer.known} - {key.kind for key in offer.shown} - {*offer.unseen}
    lines.extend(f"{offer.node}: {kind} is no longer offered" for kind in sorted(gone))
    if offer.is_changed and not offer.is_jump_host:
        lines.append(f"{offer.node}: if it was reinstalled, accept this with: plabctl trust {offer.node} --changed")
    return lines
