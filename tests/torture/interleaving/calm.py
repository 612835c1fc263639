"""What is to be so when all has been well for a while. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.torture.interleaving.settings import LONGEST_S

if TYPE_CHECKING:
    from tests.torture.interleaving.episode import Episode

SLACK_S = 120.0
"""Until the next tick comes, and for whoever is tested before."""


def left(episode: Episode) -> list[str]:
    """Return what is not as it should be when all is well."""
    state = episode.disk.state
    found = [f"a claim of {key}" for key in state.claims]
    found += [f"{name} is not there" for name in episode.names if state.member(name) is None]
    found += [f"{each.node} waits for a test" for each in state.members() if each.release_test_since_at is not None]
    found += [f"debris noted on {member.node}" for member in state.members() if member.leftovers]
    up = {(vnode.node, vnode.vnode) for vnode in state.vnodes() if vnode.state == "up"}
    found += [f"{vnode.key} is {vnode.state}" for vnode in state.vnodes() if vnode.state != "up"]
    standing = {(name, vnode) for name, machine in episode.bed.machines.items() for vnode in machine.placement}
    unknown = {(name, vnode) for name, vnode in standing - up if vnode not in episode.oracle.forgotten}
    found += [f"{vnode} stands on {name} unwanted" for name, vnode in sorted(unknown)]
    found += [f"{vnode} is missing on {name}" for name, vnode in sorted(up - standing)]
    found += [f"{len(state.outbox)} events are untold"] if state.outbox else []
    found += [f"the history lacks {id_}" for id_ in episode.oracle.journal if id_ not in episode.delivered]
    found += [f"{name} is in {pool}" for name, pool in episode.oracle.pools.items() if pool != "good"]
    since = episode.scheduler.now - LONGEST_S - SLACK_S
    tested = episode.oracle.last_begun
    found += [
        f"{name} was last tested at {tested.get(name)}" for name in episode.names if tested.get(name, 0.0) < since
    ]
    found += [
        f"the retest of {name} was never done"
        for name, owed_at in episode.owed.items()
        if tested.get(name, 0.0) < owed_at
    ]
    found += [f"{name} is on its way out" for name, each in state.experiments.items() if each.leaving_at]
    return found
