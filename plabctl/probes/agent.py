"""The SSH agent: which keys it holds, and signatures by them, within stated times however it behaves.

I/O: one short connection for each question, so that any number of threads may ask. Light: paramiko is not loaded. The
protocol is that of draft-miller-ssh-agent, which `ssh-agent`, gpg-agent, the keyring of a desktop and others speak.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple

from plabctl.clock import Clock
from plabctl.probes.clean import clean_line

LIST_S = 3.0
"""How long an agent may take to name its keys, which are in its memory."""
SIGN_S = 10.0
"""How long it may take to sign: a person may have to touch a token, or to confirm (`ssh-add -c`)."""
FRESH_S = 5.0
"""For how long a list of keys is used again: a thousand logins in a minute ask a dozen times."""
REST_S = 30.0
"""For how long an agent that failed is not asked again, nor one for a key with which it would not sign."""
_MOST_BYTES = 256 * 1024
"""As in OpenSSH's agent."""
_POLL_S = 0.25
_LONGEST = 60
_REQUEST_KEYS, _KEYS = 11, 12
_REQUEST_SIGNATURE, _SIGNATURE = 13, 14
_FLAGS = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}


class AgentError(Exception):
    """The agent cannot be used; the words say why, with the agent named."""


class _Unwanted(AgentError):
    """The signature came too late for the login, which says nothing about the next one."""


class HeldKey(NamedTuple):
    """A key that the agent holds: the public key or the certificate as on the wire, and what it is called."""

    blob: bytes
    comment: str


class Agent:
    """The agent at the socket `path`, or at $SSH_AUTH_SOCK without one; may be used from many threads."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._listed_until = 0.0
        self._listed: list[HeldKey] | AgentError = []
        self._refused: dict[bytes, tuple[float, str]] = {}

    def list_keys(self) -> tuple[list[HeldKey], list[str]]:
        """Return the keys that it holds and lately signed with when asked, and why it did not with others.

        Raise AgentError when it cannot be asked, or holds none. Within `FRESH_S`, and `REST_S` after an error, the
        answer is that of the last time: so an agent that hangs costs its time once, however many logins there are.
        """
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._listed_until:
                self._listed = self._ask_for_keys()
                is_fault = isinstance(self._listed, AgentError)
                self._listed_until = self._clock.monotonic() + (REST_S if is_fault else FRESH_S)
            if isinstance(self._listed, AgentError):
                raise AgentError(str(self._listed))
            refused = {blob: why for blob, (until, why) in self._refused.items() if now < until}
            return [key for key in self._listed if key.blob not in refused], list(refused.values())

    def sign(self, key: HeldKey, data: bytes, algorithm: str, is_wanted: Callable[[], bool]) -> bytes:
        """Return the signature of `data`; raise AgentError if there is none in time, or `is_wanted` says no more."""
        flags = _FLAGS.get(algorithm.partition("-cert-")[0], 0)
        request = _pack(key.blob) + _pack(data) + flags.to_bytes(4)
        try:
            kind, answer = self._exchange(_REQUEST_SIGNATURE, request, SIGN_S, is_wanted)
            if kind == _SIGNATURE:
                return _Fields(answer).string()
        except _Unwanted:
            raise
        except AgentError as error:
            with self._lock:
                self._listed, self._listed_until = error, self._clock.monotonic() + REST_S
            raise
        except ValueError:
            pass
        name = clean_line(key.comment, _LONGEST)
        why = f"the agent at '{self._find_path()}' does not sign with its key '{name}': locked, or nobody confirmed it"
        with self._lock:
            self._refused[key.blob] = (self._clock.monotonic() + REST_S, why)
        raise AgentError(why)

    def _ask_for_keys(self) -> list[HeldKey] | AgentError:
        try:
            kind, answer = self._exchange(_REQUEST_KEYS, b"", LIST_S, lambda: True)
            keys = _parse_keys(answer) if kind == _KEYS else None
        except AgentError as error:
            return error
        except ValueError:
            keys = None
        if keys is None:
            return AgentError(f"the agent at '{self._find_path()}' does not name its keys")
        if not keys:
            return AgentError(f"the agent at '{self._find_path()}' holds no key: it is locked, or none was added")
        return keys

    def _find_path(self) -> str:
        path = self._path or os.environ.get("SSH_AUTH_SOCK", "")
        if not path:
            message = "no agent: SSH_AUTH_SOCK is not set, as in cron, and [ssh] agent_socket names none"
            raise AgentError(message)
        return path

    def _exchange(self, kind: int, request: bytes, limit_s: float, is_wanted: Callable[[], bool]) -> tuple[int, bytes]:
        """Return the kind and the content of the answer."""
        path = self._find_path()
        end = self._clock.monotonic() + limit_s
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(limit_s)
            try:
                sock.connect(path)
                sock.sendall(_pack(bytes([kind]) + request))
                size = int.from_bytes(self._read(sock, 4, end, is_wanted))
                if not 0 < size <= _MOST_BYTES:
                    message = f"the agent at '{path}' gives no answer that makes sense"
                    raise AgentError(message)
                answer = self._read(sock, size, end, is_wanted)
            except TimeoutError:
                message = f"the agent at '{path}' did not answer within {limit_s:g}s"
                raise AgentError(message) from None
            except (OSError, EOFError) as error:
                why = (getattr(error, "strerror", None) or str(error)).lower()
                message = f"the agent at '{path}' cannot be asked: {why}"
                raise AgentError(message) from None
        return answer[0], answer[1:]

    def _read(self, sock: socket.socket, size: int, end: float, is_wanted: Callable[[], bool]) -> bytes:
        found = b""
        while len(found) < size:
            left_s = end - self._clock.monotonic()
            if not is_wanted():
                message = "the agent had not signed when the time for the login was over"
                raise _Unwanted(message)
            if left_s <= 0:
                raise TimeoutError
            sock.settimeout(min(left_s, _POLL_S))
            try:
                piece = sock.recv(size - len(found))
            except TimeoutError:
                continue
            if not piece:
                message = "it closed the connection"
                raise EOFError(message)
            found += piece
        return found


class _Fields:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def string(self) -> bytes:
        size = int.from_bytes(self._take(4))
        return self._take(size)

    def number(self) -> int:
        return int.from_bytes(self._take(4))

    def _take(self, size: int) -> bytes:
        self._place += size
        if self._place > len(self._data):
            message = "it is cut off"
            raise ValueError(message)
        return self._data[self._place - size : self._place]


def _parse_keys(answer: bytes) -> list[HeldKey]:
    fields = _Fields(answer)
    count = fields.number()
    if count * 8 > len(answer):
        message = "it announces more keys than it names"
        raise ValueError(message)
    return [HeldKey(fields.string(), fields.string().decode(errors="replace")) for _ in range(count)]


def _pack(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data
