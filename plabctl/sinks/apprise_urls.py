"""The URLs of services for notices: which can be used, what is secret in them, and where they are read from.

I/O: reads the file that holds them. `explain_url` imports apprise, so it is for `config check` alone.
Tests: `tests/sinks/test_apprise_config.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from urllib.parse import unquote, urlsplit

from plabctl.core.keys.notice_types import is_service_url
from plabctl.files.secret_file import read_secret_lines
from plabctl.masks import MASK

MISSING = "apprise is not installed, run: pip install 'plabctl[notify]'"
SERVICES = "https://appriseit.com/services/"
_OPEN = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
"""Schemes of URLs with a host in the place for it, and nothing secret but a user's password and what is sent along."""
_SHORTEST = 4
_LONGEST = 300


def find_scheme(url: str) -> str:
    """Return the scheme of a URL, in lower case: what may be shown of it."""
    return url.partition("://")[0].lower()


def has_secret(url: str) -> bool:
    """Return whether whoever knows the URL can send, or log in, in somebody's name: true where that is not sure."""
    if find_scheme(url) not in _OPEN:
        return True
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    words = parts.query.lower()
    return parts.password is not None or any(word in words for word in ("pass", "token", "key", "auth", "+", "%2b"))


def hide_secrets(text: str, url: str) -> str:
    """Return a message about a URL in one short line, with each part of the URL that may be secret masked."""
    for secret in sorted(_list_secrets(url), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _list_secrets(url: str) -> Iterator[str]:
    scheme, _, rest = url.partition("://")
    yield rest
    place, _, query = rest.partition("?")
    user, _, host_and_path = place.rpartition("@")
    host, *path = host_and_path.split("/")
    parts = [*user.split(":"), *path, *re.split(r"[&=]", query)]
    if scheme.lower() not in _OPEN:
        parts.append(host)
    for part in parts:
        for form in (part, unquote(part)):
            if len(form) >= _SHORTEST:
                yield form


def explain_url(url: str) -> str:
    """Return what is wrong with the URL of a service, in words that show nothing of it but the scheme; empty if fine.

    Raise ImportError when apprise is not installed.
    """
    import apprise

    scheme = find_scheme(url)
    service = apprise.Apprise()
    if service.add(url):
        return ""
    pages = {
        name: each["setup_url"]
        for each in service.details()["schemas"]
        for part in ("protocols", "secure_protocols")
        for name in each[part] or ()
    }
    if scheme in pages:
        return f"the URL lacks something that '{scheme}' needs; see: {pages[scheme]}"
    from plabctl.core.keys.formatting import suggest

    known = pages.keys()
    return f"no service has URLs that begin with '{scheme}://'{suggest(scheme, known)}; see: {SERVICES}"


def read_urls(path: str, owners: Collection[int]) -> tuple[str, ...]:
    """Return the URLs in a file, one a line; lines that begin with `#` are left out.

    Raise ValueError, which says why the file is not used, without its path: that others may read it, for instance.
    """
    urls = read_secret_lines(path, owners)
    for number, url in enumerate(urls, 1):
        if not is_service_url(url):
            raise ValueError(f"entry {number} is no URL, allowed: one such as mailtos://... in each line")
    if not urls:
        raise ValueError("has no URL in it")
    return tuple(dict.fromkeys(urls))
