"""One command of plabctl run many times over, each in a process and a folder of its own, from one that has it loaded.

I/O. Run as `tests.lab.forked_runs JOB` by a `ForkServer`, JOB being the path of a file as `Job` writes it. It begets
one child after the other, with a strace attached to the parent of them all, if that is wanted. Before it runs the
command, a child makes some calls to the system that come to nothing: whoever traces it, and acts at the Mth call of a
kind, acts at the Nth of the command when M - N of them were made before. Go on with `tests.lab.strace`.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.lab.fork_server import ForkServer, end_with, fork_server

_LIBC = ctypes.CDLL(None, use_errno=True)
_ANY_TRACER = (0x59616D61, ctypes.c_ulong(-1))  # prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)
_LONGEST_S = 100
_ALL_S = 3600.0
_NULL = ctypes.c_void_p()
_BUFFER = ctypes.create_string_buffer(8)
# Calls that come to nothing, by the name the kernel has for them.
EXTRA_CALLS: Mapping[str, Callable[[], object]] = {
    "openat": lambda: _LIBC.open(b"", 0),
    "newfstatat": lambda: _LIBC.fstatat(-1, b"x", _BUFFER, 0),
    "close": lambda: _LIBC.close(-1),
    "read": lambda: _LIBC.read(-1, _BUFFER, 1),
    "pread64": lambda: _LIBC.pread(-1, _BUFFER, 1, 0),
    "write": lambda: _LIBC.write(-1, _BUFFER, 1),
    "pwrite64": lambda: _LIBC.pwrite(-1, _BUFFER, 1, 0),
    "lseek": lambda: _LIBC.lseek(-1, 0, 0),
    "ioctl": lambda: _LIBC.ioctl(-1, 0),
    "fcntl": lambda: _LIBC.fcntl(-1, 1),
    "flock": lambda: _LIBC.flock(-1, 0),
    "fsync": lambda: _LIBC.fsync(-1),
    "fdatasync": lambda: _LIBC.fdatasync(-1),
    "ftruncate": lambda: _LIBC.ftruncate(-1, 0),
    "fchmod": lambda: _LIBC.fchmod(-1, 0),
    "fchown": lambda: _LIBC.fchown(-1, 0, 0),
    "chmod": lambda: _LIBC.chmod(b"", 0),
    "mkdir": lambda: _LIBC.mkdir(b"", 0),
    "rename": lambda: _LIBC.rename(b"", b""),
    "renameat": lambda: _LIBC.renameat(-1, b"", -1, b""),
    "link": lambda: _LIBC.link(b"", b""),
    "linkat": lambda: _LIBC.linkat(-1, b"", -1, b"", 0),
    "unlink": lambda: _LIBC.unlink(b""),
    "unlinkat": lambda: _LIBC.unlinkat(-1, b"", 0),
    "utimensat": lambda: _LIBC.utimensat(-1, b"x", _NULL, 0),
    "getdents64": lambda: _LIBC.getdents64(-1, _BUFFER, 0),
    "access": lambda: _LIBC.access(b"", 0),
    "faccessat": lambda: _LIBC.faccessat(-1, b"", 0, 0),
    "readlink": lambda: _LIBC.readlink(b"", _BUFFER, 1),
    "chdir": lambda: _LIBC.chdir(b""),
    "mmap": lambda: _LIBC.mmap(_NULL, ctypes.c_size_t(0), 0, 0, -1, ctypes.c_long(0)),
    "statfs": lambda: _LIBC.statfs(b"", _BUFFER),
    "fstatfs": lambda: _LIBC.fstatfs(-1, _BUFFER),
}


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: `plabctl ARGV` in each of `folders`, after as many calls of a kind as `futile` says for it.

    Standard output and error go into the files `out` and `err` of the folder. With `keep_generations` each state that
    is committed is kept, in a folder `generation-REV`. With `folds` each commit folds the journal.
    """

    argv: Sequence[str]
    folders: Sequence[str]
    futile: Sequence[tuple[str, int]] = ()
    keep_generations: bool = False
    folds: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """What became of one: its process id, and its exit code, or the number of the signal that ended it, negative."""

    pid: int
    code: int


def seeded_server() -> ForkServer:
    """Return the one whose processes make the same calls in the same order, whatever stands in their sets and memory.

    How often memory is asked for by mmap(2) depends on what a process has had before; by brk(2), that is no call here.
    """
    return fork_server(PYTHONHASHSEED="0", PYTHONMALLOC="malloc", MALLOC_MMAP_MAX_="0", MALLOC_ARENA_MAX="1")


def run_forked(job: Job, path: Path, environ: Mapping[str, str], trace: Sequence[str] = ()) -> list[Child]:
    """Run `job`, with its file at `path`; `trace` is the command line of a strace that attaches to it, if any."""
    path.write_text(json.dumps(asdict(job) | {"trace": trace}))
    done = seeded_server().run([str(path)], path.parent, environ, None, _ALL_S, module="tests.lab.forked_runs")
    assert done.returncode == 0, done.stderr
    return [Child(*each) for each in json.loads(done.stdout)]


def _main(path: Path) -> None:
    job = json.loads(path.read_text())
    (go, let_go), (told, tell) = os.pipe(), os.pipe()
    parent = os.fork()
    if parent == 0:
        _LIBC.prctl(*_ANY_TRACER, 0, 0, 0)
        os.read(go, 1)
        found = _run_all(job)
        os.write(tell, json.dumps(found).encode())
        os._exit(0)
    os.close(tell)
    tracer = None
    if job["trace"]:
        tracer = subprocess.Popen([*job["trace"], "-p", str(parent)], stderr=subprocess.PIPE, text=True)
        assert tracer.stderr
        said = tracer.stderr.readline()
        assert "attached" in said, said
    os.write(let_go, b"go")
    with os.fdopen(told) as pipe:
        print(pipe.read())
    assert os.waitpid(parent, 0)[1] == 0
    if tracer:
        tracer.communicate()


def _run_all(job: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Beget the children; return the process id and the exit code of each."""
    futile = job["futile"] or [("close", 0)] * len(job["folders"])
    found = []
    for folder, (name, count) in zip(job["folders"], futile, strict=True):
        pid = os.fork()
        if pid == 0:
            _become_plabctl(job, folder, name, count)
        status = os.waitpid(pid, 0)[1]
        found.append((pid, os.waitstatus_to_exitcode(status)))
    return found


def _become_plabctl(job: Mapping[str, Any], folder: str, name: str, count: int) -> NoReturn:
    """Be `plabctl ARGV`, in the folder; end with it."""
    signal.alarm(_LONGEST_S)
    os.chdir(folder)
    for number, file in enumerate(("/dev/null", "out", "err")):
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    if job["keep_generations"]:
        _keep_generations()
    if job["folds"]:
        from plabctl.store import storage

        storage._LEAST_BYTES = storage._LARGEST_SHARE = 0
    from plabctl.app import deliver, tick
    from plabctl.cli.entry import main

    # What a tick does while it waits depends on how long that takes: it would make other calls at every run.
    deliver.PAUSE_S = tick.CHECK_S = float(_LONGEST_S)
    sys.argv = ["plabctl", *job["argv"]]
    for _ in range(count):
        EXTRA_CALLS[name]()
    end_with(lambda: sys.exit(main()))


def _keep_generations() -> None:
    from plabctl.store.storage import StagedStorage

    real = StagedStorage.commit

    def kept(self: StagedStorage, now: float) -> object:
        head = real(self, now)
        place = Path(f"generation-{head.rev}")
        place.mkdir()
        for path in Path(self._state_dir).glob("state.j*"):
            shutil.copy(path, place)
        return head

    StagedStorage.commit = kept  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
