"""Ticks that die while they tell a sink, each at another step, and a last one that ends what they began.

I/O. Run as `python -m tests.app.dying_ticks FOLDER`, in a process without threads, as it forks. For each step before or
after which a tick can die, it prints a line: the step, and what the sink was told in all. See `test_sink_deaths`.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plabctl.app.sink_runs import SinkRuns
from plabctl.core.model import Event
from plabctl.core.state import Changes
from plabctl.history.database import History
from plabctl.history.sink_queues import SinkQueues
from plabctl.sinks.command import CommandKind
from plabctl.store.session import Session
from tests.app.installation import Installation
from tests.builders import make_hook

STEPS: tuple[tuple[Any, str], ...] = (
    (History, "record"),
    (SinkQueues, "change"),
    (SinkQueues, "advance"),
    (CommandKind, "tell"),
    (SinkRuns, "settle"),
    (Session, "commit"),
)
DIED = 9


def install(last: int, place: Path) -> None:
    """Make this process die at the step of that number, and write down which that was."""
    lock = threading.Lock()
    seen = 0

    def pass_by(name: str) -> None:
        nonlocal seen
        with lock:
            seen += 1
            if seen == last:
                place.write_text(name)
                os._exit(DIED)

    def wrap(owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def wrapped(*given: Any, **more: Any) -> Any:
            pass_by(f"before {name}")
            result = real(*given, **more)
            pass_by(f"after {name}")
            return result

        setattr(owner, name, wrapped)

    for owner, name in STEPS:
        wrap(owner, name)


def play(folder: Path, last: int) -> tuple[str, list[str]]:
    """Return where a tick died, empty when it did not get so far, and which events the sink was told of in all."""
    folder.mkdir()
    log, place = folder / "log", folder / "place"
    here = Installation(folder, hooks=(make_hook(("transition",), ("sh", "-c", f"cat >>{log}")),))
    events = tuple(Event(f"e{number}", time.time(), "transition", "n1", "plabctl", {}) for number in range(2))
    with here.store.session() as state:
        state.apply(Changes(events=events))
    pid = os.fork()
    if not pid:
        install(last, place)
        here.tick()
        os._exit(0)
    os.waitpid(pid, 0)
    here.tick()
    told = [json.loads(line)["id"] for line in log.read_text().splitlines()]
    assert len(here.history("transition")) == len(events)
    assert not here.store.snapshot().notes, "nothing waits"
    return place.read_text() if place.exists() else "", told


def main() -> None:
    """Die at each step there is."""
    folder, last = Path(sys.argv[1]), 1
    while True:
        # Each in a process of its own: the kinds that were wrapped stay as they are here.
        where, told = play(folder / str(last), last)
        if not where:
            return
        print(json.dumps([where, told]), flush=True)
        last += 1


if __name__ == "__main__":
    main()
