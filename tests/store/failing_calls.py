"""Make the Nth call to the system fail, or be the last one of this process. For the tests of commits.

Run as a program, it kills one child for each call of a commit: `failing_calls.py SOURCE_DIR PLACE [fold]`. Every child
works on a copy of SOURCE_DIR, PLACE/N, and leaves a file `acknowledged` there when its commit returned. With `fold`,
the commit folds the journal. Prints the number of calls.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from plabctl.core.state import Changes
from plabctl.store.store import Store
from tests.builders import make_mark
from tests.manual_clock import ManualClock

CALLS = (
    "open",
    "write",
    "fsync",
    "fdatasync",
    "link",
    "replace",
    "fchmod",
    "unlink",
    "close",
    "ftruncate",
    "pwrite",
    "mkdir",
)
Act = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]


@contextmanager
def at_call(number: int, act: Act, names: tuple[str, ...] = CALLS) -> Iterator[list[str]]:
    """In the block, `act` takes the place of call `number` (from 1 on) among the calls `names` of `os`."""
    seen: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen.append(name)
            return act(name, real, args) if len(seen) == number else real(*args, **kwargs)

        return call

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(os, name, counted(name, getattr(os, name))))
        yield seen


def fail(number: int) -> Act:
    """Fail with this errno, after half of what was to be written."""

    def act(name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if name == "write":
            real(args[0], args[1][: len(args[1]) // 2])
        raise OSError(number, os.strerror(number))

    return act


def die(name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """End this process as `kill -9` does, after half of what was to be written."""
    if name == "write":
        real(args[0], args[1][: len(args[1]) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def commit(state_dir: Path, tick: str = "new") -> None:
    """Make the change that is looked for afterwards."""
    with Store(state_dir, ManualClock()).session() as session:
        session.apply(Changes(tick=make_mark(tick)))


def descriptors() -> int:
    """How many this process has open, so that a test sees one that is left behind."""
    return len(list(Path("/proc/self/fd").iterdir()))


def kill_at_every_call(source: Path, place: Path) -> int:
    """Kill a child at the first, second, ... call of a commit until one comes through; return how many were killed."""
    number = 0
    while True:
        number += 1
        state_dir = place / str(number)
        shutil.copytree(source, state_dir)
        child = os.fork()
        if child == 0:
            with at_call(number, die):
                commit(state_dir)
            (state_dir / "acknowledged").touch()
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return number - 1


if __name__ == "__main__":
    from plabctl.store import storage  # once, not in each child

    if "fold" in sys.argv:
        storage._LEAST_BYTES = storage._LARGEST_SHARE = 0
    print(kill_at_every_call(Path(sys.argv[1]), Path(sys.argv[2])))
