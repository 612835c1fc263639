"""One command on an embedded node: a real process with its streams joined to an SSH channel.

I/O. A session is one thread that waits on the command's pipes, its end and the channel together. It behaves as sshd
does: the exit status is sent when the command ends, the channel stays open while anything still holds the output.
Unlike sshd it kills a command whose channel was closed, with its process group. Go on with `ssh_node`.
Tests: `tests/probes/embedded/test_ssh_node.py`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import paramiko

CHUNK = 32768
LOOK_S = 0.25
"""A channel that is closed after the client ended its input wakes nobody: it is looked at this often."""
LAST_READS = 8
"""Reads after the command's end, at most: two full pipes need four, and a background child may print for ever."""
GONE = (OSError, EOFError, paramiko.SSHException)
"""What paramiko raises from a send, and from a close, when the client is no longer there."""
COULD_NOT_START = 126
KILLED = 128


class CommandSession:
    """A command line for `/bin/sh -c`, run in `home` with `environment` and nothing else, for the client of `channel`.

    `ended` is called when the command has ended, before the client can know.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        command: bytes,
        home: Path,
        environment: Mapping[str, str],
        ended: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._command = command
        self._home = home
        self._environment = dict(environment)
        self._tell_end = ended
        self._selector = selectors.DefaultSelector()
        self._pending = b""
        self._outputs = 0
        self._exited = False
        self._has_told_status = False

    def run(self) -> None:
        """Run the command to its end or to the channel's, whichever comes first, and close the channel."""
        try:
            process = self._start()
        except OSError as error:
            self._give_up(error)
            return
        try:
            with process, self._selector:
                try:
                    self._serve(process)
                finally:
                    self._end(process)
        finally:
            self._close()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [b"/bin/sh", b"-c", self._command],
            cwd=self._home,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )

    def _give_up(self, error: OSError) -> None:
        self._tell_end()
        self._selector.close()
        with contextlib.suppress(*GONE):
            self._channel.sendall_stderr(f"the node cannot start a command: {error}\n".encode())
            self._channel.send_exit_status(COULD_NOT_START)
        self._close()

    def _close(self) -> None:
        with contextlib.suppress(*GONE):
            self._channel.close()

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        descriptor = None
        try:
            descriptor = os.pidfd_open(process.pid)
            self._watch(descriptor, lambda: self._note_exit(descriptor))
            self._join_streams(process)
            while not self._channel.closed and not (self._has_told_status and not self._outputs):
                self._poll(LOOK_S)
                if self._exited and not self._has_told_status:
                    self._tell_status(process)
        except GONE:
            pass  # the client went in the middle of a send, or descriptors ran out: the command is cut
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _join_streams(self, process: subprocess.Popen[bytes]) -> None:
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        assert stdin is not None  # all three were asked for as pipes
        assert stdout is not None
        assert stderr is not None
        os.set_blocking(stdin.fileno(), False)
        self._watch(stdout, lambda: self._forward(stdout, self._channel.sendall))
        self._watch(stderr, lambda: self._forward(stderr, self._channel.sendall_stderr))
        self._outputs = 2
        self._watch(self._channel, lambda: self._receive(stdin))

    def _watch(self, source: IO[bytes] | paramiko.Channel | int, act: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, act)

    def _poll(self, timeout_s: float) -> bool:
        """Do what can be done now; return whether there was anything."""
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            key.data()
        return bool(ready)

    def _forward(self, source: IO[bytes], send: Callable[[bytes], object]) -> None:
        if data := os.read(source.fileno(), CHUNK):
            send(data)
        else:
            self._selector.unregister(source)
            self._outputs -= 1

    def _receive(self, stdin: IO[bytes]) -> None:
        """Take input from the client, and no more before the command has taken that."""
        self._selector.unregister(self._channel)
        self._pending = self._channel.recv(CHUNK)
        if self._pending:
            self._selector.register(stdin, selectors.EVENT_WRITE, lambda: self._feed(stdin))
        else:
            stdin.close()

    def _feed(self, stdin: IO[bytes]) -> None:
        try:
            self._pending = self._pending[os.write(stdin.fileno(), self._pending) :]
        except BrokenPipeError:
            self._selector.unregister(stdin)
            stdin.close()
            return
        if not self._pending:
            self._selector.unregister(stdin)
            self._watch(self._channel, lambda: self._receive(stdin))

    def _note_exit(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        self._exited = True

    def _tell_status(self, process: subprocess.Popen[bytes]) -> None:
        """Send what the command printed before it ended, then its exit status."""
        for _ in range(LAST_READS):
            if not (self._outputs and self._poll(0)):
                break
        code = process.wait()
        self._has_told_status = True
        self._tell_end()
        self._channel.send_exit_status(code if code >= 0 else KILLED - code)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Leave no command without its client. Until `wait`, its process group cannot be anybody else's."""
        if not self._has_told_status:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._tell_end()
