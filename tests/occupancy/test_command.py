import os
import time
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.occupancy import OccupancySettings
from plabctl.core.occupancy_changes import Listed
from plabctl.core.settings import ANYWHERE
from plabctl.errors import UsageFault
from plabctl.occupancy.base import collect_rows, read_source
from plabctl.occupancy.command import parse_printed
from tests.builders import NOW, make_occupancy


def command(*argv: str, timeout_s: float = 20.0, **options: Any) -> OccupancySettings:
    return make_occupancy(command=argv, timeout_s=timeout_s, **options)


def read(printed: str | bytes) -> tuple[dict[str, Listed], str]:
    raw = printed if isinstance(printed, bytes) else printed.encode()
    reading = collect_rows(parse_printed(raw, "busy", NOW), NOW)
    return dict(reading.uses), reading.fault


def doubt_of(printed: str) -> str:
    return collect_rows(parse_printed(printed.encode(), "busy", NOW), NOW).doubt


def fault_of(source: OccupancySettings) -> str:
    reading = read_source(source, ANYWHERE, NOW)
    assert reading.is_unread
    assert not reading.uses
    return reading.fault


@pytest.mark.parametrize(
    "printed",
    [
        "pc1\n# a remark\n\n PC2.lab \n",
        "pc1\r\npc2.lab",
        "\ufeffpc1\npc2.lab\npc1\n",
        '["pc1", "PC2.lab"]',
        '[{"name": "pc1"}, "pc2.lab"]',
        '{"pc1": null, "pc2.lab": {}}',
        ' {"pc1": {"by": null, "since": null}, "pc2.lab": null, "PC1": {}}',
    ],
)
def test_names_are_read_from_lines_and_from_json_in_any_case(printed: str) -> None:
    assert read(printed) == ({"pc1": Listed(), "pc2.lab": Listed()}, "")


def test_nothing_printed_means_that_nobody_is_busy() -> None:
    assert read("") == read("# none\n") == read("{}") == read("[]") == ({}, "")


def test_who_since_and_until_are_read() -> None:
    at = NOW - 3600.0
    printed = '{"a": {"by": "job 7 of\\tada", "since": %s, "until": "2h"}, "b": {"since": "2023-11-14T22:13:20Z"}}'

    uses, fault = read(printed % at)

    assert not fault
    assert uses == {"a": Listed("job 7 of ada", at, NOW + 7200.0), "b": Listed("", NOW)}


def test_of_several_uses_of_a_node_all_count() -> None:
    printed = '[{"name": "a", "by": "x", "since": 9, "until": 20}, {"name": "A", "by": "y", "since": 5, "until": 30}]'

    assert read(printed) == ({"a": Listed("x, y", 5.0, 30.0)}, "")
    assert read('{"a": {"by": "x", "until": 20}, "A": {"by": "x"}}') == ({"a": Listed("x")}, "")


@pytest.mark.parametrize(
    ("use", "fault"),
    [
        ("7", "neither null nor an object"),
        ('"ada"', "neither null nor an object"),
        ('{"by": 7}', "`by` is no text"),
        ('{"since": "-5h"}', "`since` '-5h' is no instant"),
        ('{"since": -1}', "`since` -1 is no instant"),
        ('{"since": 1e400}', "`since` inf is no instant"),
        ('{"since": NaN}', "`since` nan is no instant"),
        ('{"until": %s}' % ("9" * 400), "is no instant"),
        ('{"until": "99999999d"}', "is no instant"),
        ('{"until": true}', "`until` True is no instant"),
        ('{"since": {"at": 5}}', "`since` [('at', 5)] is no instant"),
    ],
)
def test_a_node_is_busy_whatever_else_is_said_wrongly_of_it(use: str, fault: str) -> None:
    uses, told = read(f'{{"pc1": {use}}}')

    assert uses == {"pc1": Listed()}
    assert told.startswith("busy: pc1: ")
    assert fault in told


@pytest.mark.parametrize(
    ("printed", "fault"),
    [
        ("<html>\n<body>502 Bad Gateway</body>\n", "busy: a page of HTML or XML, not names"),
        ('"pc1"', "busy:1: '\"pc1\"' can be the name of no node"),
        ("squeue: error: cannot connect\n", "busy:1: 'squeue: error: cannot connect' can be the name of no node"),
        ('{"pc1": ', "busy: no JSON: "),
        ("[" * 100_000, "busy: no JSON: "),
        ("[7]", "busy: item 1: '' can be the name of no node"),
        ("pc1\n\xff\n".encode("latin-1"), "busy:2: not UTF-8"),
        ("x" * 5000, f"busy:1: '{'x' * 100}...' can be the name of no node"),
        ('{"a;b": {}}', "busy: 'a;b' can be the name of no node"),
    ],
)
def test_rubbish_is_not_believed(printed: str | bytes, fault: str) -> None:
    with pytest.raises(UsageFault) as caught:
        read(printed)

    assert str(caught.value).startswith(fault)


@pytest.mark.parametrize(
    ("printed", "doubt"),
    [
        ("null\n", "it lists only 'null', which is no node here"),
        ("17", "it lists only '17', which is no node here"),
        ("# jobs\ntrue\n", "it lists only 'true', which is no node here"),
        ("Unauthorized", "it lists only 'unauthorized', which is no node here"),
        ('{"error": "Unauthorized"}', "it lists only 'error', which is no node here"),
        ('{"message": "Internal error", "code": 500}', "it lists only 'message' and 'code', which are no nodes here"),
        ('{"data": {"jobs": []}}', "it lists only 'data', which is no node here"),
        ('{"a": 1, "b": 2, "c": 3, "d": 4}', "it lists only 'a', 'b', 'c' and 1 more, which are no nodes here"),
    ],
)
def test_what_may_be_no_list_of_names_is_doubted(printed: str, doubt: str) -> None:
    assert doubt_of(printed) == doubt


@pytest.mark.parametrize(
    "printed", ["", "a\nb\n", '["login1"]', '{"login1": null}', '{"login1": {"by": "ada"}, "x": 7}', "{}"]
)
def test_what_can_only_be_a_list_of_names_is_not_doubted(printed: str) -> None:
    assert not doubt_of(printed)


@pytest.mark.parametrize("page", ["<html>\nerror\nretry\nlater\n</html>", "<!doctype html>\na\nb"])
def test_a_page_is_rubbish_however_many_of_its_lines_could_be_names(page: str) -> None:
    with pytest.raises(UsageFault, match="busy: a page of HTML or XML, not names"):
        read(page)


def test_a_bad_row_among_good_ones_is_left_out_and_told() -> None:
    uses, fault = read("pc1\n-x\npc2\n")

    assert list(uses) == ["pc1", "pc2"]
    assert fault == "busy:2: '-x' can be the name of no node"


def test_what_is_told_of_many_bad_rows_is_short() -> None:
    uses, fault = read("".join(f"pc{number}\n-x{number}\n" for number in range(1000)))

    assert len(uses) == 1000
    assert len(fault) < 500
    assert fault.endswith("; and 997 more")


def test_a_list_that_no_testbed_can_be_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plabctl.occupancy.base.MAX_NODES", 1000)

    with pytest.raises(UsageFault, match="it lists 1001 nodes, at most 1000 are believed"):
        read("".join(f"n{number}\n" for number in range(1001)))


def test_a_command_that_fails_hangs_or_is_not_there_is_not_believed() -> None:
    assert fault_of(command("/bin/sh", "-c", "echo pc1; echo no database >&2; exit 3")) == (
        "/bin/sh: exit code 3: no database"
    )
    assert fault_of(command("/no/such")) == "/no/such: cannot be run: no such file or directory"
    began = time.monotonic()
    assert fault_of(command("/bin/sleep", "60", timeout_s=0.2)) == "/bin/sleep: did not end within 0.2 s"
    assert time.monotonic() - began < 5.0


def test_a_command_runs_where_and_with_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "busy.sh").write_text("echo $NODE\n")
    source = command("/bin/sh", "busy.sh", directory=str(tmp_path), environment=(("NODE", "pc7"),))

    assert read_source(source, ANYWHERE, NOW).uses == {"pc7": Listed()}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files to another user")
def test_a_program_of_a_stranger_is_not_run(programs: Path) -> None:
    program = programs / "busy"
    program.write_text("#!/bin/sh\necho pc1\n")
    program.chmod(0o755)
    os.chown(program, 12345, -1)

    assert "12345" in fault_of(command(str(program)))
