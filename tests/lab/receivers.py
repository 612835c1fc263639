"""Receivers of notices on loopback: a web server that records, a mail server, and a port that is silent."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Request(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class WebServer:
    """Records every request. It answers 200 and the JSON in `answers` by path, else an empty object."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: dict[str, object] = {}
        self.status = 200
        self.pause_s = 0.0
        """How long a request waits for its answer."""
        self.context: ssl.SSLContext | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.requests.append(Request(self.command, self.path, self.headers, body))
                time.sleep(server.pause_s)
                path = self.path.partition("?")[0]
                answer = next((value for start, value in server.answers.items() if path.startswith(start)), {})
                content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_CONNECT(self) -> None:
                """Be the other end as well, under the name that was asked for."""
                self.send_response(200)
                self.end_headers()
                assert server.context, "it stands in for somebody"
                self.connection = self.request = server.context.wrap_socket(self.connection, server_side=True)
                self.setup()
                self.close_connection = False

            do_GET = do_POST = do_PUT = _answer  # noqa: N815 - as the library calls them

            def finish(self) -> None:
                super().finish()
                self.connection.close()

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stand_in_for(self, host: str, folder: Path) -> None:
        """Be `host` to those who take this server for their proxy and trust `ca.pem` in `folder`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        (folder / "ca.pem").write_bytes(certificate)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "server.pem").write_bytes(certificate + private)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem")

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Controller(Controller):
    """Listens on a port that the kernel chooses."""

    def _create_server(self) -> Any:
        listener = socket.create_server(("127.0.0.1", 0))
        self.hostname, self.port = listener.getsockname()
        return self.loop.create_server(self._factory_invoker, sock=listener)


class MailServer:
    """Takes mail for everybody from `ada` with the password `open sesame`, and keeps it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.recipients: list[list[str]] = []
        self._controller = _Controller(self, authenticator=self._authenticate, auth_require_tls=False)
        self._controller.start()
        self.port: int = self._controller.port

    @staticmethod
    def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ada", b"open sesame")
        return AuthResult(success=is_known)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Keep the message."""
        content = envelope.content
        assert isinstance(content, bytes)
        self.messages.append(message_from_bytes(content, policy=default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    def close(self) -> None:
        """Stop."""
        self._controller.stop()


@contextmanager
def open_silent_port() -> Iterator[int]:
    """Yield a port of loopback on which everybody is let in and nobody is answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]
