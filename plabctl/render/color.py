"""Whether to use colour.

Pure. The order: what was asked for on the command line, then NO_COLOR, FORCE_COLOR, a dumb terminal, and at last
whether it is a terminal at all.
"""

from __future__ import annotations

from collections.abc import Mapping


def wants_color(choice: str, environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Return whether to colour; `choice` is `auto`, `always` or `never`. Source: no-color.org, force-color.org."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal and environ.get("TERM", "") not in {"", "dumb", "unknown"}
