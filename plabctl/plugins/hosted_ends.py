"""Inventories, occupancy sources and sinks that plug-ins bring, each asked in a process of its own.

I/O: asks the process of the plug-in (`plabctl.plugins.call`). A plug-in that raises or does not answer in time is a
source that cannot be read, or a sink that could not be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

from plabctl.core.keys.formatting import describe_value, quote
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import ValueType
from plabctl.core.model import Event
from plabctl.core.occupancy import OccupancySettings
from plabctl.core.settings import InventorySettings, Origin, SinkSettings
from plabctl.errors import PluginFault, UsageFault
from plabctl.inventories.base import InventoryKind
from plabctl.inventories.reading import Reading
from plabctl.masks import mask_secrets
from plabctl.occupancy.base import OccupancyKind, Row
from plabctl.plugins.call import LOAD_S, PluginHost
from plabctl.sinks.base import SinkContext, SinkKind, TellResult
from plabctl.values import dataclass


class PluginOptions(ValueType):
    """A table of texts, numbers and truth values, which only the plug-in understands."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("a table of texts, numbers and truth values")

    def read(self, value: object) -> tuple[tuple[str, str | float | bool], ...]:
        """Return the pairs of the table."""
        if not isinstance(value, dict):
            raise ValueError(f"cannot be {describe_value(value)}")  # noqa: TRY004 - all types complain alike
        for each in value.values():
            if not isinstance(each, str | int | float):
                raise ValueError(f"{describe_value(each)} cannot be an option")  # noqa: TRY004 - as above
        return tuple(value.items())

    def format(self, value: Any) -> str:
        """Return the pairs as TOML."""
        words = {name: quote(each) if isinstance(each, str) else str(each).lower() for name, each in value}
        return "{ " + ", ".join(f"{quote(name)} = {word}" for name, word in words.items()) + " }"


@dataclass(frozen=True, slots=True)
class HostedOptions:
    """What an inventory, an occupancy source or a sink of a plug-in can be told."""

    given: tuple[tuple[str, Any], ...] = ()
    """The key `options`, as pairs."""

    def identify(self) -> str:
        """Return the options in words, without secrets."""
        return mask_secrets(" ".join(f"{name}={value}" for name, value in self.given))


def _build_keys(topic: str) -> Table:
    text = "What the plug-in is told."
    return Table(
        topic, HostedOptions(), Key("options", PluginOptions(), "given", text=text, example='{ site = "north" }')
    )


class _HostedSource:
    """What a plug-in is asked for: its nodes, or who uses them."""

    def __init__(self, name: str, host: PluginHost, fault: str = "") -> None:
        self.name = name
        self.fault = fault
        self._host = host

    def identify(self, options: HostedOptions) -> str:
        """Return the options."""
        return options.identify()

    def _ask(self, own: InventorySettings | OccupancySettings) -> Sequence[tuple[object, Any]]:
        """Return what the plug-in lists; raise UsageFault when it does not answer."""
        try:
            listed: Sequence[tuple[object, Any]] = self._host.call(
                "list_nodes", _find_options(own), limit_s=own.timeout_s
            )
        except PluginFault as error:
            raise UsageFault(f"the plug-in {self.name!r} failed: {error}") from error
        return listed


class HostedInventory(_HostedSource, InventoryKind):
    """An inventory that a plug-in reads."""

    keys = _build_keys("inventory.plugin")

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the nodes that the plug-in lists; they are checked like those of a file."""
        from plabctl.inventories.node_list import check_rows

        listed = self._ask(own)
        return check_rows(self._list_rows(listed), f"the plug-in {self.name!r}", own.name, own.match)

    def _list_rows(self, listed: Sequence[tuple[object, Any]]) -> Iterator[Any]:
        from plabctl.inventories.reading import Row

        for number, (name, found) in enumerate(listed, 1):
            place, variables = f"item {number}", {} if found is None else found
            if not isinstance(name, str):
                yield Row(place, "", {}, f"{found} is neither a name nor a pair of a name and a dictionary of texts")
            elif not isinstance(variables, dict):
                yield Row(place, name, {}, f"{name}: its variables are {found}, not a dictionary of texts")
            elif odd := [each for pair in variables.items() for each in pair if not isinstance(each, str)]:
                yield Row(place, name, {}, f"{name}: {odd[0]!r:.60} among its variables is no text")
            else:
                yield Row(place, name, variables)


class HostedOccupancy(_HostedSource, OccupancyKind):
    """An occupancy source that a plug-in reads."""

    keys = _build_keys("occupancy.plugin")

    def read(self, own: OccupancySettings, origin: Origin, now: float) -> Iterator[Row]:
        """Return the busy nodes that the plug-in lists; they are checked like those that a command prints."""
        return self._list_rows(self._ask(own), now)

    def _list_rows(self, listed: Sequence[tuple[object, object]], now: float) -> Iterator[Row]:
        from plabctl.occupancy.use_rows import read_use

        for number, (name, use) in enumerate(listed, 1):
            place = f"the plug-in {self.name!r}: item {number}"
            yield read_use(place, name, use, now) if isinstance(name, str) else Row(place, "")


class HostedSink(SinkKind):
    """A sink that is a plug-in's. Sinks with other options have a process of their own, as none waits for another."""

    keys = _build_keys("sink.plugin")

    def __init__(self, name: str, host: PluginHost, fault: str = "") -> None:
        self.name = name
        self.fault = fault
        self._hosts: dict[object, PluginHost] = {}
        self._unused = [host]
        self._lock = Lock()

    def identify(self, own: SinkSettings) -> str:
        """Return the kind and the options."""
        assert isinstance(own.options, HostedOptions), "the configuration fills it"
        return f"{self.name} {own.options.identify()}"

    def takes_batches(self, own: SinkSettings) -> bool:
        """Return that it does."""
        return True

    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        """Hand the events to the plug-in."""
        try:
            self._find_host(own).call("tell", list(events), _find_options(own), limit_s=timeout_s)
        except PluginFault as error:
            return TellResult(ok=False, error=f"sink {self.name!r}: {error}")
        return TellResult(ok=True)

    def _find_host(self, own: SinkSettings) -> PluginHost:
        """Return the process for sinks with these options; raise PluginFault when it cannot be loaded."""
        with self._lock:
            if own.options in self._hosts:
                return self._hosts[own.options]
            is_loaded = bool(self._unused)
            host = self._hosts[own.options] = self._unused.pop() if self._unused else PluginHost()
        if not is_loaded:
            host.call("load", "sink", self.name, limit_s=LOAD_S)
        return host


def _find_options(own: InventorySettings | OccupancySettings | SinkSettings) -> Mapping[str, Any]:
    assert isinstance(own.options, HostedOptions), "the configuration fills it"
    return dict(own.options.given)
