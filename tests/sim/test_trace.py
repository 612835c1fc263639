import gzip
from pathlib import Path

import pytest

from plabctl.sim.trace import TraceFault, read_trace

HEADER = "node,start,end,state\n"
GOOD = HEADER + "a,0,10,up\na,10,30,down\nb,0,30,up\n"


def test_a_trace_is_read_gzipped_or_not(tmp_path: Path) -> None:
    plain, zipped = tmp_path / "t.csv", tmp_path / "t.csv.gz"
    plain.write_text(GOOD)
    zipped.write_bytes(gzip.compress(GOOD.encode(), mtime=0))

    world = read_trace(str(plain))
    assert [(life.name, life.starts_up, life.changes, life.gone_at) for life in world.lives] == [
        ("a", True, (10.0,), 30.0),
        ("b", True, (), 30.0),
    ]
    assert world.length_s == 30.0
    assert read_trace(str(zipped)) == world


def test_a_trace_need_not_begin_at_0_nor_all_nodes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "a,1000,1010,up\nb,1005,1030,down\n")

    world = read_trace(str(path))
    assert [(life.born_at, life.gone_at) for life in world.lives] == [(0.0, 10.0), (5.0, 30.0)]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "it is empty, without even a header"),
        (HEADER, 1, "no interval follows the header"),
        ("node,start,end\n", 1, "the header is 'node,start,end', not 'node,start,end,state'"),
        (HEADER + "a,0,10\n", 2, "3 columns, not 4"),
        (HEADER + "a,0,10,up\na,ten,20,down\n", 3, "start is 'ten', not a number of seconds"),
        (HEADER + "a,0,inf,up\n", 2, "end is 'inf', not a number of seconds"),
        (HEADER + "a,-5,1,up\n", 2, "start is '-5', not a number of seconds"),
        (HEADER + "a,5,5,up\n", 2, "ends at 5, not after its start at 5"),
        (HEADER + "a,0,5,UP\n", 2, "the state is 'UP', not up or down"),
        (HEADER + " ,0,5,up\n", 2, "' ' is not the name of a node"),
        (HEADER + "a,0,5,up\n\na,7,9,up\n", 4, "begins at 7, which leaves a gap: the interval on line 2 ends at 5"),
        (HEADER + "a,0,5,up\nb,0,9,up\na,4,9,up\n", 4, "begins at 4, which overlaps: the interval on line 2 ends at 5"),
        ("a,0,5,up\n", 1, "the header is 'a,0,5,up', not 'node,start,end,state'"),
        (HEADER + "a,9,5,up\n", 2, "ends at 5, not after its start at 9"),
        (HEADER + "a,0,5,up\na,5,9,down,?\n", 3, "5 columns, not 4"),
        (HEADER + "a,0,9e9,up\n", 2, "ends 104167 days after the earliest, more than 36600: are the times in seconds?"),
        (HEADER + "a\x00,0,5,up\n", 2, "'a\\x00' is not the name of a node"),
        (HEADER + '"a,0,5,up\n', 2, "not CSV: unexpected end of data"),
    ],
)
def test_a_bad_trace_is_refused_with_file_line_and_reason(tmp_path: Path, text: str, line: int, reason: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)

    with pytest.raises(TraceFault) as caught:
        read_trace(str(path))
    assert str(caught.value) == f"{path}:{line}: {reason}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (gzip.compress(GOOD.encode(), mtime=0)[:-9], r":\d: damaged gzip: "),
        (b"\x1f\x8bnonsense", ":1: damaged gzip: "),
        (gzip.compress(GOOD.encode(), mtime=0)[:-8] + b"12345678", ":5: damaged gzip: "),
        (HEADER.encode() + b"\xff,0,1,up\n", ":2: not UTF-8"),
        (GOOD.encode("utf-16"), ":1: not UTF-8"),
    ],
    ids=["cut short", "no gzip", "other sum", "no UTF-8", "UTF-16"],
)
def test_damaged_bytes_are_refused(tmp_path: Path, raw: bytes, reason: str) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(raw)

    with pytest.raises(TraceFault, match=reason):
        read_trace(str(path))


def test_a_trace_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceFault, match="no such file"):
        read_trace(str(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    "raw", [GOOD.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + GOOD.encode(), GOOD[:-1].encode()]
)
def test_line_ends_of_windows_a_byte_order_mark_and_a_last_line_without_end_are_read(
    tmp_path: Path, raw: bytes
) -> None:
    plain, other = tmp_path / "t.csv", tmp_path / "other.csv"
    plain.write_text(GOOD)
    other.write_bytes(raw)

    assert read_trace(str(other)) == read_trace(str(plain))


def test_a_folder_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TraceFault, match="is a directory"):
        read_trace(str(tmp_path))
