"""An inventory, an occupancy source and a sink."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from plabctl.core.model import Event


def read_rack(options: Mapping[str, object]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the nodes of a rack: `options` say its name and how many they are."""
    for number in range(int(str(options["count"]))):
        yield f"{options['rack']}-{number}", {"site": str(options["rack"])}


def read_whiteboard(options: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the nodes that are written on the whiteboard, a file that `options` name: each with who uses it."""
    for line in Path(str(options["file"])).read_text(encoding="utf-8").splitlines():
        node, _, user = line.partition(" ")
        yield node, {"by": user}


def write_diary(events: Sequence[Event], options: Mapping[str, object]) -> None:
    """Write a line for each event into the file that `options` name."""
    with Path(str(options["file"])).open("a", encoding="utf-8") as diary:
        diary.writelines(f"{event.kind} {event.node}\n" for event in events)
