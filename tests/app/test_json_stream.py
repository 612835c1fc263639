"""An object with one long list, read entry by entry."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.app import json_stream
from plabctl.app.json_stream import NotJson, read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


LAST = 12


def give(data: bytes, size: int) -> Callable[[int], bytes]:
    """What reads so many bytes at a time, whatever is asked for."""
    pieces = iter([data[place : place + size] for place in range(0, len(data), size)])
    return lambda _: next(pieces, b"")


def read(data: bytes, size: int = 7) -> tuple[dict[str, object], list[object]]:
    entries: list[object] = []
    return read_object(give(data, size), "nodes", entries.append), entries


@given(
    document=st.dictionaries(st.text().filter(lambda key: key != "nodes"), VALUES, max_size=4),
    nodes=st.lists(VALUES, max_size=6),
    size=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    is_ascii=st.booleans(),
)
def test_it_reads_what_json_reads(
    document: dict[str, Any], nodes: list[Any], size: int, indent: int | None, is_ascii: bool
) -> None:
    text = json.dumps({**document, "nodes": nodes, "rev": 1234567}, indent=indent, ensure_ascii=is_ascii)
    data = text.encode("utf-8", "surrogatepass")
    if b"\xed\xa0" not in data and not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert read(data, size) == ({**document, "rev": 1234567}, nodes)


@pytest.mark.parametrize(
    "text",
    [
        "null", "[]", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,}', '{"a":1 "b":2}', "{1:2}", '{"nodes":{}}',
        '{"nodes":[1 2]}', '{"nodes":[1,', '{"nodes":[tru', "{}x", "{} {}", '{"a":NaN}', '{"a":"\x01"}', "[" * 100_000,
        '{"a":' + "[" * 100_000, '{"a":' + "9" * 5000 + "}",
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        read(text.encode(), 4096)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"<!DOCTYPE html><p>", "a page of HTML"), (b" \n", "empty"), (b"", "empty"), (b"hello", ""), (b"\xff\xfe{", "")],
)
def test_it_says_what_it_is_instead(data: bytes, words: str) -> None:
    with pytest.raises(NotJson, match=f"^{words}$"):
        read(data)


def test_a_list_without_end_is_read_in_bounded_memory() -> None:
    """Of entries without end never more than a few pieces are held."""
    pieces = 0

    def give_more(size: int) -> bytes:
        nonlocal pieces
        pieces += 1
        assert size <= 2 * json_stream.CHUNK
        if pieces == 1:
            return b'{"nodes":['
        if pieces < LAST:
            return b'{"name":"n1"},' * (size // 14)
        return b"1]}" if pieces == LAST else b""

    count = 0

    def take(_: object) -> None:
        nonlocal count
        count += 1

    assert read_object(give_more, "nodes", take) == {}
    assert count > LAST * 10_000


def test_one_value_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_VALUE", 1024**2)
    given_bytes = 0

    def give_more(size: int) -> bytes:
        nonlocal given_bytes
        given_bytes += size
        return b'{"a":"' if given_bytes == size else b"x" * size

    with pytest.raises(NotJson):
        read_object(give_more, "nodes", print)
    assert given_bytes < 8 * 1024**2
