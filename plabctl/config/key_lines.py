"""Find on which line of a TOML file each key stands, which the parser of the standard library does not tell.

Pure. Only for text that was parsed without a fault: what is not needed to keep one's place is not looked at.
"""

from __future__ import annotations

import re

from plabctl.config.read_document import build_path

_GAP = re.compile(r"(?:[\s,]|#[^\n]*)*")
_KEY_PART = re.compile(r"""[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))[ \t]*""")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}' r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def find_key_lines(text: str) -> dict[str, int]:
    """Return the line of each key and table in `text`, by path; a second table `[[hook]]` is `hook[2]`."""
    scan = _Scanner(text.replace("\r\n", "\n"))
    scan.scan()
    return scan.lines


class _Scanner:
    """One pass over one file."""

    def __init__(self, text: str) -> None:
        self.lines: dict[str, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted_to = 0
        self._counts: dict[str, int] = {}

    def scan(self) -> None:
        """Walk over all tables and keys."""
        table = ""
        while self._skip(_GAP) and self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._read_header()
            else:
                self._read_pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self._at)
        assert found, f"the text is TOML, yet not at {self._at}"
        self._at = found.end()
        return True

    def _note(self, path: str, start: int) -> None:
        self._line += self._text.count("\n", self._counted_to, start)
        self._counted_to = start
        self.lines.setdefault(path, self._line)

    def _read_key(self, parent: str) -> str:
        """Walk over a key, dotted or not, and return its path; a table of an array means its latest."""
        path = parent
        while True:
            found = _KEY_PART.match(self._text, self._at)
            assert found, f"the text is TOML, yet there is no key at {self._at}"
            self._at = found.end()
            path = build_path(path, found[1] or found[2] or found[3] or "")
            if self._at >= len(self._text) or self._text[self._at] != ".":
                return path
            if path in self._counts:
                path = f"{path}[{self._counts[path]}]"
            self._at += 1

    def _read_header(self) -> str:
        start = self._at
        is_many = self._text.startswith("[[", start)
        self._at += 2 if is_many else 1
        path = self._read_key("")
        self._at += 2 if is_many else 1
        if is_many:
            self._counts[path] = self._counts.get(path, 0) + 1
            path = f"{path}[{self._counts[path]}]"
        self._note(path, start)
        return path

    def _read_pair(self, parent: str) -> None:
        start = self._at
        path = self._read_key(parent)
        self._note(path, start)
        self._at += 1
        self._read_value(path)

    def _read_value(self, path: str) -> None:
        while self._text[self._at] in " \t":
            self._at += 1
        opening = self._text[self._at]
        if opening in "\"'":
            self._skip(_STRING)
        elif opening in "[{":
            self._at += 1
            closing = "]" if opening == "[" else "}"
            count = 0
            while self._skip(_GAP) and self._text[self._at] != closing:
                if opening == "[":
                    count += 1
                    self._read_value(f"{path}[{count}]")
                else:
                    self._read_pair(path)
            self._at += 1
        else:
            self._skip(_SCALAR)
