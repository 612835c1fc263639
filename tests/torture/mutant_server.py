"""Runs chosen tests again and again, each time in a fresh child that has pytest loaded already.

I/O; a script, run in a copy of the project: `python -P tests/torture/mutant_server.py`. One JSON object per line comes
in on standard input, `{"tests": [...], "limit_s": 40, "trace": ""}`, and one goes out on standard output: whether a
test failed, which, and whether the time was over, of which `limit_s` are seconds of the processor. With `trace`, a file
says what functions each test calls.
"""

import json
import os
import resource
import select
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import hypothesis
import orjson
import pytest
import tinydb

PATIENCE = 3
"""So many times the seconds of processor time that the tests may use are waited for: the machine may be busy."""
LOADED = (hypothesis, orjson, tinydb)
"""What costs time to load and is no part of the project."""
hypothesis.settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    suppress_health_check=list(hypothesis.HealthCheck),
)
"""The same examples each time, and no failure because the machine is busy: each would be taken for a mutant noticed.
One that fails is enough: nobody asks for a smaller one."""
FLAGS = [
    "--hypothesis-profile=mutants",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "-p",
    "no:warnings",
    "-o",
    "addopts=--import-mode=importlib",
]


class Watcher:
    """Tells which test failed first."""

    def __init__(self, said: int) -> None:
        self._said = said

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Return what failed."""
        if report.failed:
            os.write(self._said, f"{report.nodeid}\n".encode())


class Tracer:
    """Writes down which functions of the package each test calls, and how long it takes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._root = f"{Path.cwd() / 'plabctl'}/"
        self._seen: set[tuple[str, int]] = set()
        self._failed: set[str] = set()
        self.found: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Trace one test, with all its fixtures."""
        self._seen = set()
        began = _sum_seconds()
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        yield
        sys.setprofile(None)
        calls = sorted({(name[len(self._root) :], line) for name, line in self._seen})
        self.found[item.nodeid] = {"seconds": round(_sum_seconds() - began, 3), "calls": calls}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Leave out what fails here without any change: a copy of the project is not for every user to read."""
        if report.failed:
            self._failed.add(report.nodeid)

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(self._root):
            self._seen.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    def pytest_sessionfinish(self) -> None:
        """Keep what was found."""
        passed = {test: found for test, found in self.found.items() if test not in self._failed}
        Path(self._path).write_text(json.dumps(passed))


def _sum_seconds() -> float:
    """Return the seconds of the processor that this process and its children took, busy as the machine may be."""
    return sum(os.times()[:4])


def child(asked: dict[str, Any], said: int) -> None:
    """Run the tests; never return."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (asked["limit_s"], asked["limit_s"] + 5))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    watchers: list[object] = [Watcher(said)]
    if asked.get("trace"):
        watchers.append(Tracer(asked["trace"]))
    else:
        asked["tests"].append("-x")
    code = pytest.main([*FLAGS, "-o", f"timeout={PATIENCE * asked['limit_s']}", *asked["tests"]], plugins=watchers)
    os._exit(int(code))


def serve(asked: dict[str, Any]) -> dict[str, Any]:
    """Run the tests in a child and return what came of it."""
    listen, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child(asked, said)
        finally:
            os._exit(99)
    os.close(said)
    ended = os.pidfd_open(pid)
    is_late = not select.select([ended], [], [], PATIENCE * asked["limit_s"])[0]
    os.close(ended)
    for target in (-pid, pid):
        try:
            os.killpg(-target, signal.SIGKILL) if target < 0 else os.kill(target, signal.SIGKILL)
        except ProcessLookupError:
            continue
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    failed = os.read(listen, 4096).decode().splitlines() if _is_ready(listen) else []
    os.close(listen)
    return {"code": status, "late": is_late, "failed": failed[0] if failed else ""}


def _is_ready(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
