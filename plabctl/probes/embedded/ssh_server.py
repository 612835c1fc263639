"""What an embedded node grants: one key, exec requests, and nothing else.

I/O. One `SshServer` stands for one connection; paramiko calls it from that connection's thread. Go on with
`command_session`, where a command runs.
Tests: `tests/probes/embedded/test_ssh_node.py`.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    MSG_CHANNEL_REQUEST,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from plabctl.probes.embedded.counter import ActivityCounter

LOG = "plabctl.embedded"
# paramiko reports every client that vanishes, and vanishing is what clients do here: nobody needs to read of it.
logging.getLogger(LOG).addHandler(logging.NullHandler())
logging.getLogger(LOG).propagate = False

_GRANTED_NAME = re.compile(r"LANG|LC_[A-Z]+|PLABCTL_[A-Z0-9_]+")

StartSession = Callable[[paramiko.Channel, bytes, dict[str, str]], None]


class SshServer(paramiko.ServerInterface):
    """Answers a client's requests; `begin` is called with channel, command and the variables that the client set."""

    def __init__(self, authorized_key: paramiko.PKey, begin: StartSession) -> None:
        self._authorized_key = authorized_key
        self._start_session = begin
        self._variables: dict[int, dict[str, str]] = {}
        self._accepted: dict[int, bytes] = {}

    def get_allowed_auths(self, username: str) -> str:
        """Name the one way in."""
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Let in clients with the one key, under any user name."""
        return AUTH_SUCCESSFUL if key == self._authorized_key else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Open sessions; refuse forwarding."""
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_env_request(self, channel: paramiko.Channel, name: bytes, value: bytes) -> bool:
        """Take the variables that sshd would take with `AcceptEnv LANG LC_* PLABCTL_*`."""
        word = name.decode("ascii", "replace")
        if not _GRANTED_NAME.fullmatch(word) or b"\0" in value:
            return False
        self._variables.setdefault(channel.get_id(), {})[word] = value.decode("utf-8", "surrogateescape")
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Grant one command for each channel; it is begun by `start_accepted`, once the client was told."""
        if not command or channel.get_id() in self._accepted or b"\0" in command:
            return False
        self._accepted[channel.get_id()] = command
        return True

    def start_accepted(self, channel: paramiko.Channel) -> None:
        """Start what `channel` was granted and has not begun."""
        command = self._accepted.get(channel.get_id())
        if command:
            self._accepted[channel.get_id()] = b""
            self._start_session(channel, command, self._variables.pop(channel.get_id(), {}))


def _answer_then_start(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Start a command only when its request was answered: a quick one would otherwise end before "granted" is sent."""
    channel._handle_request(message)  # type: ignore[attr-defined]  # paramiko has no later moment
    gate = channel.get_transport().server_object
    assert isinstance(gate, SshServer)  # `serve` set it
    gate.start_accepted(channel)


class ServerTransport(paramiko.Transport):
    """paramiko's server side, counted in `connections`; `gone` is called when the client is gone.

    Commands are started after the answer to their request, and an idle connection wakes once a second, not ten times.
    """

    _active_check_timeout = 1.0
    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        MSG_CHANNEL_REQUEST: _answer_then_start,
    }

    def __init__(
        self,
        client: socket.socket,
        gate: SshServer,
        host_key: paramiko.PKey,
        connections: ActivityCounter,
        gone: Callable[[], None],
    ) -> None:
        super().__init__(client)
        self._server = gate
        self._connections = connections
        self._gone = gone
        self.add_server_key(host_key)
        self.set_log_channel(LOG)

    def serve(self) -> None:
        """Serve the client in this transport's own thread; return at once."""
        self.start_server(event=threading.Event(), server=self._server)

    def run(self) -> None:
        """Count the connection for as long as it lasts."""
        try:
            with self._connections:
                super().run()
        finally:
            self._gone()
