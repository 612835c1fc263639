"""Make an installation with many nodes and a month behind them, for the page.

I/O. Run as `python -m tests.benchmarks.pagework FOLDER NODES EVENTS`.
"""

import sys
import time
from pathlib import Path

from tests.benchmarks.statswork import build

_SITES = 20


def add_nodes(folder: Path, count: int) -> None:
    """Put the nodes of the history into the state: one in fifty is bad."""
    from plabctl.clock import SystemClock
    from plabctl.core.model import Cause, Member, Node, Outcome, Verdict
    from plabctl.core.state import Changes
    from plabctl.store.store import Store

    now = time.time()
    nodes, members = [], []
    for number in range(count):
        name, is_bad = f"n{number:04}.example.org", number % 50 == 0
        nodes.append(Node(name, {"site": f"site{number * _SITES // count}"}))
        passed = Verdict(Outcome.PASS, None, "", now - 600, 21.5)
        last = Verdict(Outcome.FAIL, Cause.CONNECT, "no route to host", now - 60, 9.2) if is_bad else passed
        pool = "bad" if is_bad else "good"
        members.append(Member(name, pool, since_at=now - 9000, due_at=now + 900, fail_streak=int(is_bad), last=last))
    with Store(str(folder / "state"), SystemClock()).session() as session:
        session.apply(Changes(nodes=tuple(nodes), members=tuple(members)))


if __name__ == "__main__":
    place, size, events = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    build(place, events, size)
    add_nodes(place, size)
