"""Print how many of something there are, in words.

Pure.
"""

from __future__ import annotations


def format_count(count: object, noun: str) -> str:
    """Return `1 node`, `2 nodes`; the count is a number, or what the data of an event has for one."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
