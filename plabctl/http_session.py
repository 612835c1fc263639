"""Requests over HTTP to one server, bounded in time and bytes.

I/O. All that fails is a `UsageFault` of one line that begins with the URL. Redirects are not followed, so what is sent
to one server, such as a token, reaches no other. No proxy is used.
Tests: `tests/inventories/test_netbox.py`.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import NamedTuple, Self, cast
from urllib.parse import urlsplit

from plabctl.errors import UsageFault

MAX_BYTES = 64 * 1024**2
"""How long the body of one answer may be."""
Take = Callable[[bytes], object]
"""Is given the body of an answer, piece by piece."""
_CHUNK = 64 * 1024
_SHOWN = 120


class HttpReply(NamedTuple):
    """What a server answered."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """By name, in any case."""
    body: bytes

    @property
    def content_type(self) -> str:
        """Return what it says that it is, such as `text/html`; empty when it does not say."""
        return clean_words(self.headers.get("Content-Type", "").partition(";")[0].strip())


class HttpSession:
    """Requests to the server at `url`, one after the other, all of them within `timeout_s` seconds.

    `ca` is PEM text with the authorities to believe; without it those of the system are believed.
    """

    def __init__(self, url: str, timeout_s: float, *, ca: str = "", max_bytes: int = MAX_BYTES) -> None:
        parts = urlsplit(url)
        self.url = url
        self._path = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s
        self._max_bytes = max_bytes
        self._is_closed = False
        self._socket: socket.socket | None = None
        self._connection: http.client.HTTPConnection
        host = parts.hostname or ""
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(host, parts.port, context=_build_context(ca))
        else:
            self._connection = http.client.HTTPConnection(host, parts.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, also under a request that is still waiting."""
        self._is_closed = True
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        take: Take | None = None,
    ) -> HttpReply:
        """Return the answer to a request for `path` below the URL; raise UsageFault when there is none in time.

        With `take`, the body of an answer that is 200 goes there, and is empty in what is returned.
        """
        found: list[HttpReply | Exception] = []

        def work() -> None:
            try:
                found.append(self._exchange(method, path, headers or {}, body, take))
            except (OSError, http.client.HTTPException, UsageFault, ValueError) as error:
                found.append(error)

        # A daemon: the resolver knows no deadline, and neither does a server that sends its head byte by byte.
        worker = Thread(target=work, daemon=True)
        worker.start()
        worker.join(max(0.0, self._end - time.monotonic()))
        if not found:
            self.close()
            raise self._fault(f"did not answer within {round(self._timeout_s, 1):g} s")
        if isinstance(found[0], Exception):
            self.close()
            raise self._describe(found[0]) from found[0]
        return found[0]

    def require_ok(self, reply: HttpReply, said: str = "") -> None:
        """Raise UsageFault unless the answer is 200; `said` is what the body says is wrong."""
        if 300 <= reply.status < 400:
            target = clean_words(reply.headers.get("Location", "nowhere"))
            raise self._fault(f"redirects to {target}, which is not followed: is that its `url`?")
        if reply.status != http.HTTPStatus.OK:
            words = f"answered {reply.status} {clean_words(reply.reason)}".rstrip()
            raise self._fault(f"{words}: {clean_words(said)}" if said else words)

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, take: Take | None
    ) -> HttpReply:
        left = max(0.001, self._end - time.monotonic())
        self._connection.timeout = left
        if own := self._connection.sock:
            own.settimeout(left)
        is_reused = self._connection.sock is not None
        try:
            response = self._send(method, path, headers, body)
        except ConnectionError:
            if not is_reused or self._is_closed:
                raise
            self._connection.close()  # the server ended it after the last answer, as it may
            response = self._send(method, path, headers, body)
        with response:
            parts: list[bytes] = []
            self._read(response, take if take and response.status == http.HTTPStatus.OK else parts.append)
            content = b"".join(parts)
        return HttpReply(response.status, response.reason, cast("Mapping[str, str]", response.headers), content)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> http.client.HTTPResponse:
        self._connection.request(method, self._path + path, body, {"User-Agent": "plabctl", **headers})
        self._socket = self._connection.sock  # which is the answer's alone when the server ends the connection
        return self._connection.getresponse()

    def _read(self, response: http.client.HTTPResponse, take: Take) -> None:
        size = 0
        while not self._is_closed and (part := response.read(_CHUNK)):
            size += len(part)
            if size > self._max_bytes:
                raise self._fault(f"answered more than {self._max_bytes // 1024**2} MiB")
            take(part)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)

    def _describe(self, error: Exception) -> UsageFault:
        if isinstance(error, UsageFault):
            return error
        if isinstance(error, TimeoutError):
            words = f"did not answer within {round(self._timeout_s, 1):g} s"
        elif isinstance(error, ssl.SSLCertVerificationError):
            words = f"its certificate is not believed: {clean_words(error.verify_message).rstrip('.')}"
        elif isinstance(error, ssl.SSLError):
            words = f"no TLS can be agreed on: {clean_words(error.reason or str(error))}"
        elif isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected | ConnectionResetError):
            words = "broke off its answer"
        elif isinstance(error, OSError):
            words = f"cannot be reached: {clean_words((error.strerror or str(error)).lower())}"
        elif isinstance(error, http.client.HTTPException):
            words = "answers by something that is not HTTP"
        else:
            words = f"cannot be asked: {clean_words(str(error))}"
        return self._fault(words)

    def _fault(self, words: str) -> UsageFault:
        return UsageFault(f"{self.url}: {words}")


def _build_context(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca or None)
    except ssl.SSLError as error:
        raise UsageFault("`ca` has no certificate that can be read") from error


def clean_words(text: str) -> str:
    """Return what a server said as one short line that can be shown."""
    line = " ".join(text.split())[:_SHOWN]
    return "".join(char if char.isprintable() else "?" for char in line)
