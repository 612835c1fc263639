"""A link that is slow and far away: a proxy on loopback that passes everything on late, and little of it at a time.

I/O: sockets and threads, that end with the `with` block.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator

_PIECE = 1024


@contextlib.contextmanager
def slow_link(port: int, *, delay_s: float, bytes_per_s: int) -> Iterator[int]:
    """Yield a port that leads to `port`, `delay_s` later each way and at most `bytes_per_s` fast."""
    ends: list[socket.socket] = []

    def carry(source: socket.socket, target: socket.socket) -> None:
        waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=_deliver, args=(waiting, target), daemon=True).start()
        free_at = 0.0
        data = b"-"
        while data:
            try:
                data = source.recv(_PIECE)
            except OSError:
                data = b""
            free_at = max(time.monotonic(), free_at) + len(data) / bytes_per_s
            waiting.put((free_at + delay_s, data))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                ends.extend((near, far))
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=carry, args=(source, target), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for end in ends:
        end.close()


def _deliver(waiting: queue.SimpleQueue[tuple[float, bytes]], target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            at, data = waiting.get()
            time.sleep(max(0.0, at - time.monotonic()))
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
