"""Calling plug-in code: the one function through which every such call goes, with a time limit on each.

I/O. The code of a plug-in never runs in this process. Each entry point gets a process of its own
(`plabctl.plugins.host`), which answers over a socket; whatever it does there (sleep, print, exit, fork, crash), here it
is an answer or a `PluginFault` in time. The process has none of our files, so it holds no lock; its standard input is
empty, its output goes nowhere.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from enum import Enum, EnumType
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from plabctl.errors import PluginFault
from plabctl.masks import mask_secrets

if TYPE_CHECKING:
    import subprocess

LOAD_S = 10.0
"""The seconds for loading a plug-in and looking it over."""
CALL_S = 1.0
"""The seconds for one call in use, and for all of its slow calls together: the state may be locked meanwhile."""
FREE_S = 0.05
"""A call that takes no longer is no slow call: a busy machine may need that much for an idle plug-in."""
REFILL_RATIO = 0.1
"""The share of the time that passes which is added to what slow calls may still take."""
MAX_BYTES = 16 * 1024**2
_LENGTH = struct.Struct("!I")
_REAP_S = 1.0
_LOOK_S = 0.01
_STDERR = 2
_CODE = "import sys; sys.path[:] = {path}; from plabctl.plugins.host import main; main({descriptor})"
_VALUES = frozenset(
    f"plabctl.core.{name}" for name in ("model", "pools.base", "probe", "recipe", "suspicion", "uptime", "settings")
)
"""The modules whose classes may be in an answer; nothing else is looked up, so that we import no code of others."""


class PluginHost:
    """The process of one plug-in. A plug-in that failed to answer is given up for as long as this process runs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._starter = 0
        """The process that started it: we may be forked from that."""
        self._channel: socket.socket | None = None
        self._fault = ""
        self._slow_s = 0.0
        self._called_at = 0.0

    def call(self, verb: str, *arguments: object, limit_s: float | None = None) -> Any:
        """Return what `verb` of `plabctl.plugins.host.Plugin` makes of `arguments` within `limit_s` seconds.

        Without `limit_s` it is a call in use: `CALL_S` less what slow calls took lately. Raise PluginFault when the
        plug-in raises, does not answer in time, ends its process, or answers by something that is no value of ours.
        """
        with self._lock:
            if self._fault:
                raise PluginFault(self._fault)
            began = time.monotonic()
            self._slow_s = max(0.0, self._slow_s - REFILL_RATIO * (began - self._called_at))
            self._called_at = began
            seconds = CALL_S - self._slow_s if limit_s is None else limit_s
            try:
                is_answer, value = self._ask((seconds, verb, arguments), began + seconds)
            except TimeoutError:
                self._end()
                self._fault = f"it did not answer within {CALL_S if limit_s is None else limit_s:g} s"
            except (OSError, EOFError):
                self._fault = self._end(_REAP_S)
            except Exception as error:  # noqa: BLE001 - bytes of others, unpickled
                self._end()
                self._fault = f"its answer cannot be read: {type(error).__name__}: {error}"
            if self._fault:
                raise PluginFault(self._fault)
            if limit_s is None:
                self._slow_s += max(0.0, time.monotonic() - began - FREE_S)
        if not is_answer:
            raise PluginFault(mask_secrets(str(value)))
        return value

    @property
    def pid(self) -> int:
        """The number of the process, and of the group of all that it starts; 0 before the first call."""
        return self._process.pid if self._process else 0

    def close(self) -> None:
        """End the process, with all that it started. What ends this process does the same."""
        with self._lock:
            self._fault = self._fault or "it was closed"
            if self._process and self._process.returncode is None:
                self._end()

    def __del__(self) -> None:
        """End the process when nobody can ask it any more, as after a configuration that was refused."""
        if self._process and self._process.returncode is None:
            self._end()

    def _ask(self, request: object, end: float) -> tuple[bool, Any]:
        channel = self._channel or self._start()
        send(channel, pickle.dumps(request), end)
        data = receive(channel, end)
        if data is None:
            raise EOFError
        is_answer, value = _Values(BytesIO(data)).load()
        return bool(is_answer), value

    def _start(self) -> socket.socket:
        import subprocess

        ours, theirs = socket.socketpair()
        self._channel, self._starter = ours, os.getpid()
        output = _STDERR if os.environ.get("PLABCTL_DEBUG") == "1" else subprocess.DEVNULL
        code = _CODE.format(path=ascii(sys.path), descriptor=theirs.fileno())
        with theirs:
            self._process = subprocess.Popen(
                # -P: the current directory may be anybody's. The path is ours, so that it finds what we would find.
                [sys.executable, "-u", "-P", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return ours

    def _end(self, wait_s: float = 0.0) -> str:
        """Kill the process with all that it started, at once or after `wait_s` seconds, and return how it ended."""
        if self._channel:
            self._channel.close()
        if self._process is None:
            return "no process can be started for it"
        end = time.monotonic() + wait_s
        # The group's number cannot become another's as long as the process has not been reaped.
        while not _is_dead(self._process.pid) and time.monotonic() < end:
            time.sleep(_LOOK_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        is_ours, code = self._starter == os.getpid(), self._process.wait()
        if not is_ours:  # how it ended the process knows that we were forked from
            return "it ended its process"
        return f"it was ended by signal {-code}" if code < 0 else f"it ended its process with exit code {code}"


def _is_dead(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # of the process that we were forked from: who ends it need not wait
        return True


class _Values(pickle.Unpickler):
    """Reads answers: only values of plabctl's own are made."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _find_member
        found = super().find_class(module, name) if module in _VALUES and name.isidentifier() else None
        if not isinstance(found, type) or found.__module__ != module:
            raise pickle.UnpicklingError(f"{module}.{name} is no value of plabctl")
        return found


def _find_member(words: object, name: str) -> Enum:
    """Return the member `name` of an enum of ours: so Python 3.11.0 to 3.11.3, which Debian 12 has, pickles members."""
    if not isinstance(words, EnumType):
        raise pickle.UnpicklingError(f"an attribute of {words!r} is no value of plabctl")
    return cast(Enum, words[name])


def send(channel: socket.socket, data: bytes, end: float | None = None) -> None:
    """Send one message by `end`, an instant on the monotonic clock; raise TimeoutError or another OSError."""
    _set_timeout(channel, end)
    channel.sendall(_LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket, end: float | None = None) -> bytes | None:
    """Return the next message, None when there will be none; raise TimeoutError, another OSError, or EOFError."""
    head = _receive_exactly(channel, _LENGTH.size, end)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_BYTES:
        raise EOFError
    data = _receive_exactly(channel, length, end)
    if data is None:
        raise EOFError
    return data


def _receive_exactly(channel: socket.socket, count: int, end: float | None) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        _set_timeout(channel, end)
        part = channel.recv(count - len(data))
        if not part:
            return None
        data += part
    return bytes(data)


def _set_timeout(channel: socket.socket, end: float | None) -> None:
    if end is not None:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
