"""The words for one key of the configuration.

Pure. They stand in `plabctl.config.texts` and `plabctl.config.policytexts`.
"""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """The words for one key: what it does, a value as TOML, and, where the default is no constant, the default."""

    help: str
    example: str
    default: str = ""
