"""An executor that tests from two places, as threads of this process: for tests, through the door of the kinds.

I/O. From a place, a node is at the port that its label `PLACE_port` names, so that a closed port is a way that is lost.
"""

from collections.abc import Callable

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Report
from plabctl.core.settings import ExecutorSettings
from plabctl.core.vantage import find_fit
from plabctl.executors.base import Executor, ExecutorKind, Prober
from plabctl.executors.threads import ThreadExecutor
from plabctl.values import replace

KIND = "pair"
"""What the configuration calls it, where `register` was called."""
VANTAGES = ("north", "south")
"""The first is the usual one."""


class _Pair:
    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self.interrupt = prober.interrupt

    def probe(self, assignment: Assignment) -> Report:
        """Probe from the first place that is not to be avoided."""
        vantage = next(each for each in VANTAGES if each in find_fit(VANTAGES, assignment.away_from))
        own = assignment.node.variables
        port = own.get(f"{vantage}_port", own["ssh_port"])
        node = replace(assignment.node, variables={**own, "ssh_port": port})
        return replace(self._prober.probe(replace(assignment, node=node)), vantage=vantage)


class PairKind(ExecutorKind):
    """Threads that say that they are in one place or in the other."""

    name = KIND
    help = "from two places"
    has_vantages = True

    def build(self, own: ExecutorSettings, prober: Prober, clock: Clock, state_dir: str) -> Executor:
        """Return an executor of threads whose probes are made from there."""
        return ThreadExecutor(_Pair(prober), clock)


PAIR = PairKind()


def register(set_item: Callable[..., None]) -> None:
    """Make the kind known; `set_item` is that of the monkeypatch of a test."""
    from plabctl.kinds import POINTS

    set_item(POINTS["executor"].builtin, KIND, f"{__name__}:PAIR")
