"""The start of a node's `sh`, how it is ended when it does not begin, and how it ended.

I/O. The first stage is sent together with the request, which saves a round trip for each probe. So where a start-up
file hangs, the stage lies in the standard input of a shell that may still read it hours later. It must not run then:
nobody would know of its vnode. Therefore the shell is ended here, and a stage that can no longer print its mark,
because nobody reads it, exits before its first command (`plabctl.probes.script`; docs/decisions/11).
Tests: `tests/probes/test_start_up_files.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import paramiko

from plabctl.probes.frame import StageFrame

_AT_EOF_S = 0.1
_AT_KILL_S = 0.25
_READ_BYTES = 32768
DYING_S = 0.2
"""Seconds in which the end of a connection, or of a stage, may be told late."""


class Start(Enum):
    """What became of a shell that did not begin its first stage in time."""

    BEGAN = "began"
    """It did begin, at the last moment."""
    ENDED = "ended"
    """It ended when there was nothing more to read: something else than `sh` has read the stage."""
    KILLED = "killed"
    """It is gone, or can print nothing any more: the stage will never begin."""
    UNKNOWN = "unknown"
    """The node does not answer: the stage may begin yet."""


def send_request(channel: paramiko.Channel, kind: str, word: str, *, wants_answer: bool) -> None:
    """Send a request about `channel`, without waiting for the answer.

    paramiko's own `exec_command` waits for that answer, for ever if need be. A refusal closes the channel, which the
    reader sees; so the wait is not needed, and it would cost a round trip.
    """
    request = paramiko.Message()
    request.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
    request.add_int(channel.remote_chanid)
    request.add_string(kind)
    request.add_boolean(wants_answer)
    request.add_string(word)
    channel.get_transport()._send_user_message(request)  # type: ignore[attr-defined]  # no public call does not wait


def end_unstarted(channel: paramiko.Channel, frame: StageFrame, is_alive: Callable[[], bool]) -> Start:
    """End a shell that has not begun the stage sent to it, and return what became of it.

    `is_alive` asks the node for an answer; it answers in order, so that it has seen all that was sent before.
    """
    try:
        return _end(channel, frame, is_alive)
    except Exception:  # noqa: BLE001 - the connection ends, or the library fails on what the node has sent
        return Start.UNKNOWN


def _end(channel: paramiko.Channel, frame: StageFrame, is_alive: Callable[[], bool]) -> Start:
    channel.shutdown_write()
    if not is_alive():
        return Start.UNKNOWN
    if has_ended := channel.status_event.wait(_AT_EOF_S):
        outcome = Start.ENDED
    else:
        # Not every server knows this request; OpenSSH refuses it to root, and where a command is forced.
        send_request(channel, "signal", "KILL", wants_answer=False)
        has_ended, outcome = channel.status_event.wait(_AT_KILL_S), Start.KILLED
    if not has_ended:
        channel.close()
        outcome = Start.KILLED if is_alive() else Start.UNKNOWN
    _drain(channel, frame)
    return Start.BEGAN if frame.has_begun else outcome


def _drain(channel: paramiko.Channel, frame: StageFrame) -> None:
    """Take what the node has sent already; the library keeps it also for a channel that is closed."""
    channel.settimeout(0.0)
    try:
        while (data := channel.recv(_READ_BYTES)) and not frame.is_flood:
            frame.add(data)
    except TimeoutError:
        return


def read_exit_status(channel: paramiko.Channel, wait_s: float) -> int | None:
    """Return the exit code of a `sh` that has ended, a negative one if it has none; None if it is not told in time.

    Raise what ended the connection, if that is why there is none.
    """
    if not channel.status_event.wait(wait_s):
        return None
    if channel.exit_status < 0:
        # A transport that ends closes its channels first and says that it is dead a moment later.
        transport = channel.get_transport()
        transport.join(DYING_S)
        if not transport.is_active():
            raise transport.saved_exception or EOFError()
    return int(channel.exit_status)
