"""Text from nodes is made harmless here, once, before it becomes part of a report.

Pure. What a node prints may hold escape sequences that retitle or clear a terminal, bytes that are no text, and
characters that reorder or hide what is shown. All other code trusts what it returns.
"""

from __future__ import annotations

import re

from plabctl.masks import mask_secrets

MAX_REASON = 300
"""Characters kept of a line that becomes a reason."""

_ESCAPES = re.compile(
    r"""
      (?:\x1b[\]PX^_] | [\x9d\x90\x98\x9e\x9f])                    # strings, such as a window's title,
        [^\x07\x1b\x9c\n]* (?:\x07 | \x1b\\ | \x9c | (?=\x1b|\n) | \Z)  # to their terminator or the line's end
    | (?:\x1b\[ | \x9b) [0-?]* [\ -/]* [@-~]?                       # control sequences
    | \x1b [\ -/]* [0-~]?                                           # the short ones
    """,
    re.VERBOSE,
)
_CONTROLS = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but newline and tab, DEL, C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # invisible letters and fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, direction
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"  # half pairs
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2"  # formats of Arabic and Syriac,
    "\U000110bd\U000110cd\U00013430-\U0001343f"  # of Kaithi and of hieroglyphs,
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # of shorthand and of music
    "\U000e0000-\U000e0fff"  # tags
    "]"
)

_BLANKS = str.maketrans("\n\t", "  ")


def clean(data: bytes | str, limit: int | None = None) -> str:
    """Return `data` as text that can be shown anywhere: of control characters only newline and tab are left.

    Bytes are decoded as UTF-8; what is not becomes U+FFFD. Escape sequences go whole. `limit` caps the characters.
    """
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", _ESCAPES.sub("", text))
    return text if limit is None else text[:limit]


def clean_line(text: str, limit: int) -> str:
    """Return `text` cleaned, on one line and without tabs, so that it can be a cell of any table."""
    return clean(text, limit).translate(_BLANKS)


def find_last_line(text: str) -> str:
    """Return the last line with a word in it, else the last that is not empty, capped, without secrets; or nothing.

    Under the words of an error there may be a line that only points at something, such as `^`.
    """
    lines = [line for raw in text.splitlines() if (line := raw.strip())]
    worded = (line for line in reversed(lines) if any(map(str.isalnum, line[:MAX_REASON])))
    return _mask_line(next(worded, lines[-1] if lines else ""))


def find_first_line(text: str) -> str:
    """Return the first line that is not empty, capped, without secrets; an empty text gives an empty line."""
    return _mask_line(next((line for raw in text.splitlines() if (line := raw.strip())), ""))


def _mask_line(line: str) -> str:
    # Cut before it is looked at: how long that takes grows faster than a line, and a node could make it long.
    return mask_secrets(line[:MAX_REASON])[:MAX_REASON]
