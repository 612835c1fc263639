"""Read an object of JSON of which one list is long, entry by entry, in bounded memory whatever comes.

Pure, but for the function that it gets its bytes from. A status has a million nodes, or is no status at all but a
gigabyte of something else: so only the entry that is being read is held.
Tests: `tests/app/test_json_stream.py`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from json import JSONDecodeError, JSONDecoder
from json.scanner import make_scanner

CHUNK = 256 * 1024
MAX_VALUE = 16 * 1024**2
"""So many bytes may one entry of the list have, or one value beside it."""
_SPACE = re.compile(r"[ \t\n\r]*")
_SHOWN = 40
_AFTER = frozenset(" \t\n\r,:]}")
_NUMBER_PART = len("e+")
"""So much of a number may be cut off without being one."""

Read = Callable[[int], bytes]
"""Returns the next bytes, at most so many; none at the end."""


class NotJson(ValueError):
    """What comes is no object of JSON; the message says what it is instead, in a few words, where that can be told."""


def read_object(read: Read, long_key: str, take: Callable[[object], None]) -> dict[str, object]:
    """Return the object that `read` gives, without the list under `long_key`, of which `take` gets each entry.

    Raise NotJson when it is no such object, or when there is more after it, and OSError as `read` does.
    """
    text = _Text(read)
    if text.peek() != "{":
        raise NotJson(text.describe())
    found: dict[str, object] = {}
    for _ in text.walk("{", "}"):
        key = text.take_value()
        if not isinstance(key, str):
            raise NotJson
        text.expect(":")
        if key == long_key:
            for _ in text.walk("[", "]"):
                take(text.take_value())
        else:
            found[key] = text.take_value()
    if text.peek():
        raise NotJson
    return found


class _Text:
    """The text that is left to be read, of which the next part is at hand."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._scan = make_scanner(JSONDecoder(parse_constant=_refuse_constant))  # type: ignore[arg-type]  # it takes a decoder
        self._at_hand = ""
        self._place = 0
        self._is_over = False

    def peek(self) -> str:
        """Return the next character that is no blank, empty at the end."""
        while True:
            place = self._place = _SPACE.match(self._at_hand, self._place).end()  # type: ignore[union-attr]  # nothing matches, too
            if place < len(self._at_hand):
                return self._at_hand[place]
            if not self._fill(CHUNK):
                return ""

    def expect(self, sign: str) -> None:
        """Go past the sign."""
        if self.peek() != sign:
            raise NotJson
        self._place += 1

    def walk(self, begin: str, end: str) -> Iterator[None]:
        """Go through what stands between commas: yield before each entry, which must be taken then."""
        self.expect(begin)
        if self.peek() != end:
            yield
            while self.peek() != end:
                self.expect(",")
                yield
        self.expect(end)

    def take_value(self) -> object:
        """Return the next value, and go past it."""
        self.peek()
        more = CHUNK
        while True:
            try:
                value, end = self._scan(self._at_hand, self._place)
            except (StopIteration, JSONDecodeError) as error:
                # It may only be cut off where the text at hand ends; of what is none a part is read in vain, no more.
                if len(self._at_hand) - self._place > MAX_VALUE or not self._fill(more):
                    raise NotJson from error
                more *= 2
                continue
            except (ValueError, RecursionError) as error:
                raise NotJson from error
            # A number may go on in what comes next.
            is_ended = self._at_hand[end : end + 1] in _AFTER or len(self._at_hand) - end > _NUMBER_PART
            if (is_ended and end < len(self._at_hand)) or not self._fill(CHUNK):
                self._place = end
                return value

    def describe(self) -> str:
        """Return in words what begins here, if that is known."""
        begin = self._at_hand[self._place : self._place + _SHOWN].lower()
        if begin.startswith(("<!doctype", "<html", "<?xml", "<")):
            return "a page of HTML"
        return "empty" if not begin and self._is_over else ""

    def _fill(self, size: int) -> bool:
        """Have more at hand; return False when there is none."""
        if self._is_over:
            return False
        data = self._read(size)
        self._is_over = not data
        try:
            more = self._decode(data, self._is_over)
        except UnicodeDecodeError as error:
            raise NotJson from error
        self._at_hand = self._at_hand[self._place :] + more
        self._place = 0
        return not self._is_over or bool(more)


def _refuse_constant(_: str) -> object:
    raise NotJson
