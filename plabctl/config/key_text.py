"""The words for one key of the configuration.

Pure. They stand in `plabctl.config.key_texts` and `plabctl.config.policy_texts`.
"""

from __future__ import annotations

from typing import NamedTuple


class KeyText(NamedTuple):
    """The words for one key: what it does, a value as TOML, and, where the default is no constant, the default."""

    help: str
    example: str
    default: str = ""
