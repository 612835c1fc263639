"""Servers that stop answering, each at one point of the protocol."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import paramiko

from plabctl.core.settings import SshSettings
from plabctl.probes.frame import MARK, build_end_mark
from plabctl.probes.ssh_transport import NodeTransport
from tests.lab.stage_parser import parse_stages

RAW_STAGES = ("accept", "banner", "drip-banner", "drip-lines", "kex")
SSH_STAGES = (
    "kex-reply",
    "auth",
    "channel",
    "exec",
    "silence",
    "drip",
    "eof-only",
    "close-only",
    "flood",
    "exit-then-drip",
    "exit-then-flood",
    "hang-up",
)
STAGES = (*RAW_STAGES, *SSH_STAGES)

WORD = b"stall"
"""A stage that holds this word stalls; any other is answered as if it had passed."""


class StallingServer:
    """A server on loopback that stalls at `stage`, each connection for `max_wait_s`; `stop` lets everything go."""

    def __init__(self, stage: str, directory: Path, max_wait_s: float | None = None) -> None:
        self.stage = stage
        self._patience_s = max_wait_s
        self.over = threading.Event()
        self.host_key = paramiko.ECDSAKey.generate()
        self.user_key = directory / "user"
        paramiko.ECDSAKey.generate().write_private_key_file(str(self.user_key))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port: int = self.listener.getsockname()[1]
        self.known_hosts = directory / "known_hosts"
        self.known_hosts.write_text(
            f"[127.0.0.1]:{self.port} {self.host_key.get_name()} {self.host_key.get_base64()}\n"
        )
        self.open: list[socket.socket] = []
        if stage != "accept":
            threading.Thread(target=self._serve, daemon=True).start()

    def settings(self, **changes: object) -> SshSettings:
        values: dict[str, object] = {
            "user": "any",
            "port": self.port,
            "key": str(self.user_key),
            "known_hosts": str(self.known_hosts),
            **changes,
        }
        return SshSettings(**values)  # type: ignore[arg-type]  # the values are those of the dictionary above

    def stop(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # which ends the accept() of our thread
        self.listener.close()
        for sock in self.open:
            sock.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.open.append(sock)
                threading.Thread(target=self._attend, args=(sock,), daemon=True).start()

    def stall(self) -> None:
        """Wait until everything is let go, or the patience with one connection is over."""
        self.over.wait(self._patience_s)

    def _attend(self, sock: socket.socket) -> None:
        self._answer(sock)
        if self._patience_s is not None:
            self.stall()
            sock.close()
            self.open.remove(sock)

    def _answer(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            match self.stage:
                case "banner":
                    pass
                case "drip-banner":
                    self._drip(lambda: sock.sendall(b"x"))
                case "drip-lines":
                    self._drip(lambda: sock.sendall(b"welcome\r\n"))
                case "kex":
                    sock.sendall(b"SSH-2.0-Stalled\r\n")
                case _:
                    self._speak(sock)

    def _drip(self, act: Callable[[], object]) -> None:
        while not self.over.wait(0.1):
            act()

    def _speak(self, sock: socket.socket) -> None:
        transport = NodeTransport(sock)
        transport.add_server_key(self.host_key)
        if self.stage == "kex-reply":
            transport._parse_kex_init = lambda message: self.stall()  # type: ignore[method-assign]
        transport.start_server(server=_Stalling(self), event=threading.Event())


class _Stalling(paramiko.ServerInterface):
    def __init__(self, stalling_server: StallingServer) -> None:
        self.owner = stalling_server

    def _stall(self, stage: str) -> None:
        if self.owner.stage == stage:
            self.owner.stall()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._stall("auth")
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self._stall("channel")
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._stall("exec")
        threading.Thread(target=self._serve, args=(channel,), daemon=True).start()
        return True

    def _serve(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError, EOFError):  # the test may be over by now
            for number, text in parse_stages(iter(lambda: channel.recv(32768), b"")):
                channel.sendall(MARK)
                if WORD in text:
                    self._stall_in_stage(channel)
                    return
                channel.sendall(build_end_mark(number, 0))

    def _stall_in_stage(self, channel: paramiko.Channel) -> None:
        match self.owner.stage:
            case "drip":
                self.owner._drip(lambda: channel.sendall(b"."))
            case "flood":
                while not self.owner.over.is_set():  # or until nobody is there any more
                    channel.sendall(b"flood " * 1000)
            case "exit-then-drip":
                channel.send_exit_status(0)
                self.owner._drip(lambda: channel.sendall(b"."))
            case "exit-then-flood":
                channel.send_exit_status(0)
                while not self.owner.over.is_set():
                    channel.sendall(b"flood " * 1000)
            case "hang-up":
                _say_farewell(channel.get_transport())
            case "eof-only":
                channel.shutdown_write()
            case "close-only":
                channel.close()
        self.owner.stall()


def _say_farewell(transport: paramiko.Transport) -> None:
    message = paramiko.Message()
    message.add_byte(paramiko.common.cMSG_DISCONNECT)
    message.add_int(11)  # by application
    message.add_string(b"mind the gap\xff")  # no UTF-8: it may say anything
    message.add_string("")
    transport._send_message(message)  # type: ignore[attr-defined]  # no public call sends it
    transport.close()
