"""Which nodes an experiment of a count takes: the best ranked, spread over a label when asked.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from plabctl.core.experiments.model import Experiment
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.core.steadiness import rank_nodes


def choose_best(
    state: State,
    settings: Settings,
    experiment: Experiment,
    free: Iterable[str],
    kept: Sequence[str],
    count: int,
    now: float,
) -> list[str]:
    """Return up to `count` of the nodes `free`, the steadiest first; `kept` are the nodes it has already.

    With a label to spread over, each goes to the value that has the fewest so far.
    """
    members = [member for name in free if (member := state.member(name))]
    names = [ranked.node for ranked in rank_nodes(members, settings, now)]
    if not experiment.spread:
        return names[:count]
    value_of = {name: _find_label(state, name, experiment.spread) for name in (*names, *kept)}
    places = Counter(value_of[name] for name in kept)
    queues: dict[str, list[str]] = {}
    for name in reversed(names):
        queues.setdefault(value_of[name], []).append(name)
    order = {name: place for place, name in enumerate(names)}
    chosen: list[str] = []
    while queues and len(chosen) < count:
        value = min(queues, key=lambda each: (places[each], order[queues[each][-1]]))
        chosen.append(queues[value].pop())
        places[value] += 1
        if not queues[value]:
            del queues[value]
    return chosen


def _find_label(state: State, name: str, label: str) -> str:
    node = state.node(name)
    return node.variables.get(label, "") if node else ""
