"""On a real pseudo-terminal, of any width: tables that fit, colour that goes when told, a live view that tidies up."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pyte
import pytest

from tests.cli.console import Desk

ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
PATIENCE_S = 60.0
OWN_TERMINAL = ': <>"$0"; exec "$@"'
"""A session that opens a terminal has it as its own, so that Ctrl-C becomes a signal."""


class Terminal:
    """One process on a pseudo-terminal, and what its screen shows."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes], width: int, height: int) -> None:
        self._descriptor = descriptor
        self.process = process
        self.raw = b""
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)

    def read(self, timeout_s: float = 0.1) -> bool:
        """Take in what has come; say whether there may be more."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not any(text in line for line in self.screen.display):
            assert time.monotonic() < end, self.raw
            assert self.read(), self.raw

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def end(self) -> int:
        while self.read():
            pass
        return self.process.wait(PATIENCE_S)

    def local_flags(self) -> int:
        flags: int = termios.tcgetattr(self._descriptor)[3]
        return flags


@contextmanager
def terminal(
    desk: Desk, *arguments: str, width: int = 80, environ: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        ["sh", "-c", OWN_TERMINAL, os.ttyname(theirs), *desk.command(*arguments)],
        cwd=desk.folder,
        env={**desk.environ, **(environ or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process, width, 24)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("width", [20, 80, 300])
@pytest.mark.parametrize(
    "arguments",
    ["status", "status -o wide", "show pc2", "history", "node list", "pool list", "pool show bad", "--help"],
)
def test_no_width_is_too_much_or_too_little(used_desk: Desk, arguments: str, width: int) -> None:
    with terminal(used_desk, *arguments.split(), width=width) as shown:
        assert shown.end() == 0

    assert b"Traceback" not in shown.raw


@pytest.mark.parametrize("command", ["show", "explain"])
def test_what_is_told_of_a_node_is_folded_for_the_terminal(used_desk: Desk, command: str) -> None:
    with terminal(used_desk, command, "pc2", width=60) as shown:
        assert shown.end() == 0
    lines = ESCAPE.sub(b"", shown.raw).decode().splitlines()

    assert len(lines) > 10
    assert all(len(line) <= 60 for line in lines)


@pytest.mark.parametrize("width", [20, 80, 300])
def test_a_table_fits_and_names_are_whole(used_desk: Desk, width: int) -> None:
    with terminal(used_desk, "status", width=width) as shown:
        assert shown.end() == 0
    table = ESCAPE.sub(b"", shown.raw).decode().split("\r\n\r\n")[0].splitlines()

    assert all(len(line) <= width for line in table)
    assert table[0].split()[:2] == ["STATE", "NODE"]
    assert [line.split()[1:3] for line in table[1:]] == [["bad", "pc2"], ["good", "pc1"]]


@pytest.mark.parametrize(
    ("environ", "arguments"),
    [({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--color", "never"]), ({"TERM": ""}, [])],
)
def test_without_colour_no_escape_is_sent(used_desk: Desk, environ: dict[str, str], arguments: list[str]) -> None:
    for command in ("status", "history", "node list"):
        with terminal(used_desk, *command.split(), *arguments, environ=environ) as shown:
            assert shown.end() == 0

        assert b"pc1" in shown.raw
        assert b"\x1b" not in shown.raw


def test_colour_is_there_by_default(used_desk: Desk) -> None:
    with terminal(used_desk, "status") as shown:
        assert shown.end() == 0

    assert b"\x1b[32m" in shown.raw
    assert b"\x1b[31m" in shown.raw


def test_many_nodes_are_asked_about(desk: Desk) -> None:
    desk.ok("node", "add", "node1", "node2")
    with terminal(desk, "move", "*", "good", "--reason", "x") as asked:
        asked.wait_for("move 2 nodes (node[1-2]) to good?")
        asked.type("n\r")
        assert asked.end() == 1
    assert desk.ok("status", "-p", "good", "-o", "name") == ""

    with terminal(desk, "move", "*", "good", "--reason", "x") as asked:
        asked.wait_for("move 2 nodes (node[1-2]) to good?")
        asked.type("y\r")
        assert asked.end() == 0
    assert desk.ok("status", "-p", "good", "-o", "name") == "node1\nnode2\n"


def test_a_test_shows_the_end_of_a_long_output_and_a_pipe_gets_all_of_it(used_desk: Desk) -> None:
    with used_desk.config.open("a") as file:
        file.write('[recipe.long]\ntransport = "local"\ncheck = { run = "seq 25" }\n')
    with terminal(used_desk, "test", "pc1", "--recipe", "long") as shown:
        assert shown.end() == 0
    lines = [line.strip() for line in shown.screen.display if "│" in line]

    assert lines == ["│ (5 lines before)", *(f"│ {number}" for number in range(6, 26))]
    assert used_desk.ok("test", "pc1", "--recipe", "long").count("│") == 25


@pytest.mark.parametrize("arguments", ["tick", "tick pc1", "retest pc1 --wait", "node add pc9 --test"])
def test_while_tests_run_a_bar_is_shown_and_nothing_of_it_stays(used_desk: Desk, arguments: str) -> None:
    used_desk.ok("retest", "pc1")
    used_desk.config.write_text(used_desk.config.read_text().replace("echo", "sleep 1; echo"))
    with terminal(used_desk, *arguments.split()) as shown:
        shown.wait_for(" done")
        assert shown.end() == 0

    assert not any(" done" in line for line in shown.screen.display)


def test_a_retest_of_many_nodes_ends_with_a_summary(desk: Desk) -> None:
    names = [f"node{number}" for number in range(1, 41)]
    desk.break_node("node7")
    desk.ok("node", "import", "-", stdin="\n".join(names))
    with terminal(desk, "retest", "node[1-40]", "--wait", "--yes") as shown:
        assert shown.end() == 1
    lines = [line.rstrip() for line in shown.screen.display]

    assert "39 of 40 passed" in lines
    assert any(line.startswith("1 ") and line.endswith("node7") for line in lines)
    assert not any("node8" in line for line in lines)


def test_an_import_of_many_nodes_shows_that_it_works_and_ends_with_one_line(desk: Desk) -> None:
    (desk.folder / "nodes").write_text("\n".join(f"node{number}" for number in range(1, 2001)))
    with terminal(desk, "node", "import", "nodes") as shown:
        shown.wait_for("adding 2000 nodes")
        assert shown.end() == 0
    lines = [line.rstrip() for line in shown.screen.display if line.strip()]

    assert lines == ["2000 nodes (node[1-2000]): added to bad, due now", "undo: plabctl node rm 'node[1-2000]'"]
