"""The guard of a vantage: too many nodes are reached from elsewhere only, so the fault is near that vantage.

Pure. While it is on, nodes are tested from elsewhere (`plabctl.core.vantage`), and what fails from there moves nobody.
It goes on by what was seen lately, and off when as many ways are back as are lost. `plabctl.core.guard.evaluate` asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from plabctl.core.guard.model import Guard, build_vantage_scope
from plabctl.core.model import Member, Outcome
from plabctl.core.notes import NoteChanges
from plabctl.core.settings import GuardSettings, Settings
from plabctl.core.state import State
from plabctl.core.vantage import VANTAGES_NOTE, Tally
from plabctl.counts import format_count
from plabctl.durations import format_duration

SEVERAL = 2
"""So many lost ways at least: one alone is the way to that node."""


def find_lost_vantages(state: State, settings: Settings, before: Guard, now: float) -> dict[str, str]:
    """Return the scopes of the vantages that are guarded now, with the reason of each."""
    tallies = VANTAGES_NOTE.read(state.notes)
    wanted = {vantage for vantage, tally in tallies.items() if tally.lost >= SEVERAL}
    if not wanted:
        return {}
    found, fresh = dict[str, str](), set[str]()
    for vantage in sorted(wanted):
        scope = build_vantage_scope(vantage)
        if scope not in before.scopes:
            fresh.add(vantage)
        elif tallies[vantage].back < tallies[vantage].lost:
            found[scope] = before.scopes[scope].why
    seen = _count_seen(state, settings, fresh, now) if fresh else {}
    for vantage, places in seen.items():
        if why := _describe_loss(places, settings.guard):
            found[build_vantage_scope(vantage)] = why
    return found


def forget_returns(state: State, before: Guard, scopes: Mapping[str, object]) -> NoteChanges:
    """Return the change by which ways that are back count anew for the guards of vantages that come on."""
    tallies = VANTAGES_NOTE.read(state.notes)
    new = scopes.keys() - before.scopes.keys()
    after = {name: Tally(each.lost) if build_vantage_scope(name) in new else each for name, each in tallies.items()}
    return {} if after == tallies else VANTAGES_NOTE.write(after)


Places = Counter[tuple[str, bool]]
"""How many nodes of each site (empty: none) are lost, or reached."""


def _count_seen(state: State, settings: Settings, vantages: set[str], now: float) -> dict[str, Places]:
    """Return what was lately seen of good nodes from these vantages."""
    since_at = now - settings.guard.within_s
    seen: dict[str, Places] = {}
    for node, member in state.recent(since_at):
        own = settings.pools.get(member.pool)
        if own is None or not (own.is_good or member.is_suspect):
            continue
        site = node.variables.get(settings.guard.site_label, "")
        for vantage, is_lost in _list_sights(member, since_at):
            if vantage in vantages:
                seen.setdefault(vantage, Counter())[site, is_lost] += 1
    return seen


def _list_sights(member: Member, since_at: float) -> Iterator[tuple[str, bool]]:
    """Yield from where the node was looked at lately, and whether it was not reached."""
    lost = {way.vantage for way in member.lost_ways if way.is_told and way.seen_at >= since_at}
    yield from ((vantage, True) for vantage in lost)
    is_lost = any(way.vantage == member.vantage for way in member.lost_ways)
    if member.last is not None and member.last.outcome is Outcome.PASS and not is_lost:
        yield member.vantage, False


def _describe_loss(places: Places, guard: GuardSettings) -> str:
    """Return in words that too many nodes are not reached, of all or of a site; nothing if that is not so."""
    lost = sum(count for (_, is_lost), count in places.items() if is_lost)
    count = sum(places.values())
    within = format_duration(guard.within_s)
    if lost >= SEVERAL and count >= guard.min_tested and lost > guard.max_ratio * count:
        return f"{lost} of {count} good nodes looked at from there within {within} are reached from elsewhere only"
    gone = sorted(_list_gone_sites(places))
    if not gone:
        return ""
    sites, nodes = _join(gone), sum(places[site, True] for site in gone)
    return f"all {format_count(nodes, 'node')} of {sites} looked at from there are reached from elsewhere only"


def _list_gone_sites(places: Places) -> Iterator[str]:
    """Yield the sites of which several nodes are lost, and none is reached."""
    for (site, is_lost), count in places.items():
        if site and is_lost and count >= SEVERAL and not places[site, False]:
            yield site


def _join(sites: Sequence[str]) -> str:
    return f"site {sites[0]}" if len(sites) == 1 else f"sites {', '.join(sites)}"
