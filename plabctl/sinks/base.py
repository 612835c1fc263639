"""What every sink can do, and what a kind of sink has to say of itself.

Pure. A kind is one module beside this one with one instance of a `SinkKind`; `plabctl.kinds` lists it by name.
`plabctl.sinks.tell` tells one sink what waits for it. Settings hold a kind by its name, so kinds import late
what only `tell` needs; what a tick may come to need while it probes stands in `plabctl.app.preload`.
Tests: `tests/sinks/test_tell.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plabctl.core.keys.table import Kind

if TYPE_CHECKING:
    from plabctl.core.model import Event
    from plabctl.core.settings import Origin, SinkSettings


class TellResult(NamedTuple):
    """Whether a sink took what it was told; if not, why."""

    ok: bool
    error: str = ""


class SinkContext(NamedTuple):
    """What a sink may use: the directory of the state, and where the configuration is from that names it."""

    state_dir: str
    origin: Origin
    nodes: Mapping[str, Mapping[str, str]] = {}
    """The variables of the nodes that there are now, by name."""
    describe: Callable[[Event], str] = lambda event: event.kind
    """Says in words what happened, without when, where and by whom."""


class SinkKind(Kind, ABC):
    """One kind of sink. Its `help` says where the events go: `a command that is run for each event`."""

    is_record = False
    """Whether it takes every event before other sinks are told of any, and raises StoreError when it cannot. Such a
    kind is built in; the configuration does not name it."""

    def identify(self, own: SinkSettings) -> str:
        """Return what tells this sink from others, without secrets: it is stored with its place in the history."""
        raise NotImplementedError

    def describe(self, own: SinkSettings) -> str:
        """Return what people call this sink, in a few printable words without secrets: `hook 'notify.sh'`."""
        return f"sink {self.name!r}"

    def takes_batches(self, own: SinkSettings) -> bool:
        """Return whether it is told of all events that wait at once, not of one after the other."""
        return False

    @abstractmethod
    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        """Tell the sink of `events`, of one unless it takes batches, within `timeout_s` seconds.

        This is called in a thread of its own. It may be told of the same event again; the event's `id` says so.
        """

    def list_named_files(self, options: Any) -> Iterator[tuple[str, bool]]:
        """Yield each file that the options name, and whether it must be in the hands of people we trust."""
        yield from ()
