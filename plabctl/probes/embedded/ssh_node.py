"""An SSH node inside this process, on a port of 127.0.0.1 that the kernel chooses.

I/O. Each node has a thread that accepts, one for each connection (`ssh_server`) and one for each command
(`command_session`).
All are daemon threads: they never keep the process alive.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko

from plabctl.probes.embedded.command_session import CommandSession
from plabctl.probes.embedded.counter import ActivityCounter
from plabctl.probes.embedded.orphan_processes import kill_marked
from plabctl.probes.embedded.ssh_server import ServerTransport, SshServer

LOOPBACK = "127.0.0.1"
BACKLOG = 256
STOP_S = 3.0
"""How long `stop` waits for threads that should end at once."""
ACCEPT_AGAIN_S = 0.05
CHUNK = 4096


class PortFault(StrEnum):
    """What is wrong with the node's SSH port. Faults of commands are a matter of what lies in the node's directory."""

    NONE = "none"
    REFUSING = "refusing"
    """Its port is taken, so that nobody else gets it, and nothing listens there."""
    SILENT = "silent"
    """It accepts connections and never says a word."""


class EmbeddedNode:
    """An SSH server whose commands run in `directory`: HOME, TMPDIR and working directory of each of them.

    `host_key` is a private key file. The holder of the private half of `authorized_key` (`ssh-ed25519 AAAA...`) may run
    commands, under any user name. Programs in `directory/bin` come first. `sessions` counts running commands and
    `connections` open connections; one that the client has just cut may count for a moment longer. Either may be
    shared with other nodes.
    """

    def __init__(
        self,
        directory: Path,
        host_key: Path,
        authorized_key: str,
        *,
        fault: PortFault = PortFault.NONE,
        sessions: ActivityCounter | None = None,
        connections: ActivityCounter | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.fault = fault
        self.sessions = sessions or ActivityCounter()
        self.connections = connections or ActivityCounter()
        self._host_key = paramiko.Ed25519Key.from_private_key_file(str(host_key))
        kind, text = authorized_key.split()[:2]
        self._authorized_key = paramiko.PKey.from_type_string(kind, base64.b64decode(text))
        self._mark = f"PLABCTL_EMBEDDED_NODE={uuid.uuid4()}"
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._clients: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._stopping = False

    @property
    def port(self) -> int:
        """The port it has between `start` and `stop`."""
        assert self._listener is not None, "the node is not started"  # a mistake of the caller
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def public_key(self) -> str:
        """The host key as known_hosts should hold it: `ssh-ed25519 AAAA...`."""
        return f"{self._host_key.get_name()} {self._host_key.get_base64()}"

    def start(self) -> Self:
        """Take a port and serve it; raise OSError when that cannot be."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._listener = listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((LOOPBACK, 0))
        if self.fault is not PortFault.REFUSING:
            listener.listen(BACKLOG)
            self._spawn("accept", lambda: self._accept(listener))
        return self

    def stop(self) -> None:
        """Close every connection, kill every process that its commands left, and give the port back."""
        with self._lock:
            self._stopping = True
            clients, threads = list(self._clients), list(self._threads)
        if self._listener is not None:
            _shut_down(self._listener)
            self._listener.close()
        for client in clients:
            _shut_down(client)
        until = time.monotonic() + STOP_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        kill_marked(self._mark)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping:
            try:
                client, _ = listener.accept()
            except OSError:
                # Stopped; or out of descriptors, and other threads of this process will give some back.
                time.sleep(ACCEPT_AGAIN_S)
                continue
            with self._lock:
                # `stop` may have looked at the clients a moment ago: then this one is ours to close.
                if self._stopping:
                    client.close()
                    return
                self._clients.add(client)
            self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        if self.fault is PortFault.SILENT:
            self._spawn("silence", lambda: self._keep_silent(client))
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        gate = SshServer(self._authorized_key, self._start_session)
        transport = ServerTransport(client, gate, self._host_key, self.connections, lambda: self._forget(client))
        with self._lock:
            transport.serve()  # as in `_spawn`
            self._threads.add(transport)

    def _keep_silent(self, client: socket.socket) -> None:
        try:
            with self.connections, client:
                while client.recv(CHUNK):
                    pass
        except ConnectionError:
            pass  # the client was rude: it has gone all the same
        finally:
            self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        with self._lock:
            self._clients.discard(client)
            self._threads.discard(threading.current_thread())

    def _start_session(self, channel: paramiko.Channel, command: bytes, variables: dict[str, str]) -> None:
        self.sessions.enter()
        session = CommandSession(
            channel, command, self.directory, self._build_environment() | variables, self.sessions.leave
        )
        self._spawn("session", session.run)

    def _build_environment(self) -> dict[str, str]:
        home = str(self.directory)
        path = os.environ.get("PATH", os.defpath)
        name, _, value = self._mark.partition("=")
        return {"HOME": home, "TMPDIR": home, "PATH": f"{home}/bin:{path}", "SHELL": "/bin/sh", name: value}

    def _spawn(self, what: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f"{self.directory.name}:{what}", daemon=True)
        with self._lock:
            # Started before `stop` can see it: what was not started cannot be waited for.
            thread.start()
            self._threads.add(thread)


def _shut_down(connection: socket.socket) -> None:
    """Wake the threads that wait on `connection`; merely closing it would leave them waiting."""
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)
