"""What every sink can do, and what a kind of sink has to say of itself.

Pure. A kind is one module beside this one with one instance of a `SinkKind`; `plabctl.kinds` lists it by name.
`plabctl.sinks.tell` goes over the sinks with a batch of events. Settings hold a kind by its name, so kinds import late
what only `tell` needs; what a tick may come to need while it probes stands in `plabctl.app.preload`.
Tests: `tests/sinks/test_tell.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plabctl.core.keys.table import Kind

if TYPE_CHECKING:
    from plabctl.core.model import Event
    from plabctl.core.settings import Origin, SinkSettings


class TellResult(NamedTuple):
    """Whether a sink took what it was told; if not, why, and whether trying again is of no use."""

    ok: bool
    error: str = ""
    permanent: bool = False


class SinkContext(NamedTuple):
    """What a sink may use: the directory of the state, and where the configuration is from that names it."""

    state_dir: str
    origin: Origin


class SinkKind(Kind, ABC):
    """One kind of sink. Its `help` says where the events go: `a command that is run for each event`."""

    is_record = False
    """Whether it takes every event, whatever the budget of time, before other sinks are told of any, and raises
    StoreError when it cannot. Such a kind is built in; the configuration does not name it."""
    takes_batches = False
    """Whether it is told of all events of a delivery at once, not of one after the other."""

    def identify(self, own: SinkSettings) -> str:
        """Return what tells this sink from others, without secrets: it is stored with the events it knows of."""
        raise NotImplementedError

    @abstractmethod
    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        """Tell the sink of `events`, of one unless it takes batches, within `timeout_s` seconds.

        It may be told of the same event again; the event's `id` says so.
        """

    def list_named_files(self, options: Any) -> Iterator[tuple[str, bool]]:
        """Yield each file that the options name, and whether it must be in the hands of people we trust."""
        yield from ()
