"""Read what most configuration files consist of, the plain part of TOML, without loading a parser for all of it.

Pure. To import `tomllib` takes as long as half an idle tick, most of it for dates and odd numbers. What is read here:
tables and arrays of tables, bare keys, strings on one line without escapes, decimal numbers, booleans, arrays, inline
tables and comments. Anything else, and whatever may be an error, is left to `tomllib`: `plabctl.config.load` asks both.
"""

from __future__ import annotations

from collections.abc import Callable

Document = dict[str, object]
_BLANKS = " \t"
_AFTER_WORD = frozenset(" \t\n,]}#")
_MAX_DIGITS = 18


class _NotPlain(ValueError):
    """There is something in the text that `tomllib` must look at."""


def read_plain(text: str) -> Document | None:
    """Return the document that `text` holds, as `tomllib.loads` does, or None when that has to be asked."""
    if not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    try:
        return _read_document(text + "\n")
    except (ValueError, RecursionError):
        return None


def _read_document(text: str) -> Document:
    document: Document = {}
    table = document
    opened: set[int] = set()
    at = 0
    while (at := _skip_lines(text, at)) < len(text):
        if text[at] == "[":
            table, at = _read_header(text, at, document, opened)
        else:
            at = _read_pair(text, at, table)
        at = _skip_blanks(text, at)
        if text[at] not in "\n#":
            raise _NotPlain
    return document


def _skip_blanks(text: str, at: int) -> int:
    while text[at] in _BLANKS:
        at += 1
    return at


def _skip_lines(text: str, at: int) -> int:
    """Return where the next thing stands that is no blank, comment or end of a line: at the end of `text` if none."""
    while at < len(text):
        if text[at] == "#":
            at = text.index("\n", at)
        elif text[at] not in " \t\n":
            break
        at += 1
    return at


def _read_header(text: str, at: int, document: Document, opened: set[int]) -> tuple[Document, int]:
    """Return the table that a header begins, and where the header ends.

    `opened` are the ids of the tables and arrays that headers made: no header adds to any other.
    """
    is_array = text.startswith("[[", at)
    end = text.index("]", at)
    *parents, name = map(_check_key, text[at + 1 + is_array : end].split("."))
    if is_array and not text.startswith("]]", end):
        raise _NotPlain
    table = document
    for parent in parents:
        table = _open(table, parent, opened)
    new: Document = {}
    if is_array:
        _open_array(table, name, opened).append(new)
    elif name in table:
        raise _NotPlain
    else:
        table[name] = new
    opened.add(id(new))
    return new, end + 1 + is_array


def _open(table: Document, name: str, opened: set[int]) -> Document:
    """Return the table of that name in `table`, of an array the last one; a new one when there is none."""
    found = table.get(name)
    if found is None:
        found = table[name] = {}
        opened.add(id(found))
    elif id(found) not in opened:
        raise _NotPlain
    last = found[-1] if isinstance(found, list) else found
    assert isinstance(last, dict), "headers make nothing but tables and arrays of them"
    return last


def _open_array(table: Document, name: str, opened: set[int]) -> list[object]:
    found = table.get(name)
    if found is None:
        found = table[name] = []
        opened.add(id(found))
    elif id(found) not in opened or not isinstance(found, list):
        raise _NotPlain
    assert isinstance(found, list), "made here, or looked at above"
    return found


def _read_pair(text: str, at: int, table: Document) -> int:
    """Put the key and the value that stand at `at` into `table`, and return where they end."""
    equals = text.index("=", at)
    key = _check_key(text[at:equals])
    if key in table:
        raise _NotPlain
    table[key], at = _read_value(text, _skip_blanks(text, equals + 1))
    return at


def _check_key(written: str) -> str:
    """Return the bare key that is written there, between blanks."""
    key = written.strip(_BLANKS)
    if not (key.isascii() and key.replace("_", "").replace("-", "").isalnum()):
        raise _NotPlain
    return key


def _read_value(text: str, at: int) -> tuple[object, int]:
    """Return the value that stands at `at`, and where it ends."""
    read = _READERS.get(text[at], _read_word)
    return read(text, at)


def _read_string(text: str, at: int) -> tuple[object, int]:
    mark = text[at]
    end = text.index(mark, at + 1)
    found = text[at + 1 : end]
    if "\n" in found or (mark == '"' and "\\" in found) or text.startswith(mark * 3, at):
        raise _NotPlain
    return found, end + 1


def _read_array(text: str, at: int) -> tuple[object, int]:
    values: list[object] = []
    at = _skip_lines(text, at + 1)
    while text[at : at + 1] != "]":
        if at == len(text):
            raise _NotPlain
        value, at = _read_value(text, at)
        values.append(value)
        at = _skip_lines(text, at)
        if text[at : at + 1] == ",":
            at = _skip_lines(text, at + 1)
        elif text[at : at + 1] != "]":
            raise _NotPlain
    return values, at + 1


def _read_inline_table(text: str, at: int) -> tuple[object, int]:
    table: Document = {}
    at = _skip_blanks(text, at + 1)
    if text[at] == "}":
        return table, at + 1
    while True:
        at = _skip_blanks(text, _read_pair(text, at, table))
        if text[at] == "}":
            return table, at + 1
        if text[at] != ",":
            raise _NotPlain
        at += 1


def _read_word(text: str, at: int) -> tuple[object, int]:
    end = at
    while text[end] not in _AFTER_WORD:
        end += 1
    word = text[at:end]
    if word in {"true", "false"}:
        return word == "true", end
    whole, point, rest = word.partition(".")
    if not (word.isascii() and whole.isdecimal() and len(word) <= _MAX_DIGITS) or (whole[0] == "0" and whole != "0"):
        raise _NotPlain
    if not point:
        return int(whole), end
    if not rest.isdecimal():
        raise _NotPlain
    return float(word), end


_READERS: dict[str, Callable[[str, int], tuple[object, int]]] = {
    '"': _read_string,
    "'": _read_string,
    "[": _read_array,
    "{": _read_inline_table,
}
