"""A web server on loopback with pages that a test chooses, each with an ETag; it counts what it was asked."""

import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class WebPages:
    """What is served: files below `folders`, and by path answers of any kind."""

    folders: dict[str, Path] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    """How often which status was answered."""
    url: str = ""

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        if answer := self.answers.get(handler.path):
            answer(handler)
            return
        _, name, *rest = handler.path.split("/")
        path = self.folders.get(name, Path("/none")).joinpath(*rest)
        if not path.is_file():
            self.send(handler, 404)
            return
        data = path.read_bytes()
        tag = f'"{sha256(data).hexdigest()[:16]}"'
        is_same = handler.headers.get("If-None-Match") == tag
        self.send(handler, 304 if is_same else 200, b"" if is_same else data, ETag=tag)

    def send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
        self.counts[status] += 1
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", f"{len(body)}")
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def serving_pages(certificate: tuple[Path, Path] | None = None) -> Iterator[WebPages]:
    """Serve until the end of the block; with TLS, if there is a certificate, which comes with its key."""
    pages = WebPages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages.serve(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name for it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who believes no certificate hangs up
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    pages.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    try:
        yield pages
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
