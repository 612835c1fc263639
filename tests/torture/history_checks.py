"""What the record of many processes must show: commits without a gap, each acknowledged change once, pools by replay.

Pure. Go on with `tests.torture.kills`, which gathers the record.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from plabctl.core.model import Event
from tests.torture.concurrent_runs import Run


def gaps(notes: Sequence[str], killed: set[str], final_rev: int) -> Iterator[str]:
    """Yield where the counts of commits have a gap, go back or are given twice.

    A count may be taken again only after one who died between taking it and committing.
    """
    rev, owner, is_made = 0, "", True
    for line in notes:
        word, who, number = line.split()
        if word == "made" and (who, int(number)) != (owner, rev):
            yield f"{line!r}, while {owner} was at {rev}"
        elif word == "about":
            may_follow = {rev + 1} if is_made else {rev, rev + 1} if owner in killed else set()
            if int(number) not in may_follow:
                yield f"{line!r} after {rev} of {owner}"
            rev, owner = int(number), who
        is_made = word == "made"
    if final_rev not in ({rev} if is_made else {rev, rev - 1} if owner in killed else set()):
        yield f"the state has revision {final_rev}, the last commit was {rev}"


def lost(runs: Sequence[Run], events: Sequence[Event]) -> Iterator[str]:
    """Yield the orders that were acknowledged and did not happen, or not once, and those refused that did happen."""
    by_actor: dict[str, Counter[str]] = defaultdict(Counter)
    for event in events:
        by_actor[event.actor][event.kind] += 1
    for run in runs:
        kinds = by_actor.get(run.who, Counter())
        if run.argv[0] == "tick":
            if kinds:
                yield f"{run.who}, a tick, is the actor of {kinds}"
        elif run.code == 0 and not kinds:
            yield f"{run.who} {run.argv} was acknowledged, and nothing of it is there"
        elif run.code not in {0, -9} and kinds:
            yield f"{run.who} {run.argv} was refused with {run.code}, and {kinds} is there"
        elif any(count > 1 for kind, count in kinds.items() if not kind.startswith("vnode")):
            yield f"{run.who} {run.argv} happened more than once: {kinds}"


def reordered(runs: Sequence[Run], revs: Mapping[str, int]) -> Iterator[str]:
    """Yield orders that were given after another was acknowledged, and were committed before it."""
    done = sorted((run for run in runs if run.code == 0 and run.who in revs), key=lambda run: run.ended_at)
    newest = 0
    waiting = sorted(done, key=lambda run: run.began_at)
    for run in waiting:
        while done and done[0].ended_at < run.began_at:
            newest = max(newest, revs[done.pop(0).who])
        if revs[run.who] <= newest:
            yield f"{run.who} was given after revision {newest} was acknowledged and got {revs[run.who]}"


def strayed(events: Sequence[Event], entry_pool: str, pools: Mapping[str, str]) -> Iterator[str]:
    """Yield where the events, played one after the other, do not fit together or do not end in these pools."""
    played: dict[str, str] = {}
    for event in events:
        node = event.node or ""
        if event.kind == "node-added":
            if node in played:
                yield f"'{node}' was added twice"
            played[node] = entry_pool
        elif event.kind == "node-removed":
            if played.pop(node, None) is None:
                yield f"'{node}' was removed and was not there"
        elif "from" in event.data and "to" in event.data:
            if played.get(node) != event.data["from"]:
                yield f"'{node}' left {event.data['from']}, while it was in {played.get(node)}: {event.id}"
            played[node] = str(event.data["to"])
    for node in played.keys() | pools.keys():
        if played.get(node) != pools.get(node):
            yield f"'{node}': the history ends with {played.get(node)}, the state has it in {pools.get(node)}"
