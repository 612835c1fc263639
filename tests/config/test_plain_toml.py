"""The quick reader takes what most files consist of, reads it as `tomllib` does, and leaves the rest to that."""

import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plabctl.config.plain_toml import read_plain
from plabctl.config.sample import build_sample
from tests.benchmarks.testbed import CONFIG
from tests.config.test_load import FULL

PLAIN = {
    "all keys": FULL,
    "of the benchmarks": CONFIG.format(window=40, user="u", key="k", known_hosts="h"),
    "the sample": build_sample(),
    "nothing": "",
    "only a comment": "# [x",
    "without a last line end": "a = 1",
    "tables under tables": "[b.c]\nx = 1\n[b.d]\n[a]\n[b.c.e]\n",
    "arrays of tables": "[[a]]\nx = 1\n[a.b]\n[[a]]\n[a.b]\n[[a.c]]\n[[a.c]]\ny = [[1], []]\n",
    "arrays over lines": "a = [ # one\n  1,\n\n  'x', # ]\n]\nb = []\n",
    "tables on a line": 'a = {}\nb = { c = 1 , d = {e="}"} } # x\n',
    "words": "a=true\nb\t=\tfalse\nc = 0\nd = 0.25\ne = 10.0\nf = ''\ng = \"\"\nh = \"a'#b\"\ni-_1 = '\"\\'\n",
}
LEFT = {
    "text that is no document": "true",
    "a key twice": "a = 1\na = 2",
    "a table twice": "[a]\n[a]",
    "a table after its part": "[a.b]\n[a]",
    "a table in a value": "a = {}\n[a.b]",
    "an element of a value": "a = [{}]\n[[a]]",
    "a table that is an array": "[[a]]\n[a]",
    "an array that is a table": "[a]\n[[a]]",
    "a number as a table": "a = 1\n[a.b]",
    "an array without end": "a = [1,",
    "a table without end": "a = {b = 1",
    "a table over lines": "a = {b = 1,\nc = 2}",
    "a comma at the end of a table": "a = {b = 1,}",
    "two values": "a = 1 2",
    "a leading zero": "a = 01",
    "a sign": "a = -1",
    "a date": "a = 1979-05-27",
    "escapes": 'a = "\\n"',
    "a string over lines": 'a = """x\ny"""',
    "a string without end": "a = 'x\n'",
    "a quoted key": '"a" = 1',
    "a key of parts": "a.b = 1",
    "a carriage return": "a = 1\r\nb = 2\r\n",
    "a control character": "a = 1 # \x7f",
    "deep nesting": "a = " + "[" * 100_000,
}
_TOKENS = [
    *"[]{}=,.#'\"\n\n\n \t",
    *["[[", "]]", "a", "b", "a-_1", "a = ", "\na = ", "\nb = 1", "\n[a]\n", "\n[a.b]\n", "\n[[a]]\n", "\n[[a.b]]\n"],
    *["1", "0", "01", "-1", "1.5", "1.", "1e3", "1_0", "true", "false", "'x'", '"x"', '""', '"""', "\\", "\r\n", "é"],
    *["{a = 1}", "{a = 1, ", "[1, ", "[\n", "# x\n", "\u00a0", "\x00", "1979-05-27", "07:32:00", "inf", "\u0663"],
]


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_plain_files_are_read_without_a_parser(text: str) -> None:
    assert_same(read_plain(text), tomllib.loads(text))


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_what_is_not_plain_is_left_to_the_parser(text: str) -> None:
    assert read_plain(text) is None


@settings(max_examples=400)
@given(st.lists(st.sampled_from(_TOKENS), max_size=14).map("".join))
@example("a = '''''")
def test_whatever_is_read_is_what_the_parser_reads(text: str) -> None:
    found = read_plain(text)

    if found is not None:
        assert_same(found, tomllib.loads(text))


def assert_same(found: object, expected: object) -> None:
    """The same values of the same types, in the same order."""
    assert repr(found) == repr(expected)
