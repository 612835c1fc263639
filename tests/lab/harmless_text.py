"""Is a text inert: nothing in it that a terminal, a table or a shell takes for more than letters?

Pure.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata

OWN_STYLES = re.compile(r"\x1b\[(?:0|1|2|3[1-6])m")
"""The colours that plabctl itself sends."""
_ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@functools.cache
def _pattern(allowed: str) -> re.Pattern[str]:
    """Return what finds the characters that act: controls, formats, half pairs, separators of lines and paragraphs."""
    chars = (chr(code) for code in range(sys.maxunicode + 1))
    acting = (char for char in chars if unicodedata.category(char) in _ACTING and char not in allowed)
    return re.compile("[" + "".join(map(re.escape, acting)) + "]")


def find_active(text: str, allowed: str = "\n") -> str:
    """Return the first piece of `text` that could act on whoever shows it, empty when there is none."""
    found = None if text.isprintable() else _pattern(allowed).search(text)
    return repr(text[max(0, found.start() - 20) : found.start() + 20]) if found else ""


def without_styles(text: str) -> str:
    """Return `text` without the colours that plabctl itself sends."""
    return OWN_STYLES.sub("", text)
