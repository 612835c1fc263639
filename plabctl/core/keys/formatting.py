"""Values as people read and write them in the config file: durations, sizes, lists, and what a fault says it saw.

Pure. Used by `plabctl.core.keys.types` and by the texts made from the schema.
Tests: `tests/config/test_schema.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

_DURATIONS_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_SIZES = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024), ("B", 1))
_SHORT = {"\n": "\\n", "\t": "\\t"}
_SHOWN_LENGTH = 60
_MAX_DIGITS = 18


def format_exact_duration(seconds: float) -> str:
    """Return `seconds` in as many units as it takes to lose nothing down to a millisecond: `2m30s`, `500ms`."""
    rest = round(seconds * 1000)
    parts: list[str] = []
    for unit, size in _DURATIONS_MS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int | None:
    """Return the bytes that `text` names, such as `64KiB`; None if it names none."""
    for unit, factor in _SIZES:
        number = text.removesuffix(unit)
        if number != text and len(number) <= _MAX_DIGITS and number.isascii() and number.isdigit():
            return int(number) * factor
    return None


def format_size(size: int) -> str:
    """Return `size` bytes in the largest unit that fits exactly: `64KiB`, `1000B`."""
    for unit, factor in _SIZES:
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return "0B"


def quote(text: str) -> str:
    """Return `text` as a TOML string; control characters come out as escapes."""
    body = text.replace("\\", "\\\\").replace('"', '\\"')
    if not body.isprintable():
        body = "".join(char if char.isprintable() else _escape(char) for char in body)
    return f'"{body}"'


def _escape(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # where \u ends


def format_list(words: Iterable[str]) -> str:
    """Return `words` as a TOML list of strings."""
    return "[" + ", ".join(map(quote, words)) + "]"


def describe_value(value: object) -> str:
    """Return `value`, as it was found in a config file, for a fault: short, on one line, inert."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        from plabctl.masks import mask_secrets

        shown = mask_secrets(value)
        return quote(shown) if len(shown) <= _SHOWN_LENGTH else quote(shown[:_SHOWN_LENGTH] + "...")
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return str(value)[:_SHOWN_LENGTH]


def suggest(word: str, known: Collection[str]) -> str:
    """Return `, did you mean "..."?` with the most similar of the `known` words, or nothing."""
    # Imported here: only a faulty file needs it.
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {quote(close[0])}?" if close else ""
