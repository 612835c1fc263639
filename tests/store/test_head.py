"""The head proves the whole file, in chunks, and nothing is written that would break its line."""

from pathlib import Path

import pytest

from plabctl.core.state import Changes
from plabctl.errors import StateDamaged, StateTooNew
from plabctl.store.head import (
    LONGEST_LINE,
    SCHEMA_VERSION,
    Head,
    build_head_line,
    has_commit,
    read_head,
    refuse_lost_state,
)
from plabctl.store.store import Store
from tests.manual_clock import ManualClock
from tests.store.failing_calls import descriptors

LARGE = 700_000
"""Bytes: several chunks."""


def with_numbers(version: int, saved_at: str) -> bytes:
    """A file that says it has 9 bytes after the line, and has 2."""
    return (
        f'{{"plabctl":{{"schema_version":{version},"rev":1,"saved_at":{saved_at},"wake_at":null,"tick":"","nodes":0,'
        '"bytes":9,"checksum":"crc32:00000000"},\n{}'
    ).encode()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """The file of a state that is read in several chunks."""
    with Store(tmp_path / "state", ManualClock()).session() as session:
        session.apply(Changes(notes={"large": {"text": "x" * LARGE}}))
    return tmp_path / "state" / "state.json"


def test_a_large_state_is_verified_to_its_end(large: Path) -> None:
    sound = large.read_bytes()
    before = descriptors()
    line = read_head(str(large))
    assert line is not None
    assert line.head.bytes_ > LARGE

    for place in (len(sound) // 2, len(sound) - 1):
        large.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        with pytest.raises(StateDamaged, match="checksum"):
            read_head(str(large))
    large.write_bytes(sound[:-1])
    with pytest.raises(StateDamaged, match="bytes after the first line"):
        read_head(str(large))
    assert descriptors() == before


@pytest.mark.parametrize("tick", ['"', "a\nb", "x" * 65], ids=["quote", "line break", "long"])
def test_the_id_of_a_tick_that_would_break_the_line_is_not_written(tick: str) -> None:
    with pytest.raises(AssertionError, match="would break the line"):
        build_head_line(Head(SCHEMA_VERSION, 1, 0.0, None, tick, 0, 2), b"{}")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (
            b'{"plabctl":{"schema_version":%d,"shape":"unheard of"}}' % SCHEMA_VERSION,
            "its first line is none that plabctl wrote",
        ),
        (with_numbers(SCHEMA_VERSION, "1.2.3"), "its first line holds a number that is none"),
        (with_numbers(SCHEMA_VERSION, "1.5"), "it was written with 9 bytes after the first line and now has 2"),
    ],
    ids=["empty", "other shape", "no number", "cut off"],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)

    with pytest.raises(StateDamaged, match=why):
        read_head(str(path))


def test_a_state_of_a_later_version_is_refused_also_when_its_line_has_our_shape(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(with_numbers(SCHEMA_VERSION + 1, "1.5"))

    with pytest.raises(StateTooNew, match=f"its schema version is {SCHEMA_VERSION + 1}"):
        read_head(str(path))


@pytest.mark.parametrize(
    ("content", "has_one"),
    [
        (None, False),
        (b"", False),
        (b"half a l", False),
        (b"line\n", False),
        (b"line\nr", True),
        (b"x" * LONGEST_LINE, False),
        (b"x" * (LONGEST_LINE + 1), True),
    ],
    ids=["no file", "empty", "half a line", "a line", "more", "a long line", "a longer line"],
)
def test_a_journal_has_a_commit_if_there_is_more_than_its_first_line(
    tmp_path: Path, content: bytes | None, *, has_one: bool
) -> None:
    path = tmp_path / "state.journal.3"
    if content is not None:
        path.write_bytes(content)

    assert has_commit(str(path)) is has_one


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["state.json.previous"], "state.json.previous"),
        (["state.journal.3"], "state.journal.3"),
        (["notes.txt"], ""),
        (["state.json.previous", "state.json"], ""),
    ],
)
def test_a_state_file_is_lost_if_what_comes_with_it_is_there(tmp_path: Path, names: list[str], told: str) -> None:
    refuse_lost_state(str(tmp_path / "none"))
    (tmp_path / "state.journal.1").write_bytes(b"line\n")
    for name in names:
        (tmp_path / name).write_bytes(b"line\nrecord")

    if told:
        with pytest.raises(StateDamaged, match=f"is gone, but '{told}' is there"):
            refuse_lost_state(str(tmp_path))
    else:
        refuse_lost_state(str(tmp_path))
