"""The types of value that only notices have: URLs of services, which are secret, templates, and numbers by name.

Pure. The other types are in `plabctl.core.keys.types`.
Tests: `tests/sinks/test_apprise_config.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from plabctl.core.keys.formatting import describe_value, format_list, quote
from plabctl.core.keys.types import ValueType
from plabctl.core.names import is_pool_name
from plabctl.core.notice_words import FIELDS, explain_template
from plabctl.masks import MASK
from plabctl.typed import cast

_URL = r"[a-z][a-z0-9+.-]*://[^\s]+"
_MOST = 20
_MOST_NODES = 1_000_000
_LONGEST = 4000


def is_service_url(text: str) -> bool:
    """Return whether `text` looks like the URL of a service."""
    return text.isprintable() and re.fullmatch(_URL, text, re.IGNORECASE) is not None


class ServiceUrls(ValueType):
    """One URL of a service, or several. They are secrets: no message and no output shows more than how they begin."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(f'a URL such as "mailtos://...", or a list of at most {_MOST}')

    def read(self, value: object) -> tuple[str, ...]:
        """Return the URLs."""
        urls = value if isinstance(value, list) else [value]
        if not 0 < len(urls) <= _MOST:
            raise ValueError(f"cannot be a list of {len(urls)}")
        for number, url in enumerate(urls, 1):
            if not isinstance(url, str) or not is_service_url(url):
                which = f"the {number}. value" if isinstance(value, list) else "the value, which is not shown here,"
                raise ValueError(f"{which} is no URL")
        if len(set(urls)) < len(urls):
            raise ValueError("has one URL twice")
        return tuple(urls)

    def format(self, value: object) -> str:
        """Return the URLs as TOML."""
        return format_list(cast("tuple[str, ...]", value))

    def show(self, value: object) -> str:
        """Return them with all but the schemes masked."""
        return format_list([f"{url.partition('://')[0]}://{MASK}" for url in cast("tuple[str, ...]", value)])


class Template(ValueType):
    """A text with the fields of a notice in braces."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("a text with " + ", ".join(f"{{{name}}}" for name in FIELDS) + " in it")

    def read(self, value: object) -> str:
        """Return the template."""
        if not isinstance(value, str) or not 0 < len(value.strip()) <= _LONGEST:
            raise ValueError(f"cannot be {describe_value(value)}")
        if why := explain_template(value):
            raise ValueError(f"{quote(value)}: {why}")
        return value


class Counts(ValueType):
    """A table of whole numbers by the names of pools."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(f"a table of whole numbers from 1 to {_MOST_NODES} by pool, such as {{ good = 40 }}")

    def read(self, value: object) -> tuple[tuple[str, int], ...]:
        """Return the pairs of the table."""
        if not isinstance(value, Mapping) or not value:
            raise ValueError(f"cannot be {describe_value(value)}")
        for name, count in value.items():
            if not is_pool_name(name):
                raise ValueError(f"{describe_value(name)} cannot name a pool")
            if type(count) is not int or not 1 <= count <= _MOST_NODES:
                raise ValueError(f"{name} cannot be {describe_value(count)}")
        return tuple(value.items())

    def format(self, value: object) -> str:
        """Return the pairs as an inline table."""
        pairs = cast("tuple[tuple[str, int], ...]", value)
        return "{ " + ", ".join(f"{name} = {count}" for name, count in pairs) + " }"
