"""What each kind of lying server does; run as `python -m tests.lab.attacks HOST_KEY`, which prints the ports as JSON.

I/O. It ends when its standard input does. A lie is told at one point: in place of a greeting, in the key exchange, when
the client logs in, when a stage runs, or between two stages. Go on with `tests.lab.hostile_servers`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import paramiko
from paramiko.kex_gex import KexGexSHA256

from plabctl.probes.frame import MARK, build_end_mark
from tests.lab.stage_parser import parse_stages

Tell = Callable[[paramiko.Transport], None]

GREETING = b"SSH-2.0-Liar\r\n"
HUGE = (1 << 20) - 1
_PRIME_ENOUGH = (1 << 8191) | (1 << 4000) | 1


def u32(number: int) -> bytes:
    """Return a number of the protocol."""
    return struct.pack(">I", number)


def string(data: bytes, length: int | None = None) -> bytes:
    """Return a string of the protocol, which may state another length than it has."""
    return u32(len(data) if length is None else length) + data


def say(transport: paramiko.Transport, payload: bytes) -> None:
    """Send one message."""
    transport._send_message(paramiko.Message(payload))  # type: ignore[attr-defined]


def again(payload: bytes) -> Tell:
    """Return a lie that sends the same message for ever."""

    def tell(transport: paramiko.Transport) -> None:
        while True:
            say(transport, payload)

    return tell


def once(payload: bytes) -> Tell:
    """Return a lie that sends one message, and nothing more."""

    def tell(transport: paramiko.Transport) -> None:
        say(transport, payload)
        time.sleep(600)

    return tell


def dripping(payload: bytes) -> Tell:
    """Return a lie that sends the same message once a second."""

    def tell(transport: paramiko.Transport) -> None:
        while True:
            say(transport, payload)
            time.sleep(1)

    return tell


def rekeying(transport: paramiko.Transport) -> None:
    """Ask for new keys as soon as there are new ones."""
    while True:
        transport.renegotiate_keys()


def kexinit_only(transport: paramiko.Transport) -> None:
    """Begin a key exchange again and again, and never go on with it."""
    while True:
        transport._send_kex_init()  # type: ignore[attr-defined]


_KIB = b"x" * 1024
ASIDES = {
    "ignore": b"\x02" + string(b""),
    "big ignore": b"\x02" + string(30 * _KIB),
    "debug": b"\x04\0" + string(30 * _KIB) + string(b""),
    "unimplemented": b"\x03" + u32(1),
    "global request": b"\x50" + string(b"keepalive@openssh.com") + b"\1",
    "request success": b"\x51",
    "extensions": b"\x07" + u32(1) + string(b"x") + string(b"y"),
    "x11": b"\x5a" + string(b"x11") + u32(7) + u32(1 << 20) + u32(1 << 15) + string(b"a") + u32(1),
    "forwarded-tcpip": b"\x5a" + string(b"forwarded-tcpip") + u32(7) + u32(1 << 20) + u32(1 << 15),
    "session": b"\x5a" + string(b"session") + u32(7) + u32(1 << 20) + u32(1 << 15),
}
"""Messages that may come at any time after the first key exchange."""
LOGIN_ASIDES = {
    "login banner": b"\x35" + string(_KIB) + string(b""),
    "service accept": b"\x06" + string(b"ssh-userauth"),
}
STAGE_ASIDES = {
    "window adjust": b"\x5d" + u32(0) + u32(1),
    "channel request": b"\x62" + u32(0) + string(b"signal") + b"\1",
    "channel success": b"\x63" + u32(0),
    "end of file": b"\x60" + u32(0),
}

AT_LOGIN: dict[str, Tell] = {
    **{f"{name} at login": again(payload) for name, payload in {**ASIDES, **LOGIN_ASIDES}.items()},
    "kexinit at login": kexinit_only,
    "extension count": once(b"\x07" + u32(0xFFFFFFFF)),
    "drip at login": dripping(ASIDES["ignore"]),
    "long disconnect": once(b"\x01" + u32(2) + string(200 * _KIB) + string(b"")),
    "no such message": once(b"\xc8" + _KIB),
    "empty message": once(b""),
    "text that is none": once(b"\x50" + string(b"\xff\xfe") + b"\1"),
}
IN_STAGE: dict[str, Tell] = {
    **{f"{name} in a stage": again(payload) for name, payload in {**ASIDES, **STAGE_ASIDES}.items()},
    "keys in a stage": rekeying,
    "tiny output": again(b"\x5e" + u32(0) + string(b"x")),
    "output": again(b"\x5e" + u32(0) + string(30 * _KIB)),
    "errors": again(b"\x5f" + u32(0) + u32(1) + string(30 * _KIB)),
    "output of no kind": again(b"\x5f" + u32(0) + u32(9) + string(30 * _KIB)),
    "output that is not there": again(b"\x5e" + u32(0) + string(b"", HUGE)),
    "drip in a stage": dripping(b"\x5e" + u32(0) + string(b"x")),
}
BETWEEN: dict[str, Tell] = {
    "output between stages": IN_STAGE["output"],
    "errors between stages": IN_STAGE["errors"],
    "ignore between stages": again(ASIDES["ignore"]),
}


def _packet(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def _pieces(first: bytes, piece: bytes, pause_s: float = 0.0) -> Callable[[socket.socket], None]:
    def tell(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(first)
        while True:
            sock.sendall(piece)
            time.sleep(pause_s)

    return tell


RAW: dict[str, Callable[[socket.socket], None]] = {
    "banner a byte a second": _pieces(b"", b"x", 1.0),
    "lines a second": _pieces(b"", b"hello\r\n", 1.0),
    "packet a byte a second": _pieces(GREETING + u32(30_004), b"\0", 1.0),
    "packet byte by byte": _pieces(GREETING + u32(200_004), b"\0"),
    "lines without end": _pieces(b"", b"hello\r\n" * 1000),
    "ignore before the keys": _pieces(GREETING, _packet(ASIDES["ignore"]) * 1000),
    "debug before the keys": _pieces(GREETING, _packet(ASIDES["debug"])),
    "unimplemented before the keys": _pieces(GREETING, _packet(ASIDES["unimplemented"]) * 1000),
    "kexinit of names": _pieces(
        GREETING, _packet(b"\x14" + bytes(16) + string(b"a," * 60_000) + string(b"b," * 60_000) + string(b"") * 8)
    ),
}


class _Gex(KexGexSHA256):
    """A group exchange whose group is `group`, as it goes over the wire."""

    group = b""

    def _parse_kexdh_gex_request(self, message: paramiko.Message) -> None:
        del message
        say(self.transport, b"\x1f" + self.group)
        self.transport._expect_packet(32)  # type: ignore[attr-defined]


class _Reply(paramiko.kex_ecdh_nist.KexNistp256):  # type: ignore[misc,name-defined]
    """An exchange whose answer has the host key and the signature given."""

    host_key, signature = b"", b""

    def _parse_kexecdh_init(self, message: paramiko.Message) -> None:
        point = message.get_string()
        say(self.transport, b"\x1f" + string(self.host_key) + string(point) + string(self.signature))
        time.sleep(600)


def _mpint(number: int) -> bytes:
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


_BOMB = string(b"\x7f" * 4, HUGE)
_RSA = string(b"ssh-rsa")
_SIGNED = string(b"rsa-sha2-512") + string(b"\1" * 2048)
GROUPS = {
    "group of 8192 bits": _mpint(_PRIME_ENOUGH) + _mpint(2),
    "group of 1024 bits": _mpint((1 << 1023) | 1) + _mpint(2),
    "group below zero": _mpint(-_PRIME_ENOUGH) + _mpint(2),
    "group that is not there": _BOMB + _mpint(2),
    "group of 200 KiB": string(b"\x7f" * 200 * 1024) + _mpint(2),
}
REPLIES = {
    "host key of 16384 bits": (_RSA + _mpint(65537) + _mpint((1 << 16383) | 1), _SIGNED),
    "host key that is not there": (_RSA + _mpint(65537) + _BOMB, _SIGNED),
    "exponent that is not there": (_RSA + _BOMB + _mpint((1 << 2047) | 1), _SIGNED),
}
_CERTIFICATE = b"ssh-ed25519-cert-v01@openssh.com"


def _certificate(names: bytes = b"", options: bytes = b"", authority: bytes = b"") -> bytes:
    dates = bytes(8) + b"\xff" * 8
    head = string(_CERTIFICATE) + string(bytes(32)) + string(bytes(32)) + bytes(8) + u32(2) + string(b"name")
    return head + string(names) + dates + string(options) * 2 + string(b"") + authority


def _nest(depth: int) -> bytes:
    found = b""
    for _ in range(depth):
        found = _certificate(authority=string(found))
    return found


_FORGED = string(string(b"ssh-ed25519") + string(bytes(32))) + string(string(b"ssh-ed25519") + string(bytes(64)))
CERTIFICATES = {
    "certificate of names": _certificate(names=u32(0) * 50_000, authority=_FORGED),
    "certificate of options": _certificate(options=u32(0) * 25_000, authority=_FORGED),
    "certificate of certificates": _nest(500),
    "certificate that is not there": _certificate(names=_BOMB, authority=_FORGED),
    "forged certificate": _certificate(authority=_FORGED),
}
SIGNATURES = {"signature that is not there": string(b"ecdsa-sha2-nistp256") + string(_BOMB + _mpint(1))}
KEYS = ("rsa-sha2-512", "ecdsa-sha2-nistp256")
EXCHANGES = (*GROUPS, *REPLIES, *CERTIFICATES, *SIGNATURES)

KINDS: tuple[str, ...] = (*RAW, *EXCHANGES, *AT_LOGIN, *IN_STAGE, *BETWEEN)


class _Liar(paramiko.Transport):
    """The other side of one connection, which takes any key exchange that a lie is made of."""

    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        # A refusal of what it asks for would make paramiko close the channel.
        paramiko.common.MSG_CHANNEL_FAILURE: lambda channel, message: None,
    }

    def __init__(self, sock: socket.socket, kind: str, host_key: paramiko.PKey) -> None:
        super().__init__(sock)
        self.add_server_key(host_key)
        options = self.get_security_options()
        known: dict[str, Any] = dict(paramiko.Transport._kex_info)  # type: ignore[attr-defined]
        if kind in GROUPS:
            options.kex = ("diffie-hellman-group-exchange-sha256",)
            self._modulus_pack = object()
            known[options.kex[0]] = type("Gex", (_Gex,), {"group": GROUPS[kind]})
        elif kind in EXCHANGES:
            options.kex = ("ecdh-sha2-nistp256",)
            key = CERTIFICATES.get(kind) or host_key.asbytes()
            key, signature = REPLIES.get(kind) or (key, SIGNATURES.get(kind, b""))
            known[options.kex[0]] = type("Reply", (_Reply,), {"host_key": key, "signature": signature})
            if kind not in SIGNATURES:
                name = "rsa-sha2-512" if kind in REPLIES else _CERTIFICATE.decode()
                options.key_types = (name,)
                self.server_key_dict = {name: host_key}
        self._kex_info = known


class _Server(paramiko.ServerInterface):
    """Lets everybody in, and lies at the point that the kind says."""

    def __init__(self, kind: str, transport: paramiko.Transport) -> None:
        self.kind = kind
        self.transport = transport

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        del username, key
        if tell := AT_LOGIN.get(self.kind):
            tell(self.transport)
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        del command
        threading.Thread(target=self._serve, args=(channel,), daemon=True).start()
        return True

    def _serve(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            for number, _ in parse_stages(iter(lambda: channel.recv(32768), b"")):
                channel.sendall(MARK)
                if tell := IN_STAGE.get(self.kind):
                    tell(self.transport)
                channel.sendall(build_end_mark(number, int(number > 1)))
                if number > 1:
                    BETWEEN[self.kind](self.transport)


def _attend(kind: str, sock: socket.socket, host_key: paramiko.PKey) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        if kind in RAW:
            with sock:
                RAW[kind](sock)
        else:
            transport = _Liar(sock, kind, host_key)
            transport.start_server(server=_Server(kind, transport), event=threading.Event())


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    while True:
        yield listener.accept()[0]


def _listen(kind: str, listener: socket.socket, host_key: paramiko.PKey) -> None:
    for sock in _accepted(listener):
        threading.Thread(target=_attend, args=(kind, sock, host_key), daemon=True).start()


def main(key_file: str) -> None:
    """Serve all kinds until standard input ends."""
    threading.excepthook = lambda _: None  # a client that hangs up is what a liar has to expect
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    host_key = paramiko.ECDSAKey.from_private_key_file(key_file)
    ports = {}
    for kind in KINDS:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        ports[kind] = listener.getsockname()[1]
        threading.Thread(target=_listen, args=(kind, listener, host_key), daemon=True).start()
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(str(Path(sys.argv[1])))
