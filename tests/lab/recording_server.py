"""A web server on loopback that records what it is asked and answers as a test says.

I/O: threads of this process, ended with the block.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Request(NamedTuple):
    """What was asked."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)


class Answer(NamedTuple):
    """What is answered; `raw` is sent in place of a head and a body, part by part."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = {}
    raw: Callable[[], Iterator[bytes]] | None = None


class RecordingServer:
    """A running server: its `url`, the `requests` it got, and the function that answers the next one."""

    def __init__(self, url: str, answer: Callable[[Request], Answer]) -> None:
        self.url = url
        self.answer = answer
        self.requests: list[Request] = []


@contextmanager
def serve(answer: Callable[[Request], Answer], certificate: Path | None = None) -> Iterator[RecordingServer]:
    """Run a server; with a `certificate`, that file has it and its key, and it speaks TLS."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.context = context
    scheme = "https" if certificate else "http"
    server.record = RecordingServer(f"{scheme}://127.0.0.1:{server.server_port}", answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.record
    finally:
        server.is_ending = True
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    is_ending = False
    record: RecordingServer
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError):  # a client that does not believe us goes away
            request.settimeout(60)
            if self.context:
                with self.context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)
            else:
                super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, self.headers, body)  # type: ignore[arg-type]
        self.server.record.requests.append(request)
        answer = self.server.record.answer(request)
        if answer.raw:
            self.close_connection = True
            for part in answer.raw():
                if self.server.is_ending:
                    return
                self.wfile.write(part)
                self.wfile.flush()
            return
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base calls it
        """Print nothing."""


def write_certificate(path: Path, host: str = "127.0.0.1") -> Path:
    """Write a certificate that vouches for itself, and its key, into the file at `path`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + private)
    path.chmod(0o600)
    return path
