"""Run plabctl in processes that are forked from one which has it loaded: to start Python costs more than most commands.

I/O. Such a process has the working directory, the environment, the pipes and the umask that it is given, and ends as
any other. What it cannot show is what a start of Python does: who is after that starts one. It may also be another
module, which wants plabctl loaded. Run as `python -m tests.lab.fork_server DESCRIPTOR LIBRARIES_ONLY`, the descriptor
being a socket over which `ForkServer` asks for processes.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn, Self

from tests.lab import leftover_processes

ROOT = Path(__file__).parents[2]
_AT_START = ("PYTHON", "LANG", "LC_", "LD_")
"""Variables that Python and the loader read at the start, by how they begin."""
_CLONE_NEWNET = 0x40000000
_LONGEST = 32_768
"""What fits into a pipe or a packet at once, in bytes."""
_LATE = ("fabric", "rich.live", "rich.progress", "rich.table", "sqlite3", "tinydb")
"""What plabctl imports where it is used."""
_DASK = "plabctl.executors.dask."
_LATE_OF_DASK = ("dask.__main__", "distributed.cli.dask_scheduler", "distributed.cli.dask_worker")
"""What the programs of Dask import."""


def can_fork(environ: Mapping[str, str], *texts: str) -> bool:
    """Return whether a forked process is the same as one started with `environ`, and `texts` are short enough."""
    return _read_at_start(environ) == _read_at_start(_basis()) and sum(map(len, texts)) < _LONGEST


class ForkServer:
    """A process that forks others.

    With `libraries_only` it has loaded what plabctl imports but nothing of plabctl, which each process then imports as
    it does at a start of Python: from the first place that its PYTHONPATH names, where a changed copy may be.
    Only `with_dask` it has loaded Dask, which takes as long as all else. `at_start` are variables that Python reads at
    its start, beside the usual.
    """

    def __init__(self, *, libraries_only: bool = False, with_dask: bool = False, **at_start: str) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pipe = subprocess.PIPE  # as its children have: Python fits its streams to them at the start
        options = [f"--{name}" for name, is_so in (("libraries", libraries_only), ("dask", with_dask)) if is_so]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.lab.fork_server", str(theirs.fileno()), *options],
                cwd="/", env=_basis() | at_start, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        # It ends with us, when the socket is closed.
        leftover_processes.SHARED.add(self._process.pid)
        leftover_processes.PARENTS.add(self._process.pid)

    def run(
        self,
        argv: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        stdin: str | None,
        timeout_s: float,
        *,
        network: str = "",
        umask: int | None = None,
        module: str = "plabctl",
    ) -> subprocess.CompletedProcess[str]:
        """Run `plabctl ARGV`, or another module, with pipes around it, or without input; raise TimeoutExpired.

        `network` is the path of another network namespace to run it in.
        """
        with ExitStack() as ours, ExitStack() as theirs:
            out, err = _open_pipe(ours, theirs), _open_pipe(ours, theirs)
            if stdin is None:
                source = os.open(os.devnull, os.O_RDONLY)
            else:
                source, sink = os.pipe()
                os.write(sink, stdin.encode())
                os.close(sink)
            theirs.callback(os.close, source)
            how = {"network": network, "umask": _umask() if umask is None else umask, "module": module}
            process = ours.enter_context(self._fork(argv, folder, environ, how, [source, out[1], err[1]]))
            theirs.close()
            try:
                texts = _read_both(out[0], err[0], time.monotonic() + timeout_s)
            except BaseException as error:
                process.kill()
                if isinstance(error, TimeoutError):
                    raise subprocess.TimeoutExpired(list(argv), timeout_s) from None
                raise
            return subprocess.CompletedProcess(list(argv), process.wait(), *texts)

    def start(
        self,
        argv: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        output: Path,
        *,
        network: str = "",
        module: str = "plabctl",
    ) -> ForkedProcess:
        """Start `plabctl ARGV`, or another module, without input; what it prints goes to the end of `output`."""
        with Path(os.devnull).open("rb") as nothing, output.open("ab") as out:
            how = {"network": network, "umask": _umask(), "module": module}
            streams = [nothing.fileno(), out.fileno(), out.fileno()]
            process = self._fork(argv, folder, environ, how, streams)
        process.output = output
        return process

    def _fork(
        self,
        argv: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        how: Mapping[str, object],
        streams: list[int],
    ) -> ForkedProcess:
        request = {"argv": list(argv), "folder": str(folder), "environ": dict(environ), **how}
        reply, theirs = os.pipe()
        socket.send_fds(self._channel, [json.dumps(request).encode()], [*streams, theirs])
        os.close(theirs)
        return ForkedProcess(reply)


class ForkedProcess:
    """What tests use of `subprocess.Popen`, for a process that the server has forked and waits for."""

    def __init__(self, reply: int) -> None:
        # Two lines: the process id, and at its end the exit code.
        self._told = os.fdopen(reply, "rb", buffering=0)
        self.pid = int(self._told.readline())
        self.returncode: int | None = None
        self.output = Path(os.devnull)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when it has ended; raise TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(["plabctl"], timeout or 0.0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Return what it has printed when it has ended; raise TimeoutExpired."""
        self.wait(timeout)
        return self.output.read_text(), None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout_s: float | None) -> int | None:
        if self.returncode is None:
            waiter = select.poll()
            waiter.register(self._told)
            if waiter.poll(None if timeout_s is None else timeout_s * 1000):
                self.returncode = int(self._told.readline())
                self._told.close()
        return self.returncode


Process = subprocess.Popen[bytes] | ForkedProcess


def fork_server(*, libraries_only: bool = False, with_dask: bool = False, **at_start: str) -> ForkServer:
    """Return the one of this process with these options, also to threads that ask for it at once."""
    with _STARTING:
        return _start_server(libraries_only=libraries_only, with_dask=with_dask, **at_start)


_STARTING = threading.Lock()
_start_server = functools.cache(ForkServer)


def dask_fork_server() -> ForkServer:
    """Return the one of this process that has Dask loaded; its processes write line by line."""
    return fork_server(with_dask=True, PYTHONUNBUFFERED="1")


def _basis() -> dict[str, str]:
    written = {name: os.environ[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ}
    return {**written, "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}


def _read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in environ.items() if name.startswith(_AT_START)}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    found["PYTHONPATH"] = found.get("PYTHONPATH", "").partition(os.pathsep)[0]  # more of it can be added later
    return found


def _open_pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    ours.callback(os.close, ends[0])
    theirs.callback(os.close, ends[1])
    return ends


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _read_both(out: int, err: int, until: float) -> list[str]:
    parts: dict[int, list[bytes]] = {out: [], err: []}
    with selectors.DefaultSelector() as selector:
        for fd in parts:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(until - time.monotonic(), 0.0))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                part = os.read(key.fd, 1 << 16)
                parts[key.fd].append(part)
                if not part:
                    selector.unregister(key.fd)
    return [b"".join(each).decode().replace("\r\n", "\n").replace("\r", "\n") for each in parts.values()]


def _load(*, libraries_only: bool, with_dask: bool) -> None:
    import plabctl

    for module in pkgutil.walk_packages(plabctl.__path__, "plabctl."):
        if not module.name.endswith("__main__") and (with_dask or not module.name.startswith(_DASK)):
            importlib.import_module(module.name)
    for name in (*_LATE, *(_LATE_OF_DASK if with_dask else ())):
        importlib.import_module(name)
    if libraries_only:
        for name in [each for each in sys.modules if each.partition(".")[0] == "plabctl"]:
            del sys.modules[name]
    gc.collect()
    gc.freeze()


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork a process for each request. Return the request in such a process, nothing when there will be no more."""
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not channel:
                    _report_end(selector, key)
                    continue
                packet, fds, _, _ = socket.recv_fds(channel, 1 << 20, 4)
                if not packet:
                    return None
                reply = fds.pop()
                pid = os.fork()
                if pid == 0:
                    for number, fd in enumerate(fds):
                        os.dup2(fd, number)
                    for fd in (reply, *fds):
                        os.close(fd)
                    request: dict[str, Any] = json.loads(packet)
                    return request
                for fd in fds:
                    os.close(fd)
                os.write(reply, f"{pid}\n".encode())
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, reply))


def _report_end(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    pid, reply = key.data
    selector.unregister(key.fileobj)
    os.close(key.fd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(reply, f"{code}\n".encode())
    os.close(reply)


def _become(request: Mapping[str, Any]) -> NoReturn:
    """Be `plabctl ARGV`, or the other module, from here on, and end with it."""
    if request["network"]:
        with Path(request["network"]).open("rb") as space:
            ctypes.CDLL(None).setns(space.fileno(), _CLONE_NEWNET)  # os.setns is new in Python 3.12
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    sys.path[0] = request["folder"]
    sys.path[1:2] = request["environ"].get("PYTHONPATH", str(ROOT)).split(os.pathsep)
    sys.dont_write_bytecode = bool(request["environ"].get("PYTHONDONTWRITEBYTECODE"))
    importlib.invalidate_caches()
    sys.argv[1:] = request["argv"]
    end_with(lambda: runpy.run_module(request["module"], run_name="__main__", alter_sys=True))


def end_with(command: Callable[[], object]) -> NoReturn:
    """Run `command` and end the process as Python does, except for taking all modules apart, which takes long."""
    code = 0
    try:
        command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve whoever holds the other end of the socket."""
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        _load(libraries_only="--libraries" in sys.argv, with_dask="--dask" in sys.argv)
        request = _serve(channel)
    if request is not None:
        _become(request)


if __name__ == "__main__":
    main()
