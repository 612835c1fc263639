"""On a terminal that is too small the person's pager is used; without one that works, nothing is lost."""

import pytest

from tests.cli.console import Desk
from tests.cli.test_terminal import terminal

NODES = [f"node{number}" for number in range(1, 101)]


@pytest.fixture
def full_desk(desk: Desk) -> Desk:
    """A desk with more nodes than a terminal has lines."""
    desk.ok("node", "import", "-", stdin="\n".join(NODES))
    pager = desk.folder / "pager"
    pager.write_text('#!/bin/sh\nsed "s/^/paged $LESS /"\n')
    pager.chmod(0o755)
    desk.environ["PAGER"] = f"{pager} -x"
    return desk


def count_lines(raw: bytes, beginning: bytes = b"") -> int:
    return sum(line.startswith(beginning) and b"node" in line for line in raw.splitlines())


def test_what_does_not_fit_goes_through_the_pager_with_its_colours(full_desk: Desk) -> None:
    with terminal(full_desk, "status") as shown:
        assert shown.end() == 0

    assert count_lines(shown.raw, b"paged FRX ") == len(NODES) + 1
    assert b"paged FRX \x1b[31m" in shown.raw


def test_a_wide_table_is_scrolled_sideways(full_desk: Desk) -> None:
    with terminal(full_desk, "status", "-o", "wide") as shown:
        assert shown.end() == 0

    assert count_lines(shown.raw, b"paged FRSX ") == len(NODES) + 1


@pytest.mark.parametrize("arguments", ["status -p good", "status node1", "history --limit 5", "pool list"])
def test_what_fits_does_not(full_desk: Desk, arguments: str) -> None:
    with terminal(full_desk, *arguments.split()) as shown:
        assert shown.end() == 0

    assert b"paged" not in shown.raw


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        ("status --no-pager", {}),
        ("history --no-pager", {}),
        ("status", {"PAGER": ""}),
        ("status", {"PAGER": "cat"}),
        ("status", {"PAGER": "/no/such/pager"}),
        ("status", {"PAGER": "'"}),
        ("status", {"PAGER": "false"}),
        ("status", {"PAGER": "sh -c 'exit 3'"}),
        ("status", {"TERM": "dumb"}),
    ],
)
def test_without_a_pager_that_works_everything_is_written_once(
    full_desk: Desk, arguments: str, environ: dict[str, str]
) -> None:
    with terminal(full_desk, *arguments.split(), environ=environ) as shown:
        assert shown.end() == 0

    assert b"paged" not in shown.raw
    assert b"Traceback" not in shown.raw
    assert shown.raw.count(b"node77 ") == 1


def test_a_person_who_has_seen_enough_leaves_less(full_desk: Desk) -> None:
    with terminal(full_desk, "status", environ={"PAGER": "less", "LESS": "RX"}) as shown:
        shown.wait_for("node5")
        shown.type("q")
        assert shown.end() == 0

    assert b"node77" not in shown.raw


def test_a_pipe_has_no_pager(full_desk: Desk) -> None:
    out = full_desk.ok("status", "-o", "table")

    assert "paged" not in out
    assert "node77" in out
