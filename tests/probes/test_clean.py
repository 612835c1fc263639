import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.probes.capture import Capture
from plabctl.probes.clean import MAX_REASON, clean, find_first_line, find_last_line

ESCAPES = {
    "the window's title": b"\x1b]0;owned\x07ok",
    "a title that ends in ST": b"\x1b]2;owned\x1b\\ok",
    "a title that never ends": b"ok\x1b]0;owned",
    "clearing the screen": b"\x1b[2J\x1b[1;1Hok",
    "colours": b"\x1b[1;31mok\x1b[0m",
    "C1 as one byte, which is no UTF-8": b"ok",
    "C1 in UTF-8": b"\xc2\x9b31mok",
    "a device string": b"\x1bP1$r\x1b\\ok",
    "a hyperlink": b"\x1b]8;;http://x\x1b\\ok\x1b]8;;\x1b\\",
    "another character set": b"\x1b(0ok",
    "backspaces and bells": b"\x08\x07o\x00k\x7f",
    "direction": "\u202eok\u2066".encode(),
    "zero width": "o\u200b\ufeffk".encode(),
    "tags": "ok\U000e0041".encode(),
    "shorthand and music": "o\U0001bca0k\U0001d173".encode(),
    "a lone escape": b"\x1bcok",
}


@pytest.mark.parametrize("data", ESCAPES.values(), ids=ESCAPES.keys())
def test_escapes_go_whole(data: bytes) -> None:
    assert clean(data) == "ok"


def test_a_title_that_never_ends_costs_one_line() -> None:
    assert clean(b"\x1b]0;owned\nnext") == "\nnext"


def test_ordinary_text_stays() -> None:
    text = "Grüße, 世界 🙂 [red]x[/red] <b>&amp;</b>\n\ttabbed | $(x) `y`\n"

    assert clean(text) == text
    assert clean("a\r\nb\rc") == "a\nb\nc"


def shown(text: str) -> bool:
    return all(char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in text)


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_nothing_that_acts_comes_through(data: bytes) -> None:
    text = clean(data)

    assert not any(char in text for char in "\x1b\x07\x08\r\x9b\x9d\u202e\u200b")
    assert all(char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"} for char in text)
    assert clean(text) == text
    text.encode()


@given(st.text(alphabet="\x1b[]PX^_\\0;1mJ\x07\x9b\x9d\x9c\na ("))
def test_made_up_escape_sequences_leave_no_escape(text: str) -> None:
    assert shown(clean(text))


@given(st.text(), st.integers(0, 50))
def test_the_length_is_capped(text: str, limit: int) -> None:
    assert len(clean(text, limit)) <= limit


def test_the_first_and_last_lines_are_those_with_words() -> None:
    text = "\n  first  \nmiddle\nlast \n\n \t\n"

    assert (find_first_line(text), find_last_line(text)) == ("first", "last")
    assert (find_first_line(""), find_last_line("\n\n")) == ("", "")
    assert len(find_last_line("x" * 10_000)) == 300
    assert (find_last_line("no such word: $$\n     ^~\n"), find_last_line("***\n^\n")) == ("no such word: $$", "^")


@given(st.lists(st.binary(max_size=50)), st.integers(0, 100))
def test_a_capture_keeps_its_bounds_and_counts_everything(pieces: list[bytes], limit: int) -> None:
    capture = Capture(limit)
    for piece in pieces:
        capture.add(piece)
    whole = b"".join(pieces)

    assert capture.total == len(whole)
    assert capture.truncated == (len(whole) > limit)
    if not capture.truncated:
        assert capture.text() == clean(whole)


def test_a_capture_keeps_the_head_and_the_last_line() -> None:
    capture = Capture(10)
    capture.add(b"0123456789" + b"x\n" * 5000 + b"why\n")

    head, middle, end = capture.text().split("\n")
    assert (head, end) == ("0123456789", "why")
    assert "10004 bytes" in middle
    assert not capture.is_flood
    capture.add(b"x" * (1 << 20))
    assert capture.is_flood


def test_what_looks_like_a_secret_is_no_part_of_a_reason_however_long_the_line() -> None:
    assert find_last_line("a\nAccess denied, password=hunter2 was wrong\n") == "Access denied, password=*** was wrong"
    assert find_first_line("https://bob:pw@x.example/\n") == "https://***@x.example/"
    assert len(find_last_line("a-" * 100_000)) <= MAX_REASON


def test_no_control_and_no_format_of_any_script_comes_through() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))

    assert [f"U+{ord(char):04X}" for char in set(clean(everything)) if not shown(char)] == []
