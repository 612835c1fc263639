"""What every sink can do, and what a kind of sink has to say of itself.

Pure. A kind is one module beside this one with one instance of a `SinkKind`, or of a `SyncSinkKind` if it goes by what
is so and not by what happened; `plabctl.kinds` lists it by name.
`plabctl.sinks.tell` tells one sink what waits for it. Settings hold a kind by its name, so kinds import late
what only `tell` needs; what a tick may come to need while it probes stands in `plabctl.app.preload`.
Tests: `tests/sinks/test_tell.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plabctl.core.event_kinds import PLACE_KINDS
from plabctl.core.keys.table import Kind

if TYPE_CHECKING:
    from plabctl.core.model import Event
    from plabctl.core.notes import Document
    from plabctl.core.problems import Problem
    from plabctl.core.settings import Origin, Settings, SinkSettings
    from plabctl.core.standing import Standing
    from plabctl.core.state import State


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
    is_waited: bool = False
    """Whether a person waits for what is begun to end; a tick does not."""


class SinkKind(Kind, ABC):
    """One kind of sink. Its `help` says where the events go: `a command that is run for each event`."""

    is_eventless = False
    """Whether it is told no events."""
    is_synced = False
    """Whether it is a `SyncSinkKind`."""
    is_ticked = False
    """Whether it is a `TickSinkKind`."""
    reaches_people = False
    """Whether it can be tried out."""
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

    def list_written_files(self, options: Any) -> Iterator[tuple[str, str]]:
        """Yield each file outside the state directory that it writes, and what that is for."""
        yield from ()

    def find_faults(self, own: SinkSettings, settings: Settings) -> Iterator[tuple[str, str]]:
        """Yield what is wrong that reading the table does not show: a key of it, and what, without secrets.

        Asked by people who check a configuration, not by ticks, so it may take a second and look at files.
        """
        yield from ()

    def suggest_name(self, own: SinkSettings) -> str:
        """Return by which name people choose this sink to try it out."""
        return self.name

    def try_out(self, own: SinkSettings, scene: Scene, context: SinkContext) -> Iterator[tuple[str, str]]:
        """Send something to see whether it arrives: yield where to, in words, and what went wrong; empty if nothing.

        A kind that reaches no people has nothing to send.
        """
        yield from ()


class TakenOut(NamedTuple):
    """A node that a person took out of use in the other system: who did, and why."""

    by: str
    reason: str


class Scene(NamedTuple):
    """What is so now, read anew for one sink."""

    state: State
    settings: Settings
    now: float
    list_problems: Callable[[], Sequence[Problem]]
    """Returns what keeps plabctl from its work, the gravest first, as `check` tells it."""
    memory: Document
    """What the sink returned as `SyncResult.memory` the last time that it did."""

    def list_standings(self, own_actor: str) -> list[Standing]:
        """Return where each node stands; holds by an actor whose name begins with `own_actor` are left out."""
        from plabctl.core.standing import list_standings

        return list(list_standings(self.state, self.settings, self.now, own_actor))


class SyncResult(NamedTuple):
    """What came of bringing another system in line, or would come of it."""

    changes: tuple[str, ...] = ()
    """What was changed there, in words."""
    error: str = ""
    """What went wrong; what was not done is tried again by the next tick."""
    remark: str = ""
    """Which names do not match, in words: no error, and told once."""
    holds: Mapping[str, TakenOut] = {}
    """Nodes to be held here, as they were taken out of use there."""
    releases: Collection[str] = ()
    """Nodes held here for such a reason, which is over."""
    memory: Document | None = None
    """What the sink is to find in the next `Scene`; None: what it found in this one. Of a number `due_at` in it a tick
    takes care that has nothing else to do: at that instant it looks again."""


class SyncSinkKind(SinkKind):
    """A kind of sink that is told no events: by each tick it is brought in line with what is so.

    So nothing is lost while it cannot be reached, and what was changed there meanwhile is found.
    """

    is_eventless = is_synced = True
    left_out = frozenset({"on"})
    looks_on: Collection[str] = PLACE_KINDS
    """The kinds of event after which a tick looks again."""
    least_pause_s = 2.0
    """The least number of seconds between two looks of a tick; its last one waits for nothing."""

    begins_with_tick = True
    """Whether a tick may look at its beginning, when it has found nothing yet; else not before `least_pause_s`."""

    def find_interval(self, own: SinkSettings) -> float | None:
        """Return after how many seconds a tick looks again though nothing happened.

        None stands for each tick that has something to do, and no other.
        """
        return None

    @property
    def actor_prefix(self) -> str:
        """Return how the names of those begin who hold nodes here by what they did there: no user is called so."""
        return f"{self.name}:"

    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        """Do nothing."""
        return TellResult(ok=True)

    @abstractmethod
    def sync(
        self,
        own: SinkSettings,
        scene: Scene,
        timeout_s: float,
        context: SinkContext,
        *,
        is_rehearsal: bool = False,
    ) -> SyncResult:
        """Bring the other system in line with what is so now, within `timeout_s` seconds; raise nothing.

        In a rehearsal nothing is changed. This is called in a thread of its own.
        """


class TickEnd(NamedTuple):
    """How a tick ended."""

    exit_code: int
    write_metrics: Callable[[int], str]
    """Returns the metrics in the format of Prometheus, with series of their own for so many nodes; raises StoreError.
    """


class TickSinkKind(SinkKind):
    """A kind of sink that is told no events, but that a tick begins, and how it ended.

    It is told when all else is done: no lock is held then, and no test waits. What goes wrong makes no tick fail;
    `check` tells it.
    """

    is_eventless = is_ticked = True
    left_out = frozenset({"on", "timeout"})
    limit_s = 5.0
    """How long it may take after the tick has ended, in seconds."""
    hears_begin = False
    """Whether it is told of the begin as well."""

    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        """Do nothing."""
        return TellResult(ok=True)

    def begin_tick(self, own: SinkSettings, tick_id: str, context: SinkContext) -> None:
        """Tell that a tick begins, beside it; raise nothing. `tick_id` is a UUID."""

    @abstractmethod
    def end_tick(self, own: SinkSettings, tick_id: str, end: TickEnd, timeout_s: float, context: SinkContext) -> str:
        """Tell how the tick ended, within `timeout_s` seconds; return what went wrong, empty when nothing did.

        The text has no secrets in it, and is the same for as long as nothing changes.
        """
