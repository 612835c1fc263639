"""A connection to a jump host: it opens many tunnels side by side, and says whether the host still answers.

Loads paramiko and uses its inside: its own way of opening channels keeps one answer for all threads that wait for one.
The tests open channels of real servers, so that they fail when the inside is another. Go on with
`plabctl.probes.jump_hosts`, which shares these connections, and `plabctl.probes.tunnel`.
Tests: `tests/probes/test_jump_hosts.py`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import paramiko

from plabctl.probes.bounded_transport import WINDOW
from plabctl.probes.ssh_transport import NodeTransport

_PACKET = 32768
_KIND = "direct-tcpip"
_FROM = ("127.0.0.1", 0)
"""Where the connection is said to come from: servers only log it."""
_PING = "keepalive@openssh.com"
"""A request that every server answers, whether it knows it or not (RFC 4254, section 4)."""


class Opening:
    """A tunnel that was asked for. `answered` is set when it is open, refused, or the connection has ended."""

    def __init__(self, channel: paramiko.Channel, answered: threading.Event) -> None:
        self.channel = channel
        self.answered = answered
        self.refusal: tuple[int, str] | None = None
        """The reason code (RFC 4254, section 5.1) and the words of a refusal."""

    @property
    def is_open(self) -> bool:
        """Return whether data can be sent through it."""
        return bool(self.channel.active and not self.channel.closed)


class JumpTransport(NodeTransport):
    """A transport for tunnels. What comes through a tunnel is bounded at its end, by the node's own transport."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._openings: dict[int, Opening] = {}
        self._pings: deque[threading.Event] = deque()
        self._ping_lock = threading.Lock()
        super().__init__(*arguments, **options)

    def begin_tunnels(self) -> None:
        """Take it as logged in: its data is no longer counted."""
        self._meter.begin_relay()

    def request_tunnel(self, host: str, port: int) -> Opening:
        """Ask for a tunnel to a port of `host`, whose name the jump host looks up; do not wait for the answer."""
        message = paramiko.Message()
        message.add_byte(paramiko.common.cMSG_CHANNEL_OPEN)
        message.add_string(_KIND)
        with self.lock:
            number = self._next_channel()  # type: ignore[attr-defined]  # not in paramiko's published types
            channel = paramiko.Channel(number)
            self._channels.put(number, channel)  # type: ignore[attr-defined]
            self.channel_events[number] = answered = threading.Event()
            self.channels_seen[number] = True
            opening = self._openings[number] = Opening(channel, answered)
            channel._set_transport(self)  # type: ignore[attr-defined]
            channel._set_window(WINDOW, _PACKET)  # type: ignore[attr-defined]
        for value in (number, WINDOW, _PACKET):
            message.add_int(value)
        for name, place in ((host, port), _FROM):
            message.add_string(name)
            message.add_int(place)
        self._meter.begin_relay()
        self._send(message)
        if not self.is_active():
            answered.set()
        return opening

    def abandon(self, opening: Opening) -> None:
        """Want a tunnel no more that was not answered yet: it is closed when it opens."""
        with self.lock:
            is_waiting = self._openings.pop(opening.channel.get_id(), None) is not None
        if not is_waiting:
            opening.channel.close()

    def ping(self, timeout_s: float) -> bool:
        """Return whether the host answers within so many seconds."""
        answered = threading.Event()
        message = paramiko.Message()
        message.add_byte(paramiko.common.cMSG_GLOBAL_REQUEST)
        message.add_string(_PING)
        message.add_boolean(True)
        with self._ping_lock:  # answers come in the order of the requests
            if not self.is_active():
                return False
            self._pings.append(answered)
            self._send(message)
        return answered.wait(timeout_s) and self.is_active()

    def _send(self, message: paramiko.Message) -> None:
        with suppress(paramiko.SSHException, EOFError, OSError):  # it has ended, as who waits for an answer will see
            self._send_user_message(message)

    def run(self) -> None:
        """Serve the connection until it ends; nobody waits for an answer from then on."""
        try:
            super().run()
        finally:
            for opening in list(self._openings.values()):
                opening.answered.set()
            for answered in list(self._pings):
                answered.set()

    def _parse_channel_open_success(self, message: paramiko.Message) -> None:
        number = message.get_int()
        message.rewind()
        self._take_answer(number, message, super()._parse_channel_open_success)  # type: ignore[misc]

    def _parse_channel_open_failure(self, message: paramiko.Message) -> None:
        number, code, text = message.get_int(), message.get_int(), message.get_binary()
        message.rewind()
        if opening := self._openings.get(number):
            opening.refusal = code, text.decode(errors="replace")
        self._take_answer(number, message, super()._parse_channel_open_failure)  # type: ignore[misc]

    def _take_answer(self, number: int, message: paramiko.Message, parse: Callable[[paramiko.Message], None]) -> None:
        """Have paramiko take an answer; close at once what nobody waits for any more."""
        channel = self._channels.get(number)  # type: ignore[attr-defined]
        with self.lock:
            is_wanted = self._openings.pop(number, None) is not None
        parse(message)
        if channel is not None and not is_wanted and channel.active:
            with channel.lock:
                farewell = channel._close_internal()
            for each in filter(None, farewell):
                self._send_message(each)  # type: ignore[attr-defined]

    def _parse_request_success(self, message: paramiko.Message) -> None:
        del message
        self._take_pong()

    def _parse_request_failure(self, message: paramiko.Message) -> None:
        del message
        self._take_pong()

    def _take_pong(self) -> None:
        if self._pings:
            self._pings.popleft().set()
