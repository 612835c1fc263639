"""The sink `textfile`: the metrics in a file, which Prometheus' node exporter reads with its textfile collector.

I/O: written beside and renamed by every tick, always whole, readable by everybody. Go on with `plabctl.views.metrics`
for what stands in it.
Tests: `tests/app/test_tick_sinks.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Flag, Whole
from plabctl.core.settings_parts import MAX_NODE_SERIES
from plabctl.errors import Untrusted
from plabctl.files.atomic import read_start, replace_shared
from plabctl.files.trusted import is_inside, open_trusted
from plabctl.sinks.base import SinkContext, TickEnd, TickSinkKind
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import Origin, Settings, SinkSettings

_SUFFIX = ".prom"
_MODE = 0o644
_SIGN = b"# HELP plabctl_"


@dataclass(frozen=True, slots=True)
class TextfileOptions:
    """What only a sink of this kind can be told."""

    path: str = ""
    per_node: bool = False
    max_nodes: int = MAX_NODE_SERIES


class TextfileKind(TickSinkKind):
    """A file with the metrics."""

    name = "textfile"
    help = "a file with metrics that every tick writes anew, for Prometheus' node exporter; see prometheus.md"
    place_keys = ("path",)
    keys = Table(
        "sink.textfile",
        TextfileOptions(),
        Key(
            "path",
            FilePath(),
            text="The file, whose name ends in `.prom`, in the directory that the node exporter is given as "
            "`--collector.textfile.directory`. A file with anything else in it is not replaced.",
            example='"/var/lib/prometheus/node-exporter/plabctl.prom"',
            required=True,
        ),
        Key(
            "per_node",
            Flag(),
            text="Whether there are series for each node: whether it is usable, and the cause. Off because a thousand "
            "nodes are two thousand series more, and new ones whenever a cause changes.",
            example="true",
        ),
        Key(
            "max_nodes",
            Whole(1, 1_000_000),
            text="For how many nodes, the first by name; `plabctl_nodes_without_series` counts the others. 10000 "
            "because Prometheus keeps each series for weeks, and more than that are felt.",
            example="2000",
        ),
    )
    limit_s = 10.0

    def check(self, given: Mapping[str, Any], defaults: TextfileOptions) -> Iterator[tuple[str, str]]:
        """Refuse a name that the node exporter does not look at."""
        if "path" in given and not given["path"].endswith(_SUFFIX):
            yield "path", f"its name must end in {_SUFFIX}: the node exporter reads no others"

    def identify(self, own: SinkSettings) -> str:
        """Return the path."""
        return _find_options(own).path

    def describe(self, own: SinkSettings) -> str:
        """Return the kind and the path."""
        return f"textfile '{_find_options(own).path}'"

    def find_faults(self, own: SinkSettings, settings: Settings) -> Iterator[tuple[str, str]]:
        """Yield why the file could not be written, as far as that can be seen, and that another sink writes it, too."""
        path = _find_options(own).path
        try:
            with _open_folder(path, settings.state_dir, settings.origin):
                pass
        except ValueError as why:
            yield "path", str(why)
        for other in settings.sinks[: settings.sinks.index(own)]:
            if isinstance(other.options, TextfileOptions) and _find_place(other.options.path) == _find_place(path):
                yield "path", f"is the same file as '{other.options.path}' of another sink"

    def list_written_files(self, options: TextfileOptions) -> Iterator[tuple[str, str]]:
        """Yield the file."""
        yield options.path, "the metrics, for Prometheus' node exporter"

    def end_tick(self, own: SinkSettings, tick_id: str, end: TickEnd, timeout_s: float, context: SinkContext) -> str:
        """Write the metrics of now."""
        options = _find_options(own)
        content = end.write_metrics(options.max_nodes if options.per_node else 0).encode(errors="replace")
        try:
            with _open_folder(options.path, context.state_dir, context.origin) as folder:
                replace_shared(folder, os.path.basename(options.path), content, _MODE)
        except ValueError as why:
            return str(why)
        except OSError as fault:
            return f"it cannot be written: {(fault.strerror or str(fault)).lower()}"
        return ""


TEXTFILE = TextfileKind()


@contextmanager
def _open_folder(path: str, state_dir: str, origin: Origin) -> Iterator[int]:
    """Give the open directory of the file; raise ValueError, which says why, when the file is not for us to replace."""
    folder, name = os.path.split(path)
    try:
        opened = open_trusted(folder, os.O_RDONLY | os.O_DIRECTORY, owners=origin.owners)
    except FileNotFoundError as fault:
        raise ValueError("there is no such directory") from fault
    except Untrusted as fault:
        raise ValueError(f"its directory is not used: {fault}") from fault
    except OSError as fault:
        raise ValueError(f"its directory cannot be used: {(fault.strerror or str(fault)).lower()}") from fault
    try:
        if is_inside(opened.path, state_dir):
            raise ValueError("it is in the state directory, where others may read nothing")
        if not _is_ours(opened.fd, name):
            raise ValueError("there is something else, which is not replaced")
        yield opened.fd
    finally:
        os.close(opened.fd)


def _is_ours(folder: int, name: str) -> bool:
    """Return whether there is no file, or one with our metrics, or what a power failure left of one."""
    try:
        start = read_start(folder, name, len(_SIGN))
    except FileNotFoundError:
        return True
    return start is not None and (start == _SIGN or not start.strip(b"\0"))


def _find_place(path: str) -> str:
    """Return the path of the file that is replaced: links lead to its directory, and are not followed behind that."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def _find_options(own: SinkSettings) -> TextfileOptions:
    assert isinstance(own.options, TextfileOptions), "the configuration fills it"
    return own.options
