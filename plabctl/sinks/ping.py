"""The sink `ping`: a service that raises the alarm when no tick comes any more is told of each.

I/O: HTTP requests by the protocol of healthchecks.io, which many such services speak: `URL/start` when a tick begins,
`URL/CODE` with its exit code when it ended. The URL is a secret, as whoever knows it may say that all is well: nothing
but its host is ever shown.
Tests: `tests/app/test_tick_sinks.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import ValueType
from plabctl.files.secret_file import find_readers, read_secret_lines
from plabctl.sinks.base import SinkContext, TickEnd, TickSinkKind
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import Origin, Settings, SinkSettings

_SCHEMES = ("http", "https")
_ALLOWED = "begins with http:// or https:// and a host, without a user"
_READ_BYTES = 1024
_MOST_CODE = 255


class SecretUrl(ValueType):
    """The URL of a page. It is a secret: no message and no output shows it."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("a URL such as https://hc-ping.com/UUID")

    def read(self, value: object) -> str:
        """Return the URL."""
        if isinstance(value, str):
            return value
        raise ValueError("the value, which is not shown here, is no text")

    def show(self, value: object) -> str:
        """Return as TOML which host it is."""
        return f'"{str(value).partition("://")[0]}://{find_host(str(value))}/***"'


@dataclass(frozen=True, slots=True)
class PingOptions:
    """What only a sink of this kind can be told."""

    url: str = ""
    url_file: str = ""


class PingKind(TickSinkKind):
    """A service that expects to hear of ticks."""

    name = "ping"
    help = (
        "a service such as healthchecks.io, which is told when a tick begins and with which exit code it ended, and "
        "raises the alarm when none comes; see prometheus.md"
    )
    keys = Table(
        "sink.ping",
        PingOptions(),
        Key(
            "url",
            SecretUrl(),
            text="What is fetched: with `/start` behind it when a tick begins, with `/` and its exit code when it "
            "ended. It is never shown.",
            example='"https://hc-ping.com/3f6b2d0e-4a51-4f0c-9d0a-7f1c2b3a4d5e"',
            default="none",
        ),
        Key(
            "url_file",
            FilePath(),
            text="A file with the URL in a line, in place of `url`. It is refused when others may read it.",
            example='"/etc/plabctl/ping.url"',
            default="none",
        ),
    )
    hears_begin = True

    def check(self, given: Mapping[str, Any], defaults: PingOptions) -> Iterator[tuple[str, str]]:
        """Refuse two places for the URL, and none."""
        if "url" in given and "url_file" in given:
            yield "url_file", "there is url as well, allowed: one of both"
        if "url" not in given and "url_file" not in given:
            yield "url", "missing, allowed: a URL here, or in the file that url_file names"
        if "url" in given and not find_host(given["url"]):
            yield (
                "url",
                f"the value, which is not shown here, is no URL, allowed: one that {_ALLOWED}",
            )

    def identify(self, own: SinkSettings) -> str:
        """Return what it is called: the URL is a secret."""
        return self.describe(own)

    def describe(self, own: SinkSettings) -> str:
        """Return the kind, and the host or the file."""
        options = _find_options(own)
        return f"ping '{options.url_file or find_host(options.url)}'"

    def find_faults(self, own: SinkSettings, settings: Settings) -> Iterator[tuple[str, str]]:
        """Yield why the URL is not used, or that others may read it."""
        options = _find_options(own)
        try:
            _find_url(options, settings.origin)
        except ValueError as why:
            yield "url_file", f"{options.url_file}: {why}"
        if options.url and (others := find_readers(os.stat(settings.path))):
            advice = f"put it into a url_file, or run: chmod 600 '{settings.path}'"
            yield "url", f"is a secret, and {others} may read '{settings.path}'; {advice}"

    def list_named_files(self, options: PingOptions) -> Iterator[tuple[str, bool]]:
        """Yield the file with the URL."""
        if options.url_file:
            yield options.url_file, True

    def begin_tick(self, own: SinkSettings, tick_id: str, context: SinkContext) -> None:
        """Fetch `URL/start`; that it fails matters only if the end cannot be told either."""
        self._fetch(own, "start", tick_id, self.limit_s, context)

    def end_tick(self, own: SinkSettings, tick_id: str, end: TickEnd, timeout_s: float, context: SinkContext) -> str:
        """Fetch `URL/CODE`."""
        return self._fetch(own, str(min(max(end.exit_code, 0), _MOST_CODE)), tick_id, timeout_s, context)

    def _fetch(self, own: SinkSettings, word: str, tick_id: str, timeout_s: float, context: SinkContext) -> str:
        try:
            url = _find_url(_find_options(own), context.origin)
        except ValueError as why:
            return str(why)
        return fetch(build_url(url, word, tick_id), timeout_s)


PING = PingKind()


def _find_url(options: PingOptions, origin: Origin) -> str:
    """Return the URL; raise ValueError, which says why without the path, when the file is not used or has no URL."""
    if options.url:
        return options.url
    lines = read_secret_lines(options.url_file, origin.owners)
    if len(lines) != 1 or not find_host(lines[0]):
        raise ValueError(f"not used: it must have one line, with a URL that {_ALLOWED}")
    return lines[0]


def find_host(url: str) -> str:
    """Return the host of a URL, with its port; empty when it is none of a page, or names a user."""
    from urllib.parse import urlsplit

    from plabctl.core.names import is_host

    if not url.isascii() or not url.isprintable() or " " in url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    host = parts.hostname or ""
    if parts.scheme not in _SCHEMES or parts.username is not None or not is_host(host.removesuffix(".")):
        return ""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def build_url(url: str, word: str, tick_id: str) -> str:
    """Return `url` with a word behind its path, and the id of the tick: ticks overlap."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    query = f"{parts.query}&rid={tick_id}" if parts.query else f"rid={tick_id}"
    return parts._replace(path=f"{parts.path.rstrip('/')}/{word}", query=query, fragment="").geturl()


def fetch(url: str, timeout_s: float) -> str:
    """Fetch a page, and no other that it leads to; return what went wrong, without secrets."""
    import http.client
    import urllib.error
    import urllib.request

    from plabctl import __version__

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    opener = urllib.request.build_opener(NoRedirect)
    opener.addheaders = [("User-Agent", f"plabctl/{__version__}")]
    try:
        with opener.open(url, timeout=timeout_s) as answer:
            answer.read(_READ_BYTES)
    except urllib.error.HTTPError as fault:
        fault.close()
        is_redirect = 300 <= fault.code < 400
        return f"it answers with {fault.code}" + (", a redirect, which is not followed" if is_redirect else "")
    except urllib.error.URLError as fault:
        return _describe(fault.reason)
    except (OSError, http.client.HTTPException, ValueError) as fault:  # such as a redirect's or proxy's odd host
        return _describe(fault)
    return ""


def _describe(reason: object) -> str:
    """Return in words why a page could not be fetched; what is in the message of an error may be the URL."""
    import ssl

    if isinstance(reason, TimeoutError):
        return f"no answer within {PING.limit_s:g} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {reason.verify_message}"
    if isinstance(reason, OSError) and reason.strerror:
        return f"it cannot be reached: {reason.strerror.lower()}"
    return f"it cannot be reached, or its answer is not understood ({type(reason).__name__})"


def _find_options(own: SinkSettings) -> PingOptions:
    assert isinstance(own.options, PingOptions), "the configuration fills it"
    return own.options
