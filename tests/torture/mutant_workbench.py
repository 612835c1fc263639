"""A copy of the project in which one mutant at a time is put to the tests that call it.

I/O. Several may be at work at once: each has a copy and a server (`tests.torture.mutant_server`) of its own. Go on with
`tests.torture.mutants`.
"""

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.torture.mutations import Mutation, mutated

ROOT = Path(__file__).parents[2]
SUITES = ("tests/store", "tests/core", "tests/files")
_TESTS = re.compile(r"^Tests: `([^`]+)\.py`", re.MULTILINE)
LIMIT_S = 40
"""Of processor time: what uses more does not end."""
MOST_TESTS_S = 10.0
"""Seconds of the processor of other tests than its module's own that a mutant is put to, the quickest first."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file, whose path is that below the package."""

    file: str
    mutation: Mutation

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is called in the list of survivors."""
        return self.file, self.mutation.text, self.mutation.what

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"plabctl/{self.file}:{self.mutation.line}: {self.mutation.text}\n    {self.mutation.what}"


@dataclass
class Bench:
    """A copy of the project, in which one file at a time is changed, and a server that runs tests there."""

    folder: Path
    traces: dict[str, dict[str, Any]] = field(default_factory=dict)
    stamp: float = 1_000_000_000.0
    sound: set[str] = field(default_factory=set)
    """Tests that failed on a mutant and pass without one, also alone."""

    def __enter__(self) -> Self:
        leave = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "build", "dist")
        shutil.copytree(ROOT, self.folder, ignore=leave, dirs_exist_ok=True)
        environ = {**os.environ, "PYTHONPATH": str(self.folder), "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder / "h")}
        self._server = subprocess.Popen(
            [sys.executable, "-P", "tests/torture/mutant_server.py"],
            cwd=self.folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(timeout=LIMIT_S + 10)
        assert self._server.stdout
        self._server.stdout.close()

    def ask(self, tests: Iterable[str], limit_s: float, trace: str = "") -> dict[str, Any]:
        """Run tests and return what came of it."""
        assert self._server.stdin
        assert self._server.stdout
        request = {"tests": list(tests), "limit_s": limit_s, "trace": trace}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return answer

    def trace(self, suites: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return which function each test calls, and how long it takes."""
        path = self.folder / "trace.json"
        answer = self.ask(suites, 1800, str(path))
        assert path.exists(), f"the tests did not run: {answer}"
        found: dict[str, dict[str, Any]] = json.loads(path.read_text())
        return found

    def control(self, files: Iterable[str]) -> None:
        """Insist that the tests of these modules pass without any change: or else every mutant would seem noticed."""
        answer = self.ask(sorted({test for file in files for test in self._own_of(file)}), LIMIT_S)
        assert answer["code"] == 0, f"without any change a test fails: {answer}"

    def is_killed(self, mutant: Mutant) -> bool:
        """Return whether a test fails on this mutant, or does not end."""
        path = self.folder / "plabctl" / mutant.file
        source = path.read_text()
        while tests := self._tests_for(mutant, source):
            try:
                self._write(path, mutated(source, mutant.mutation))
                answer = self.ask(tests, LIMIT_S)
            finally:
                self._write(path, source)
            failed = answer["failed"]
            if failed not in self.traces or self._is_sound(failed):
                return bool(answer["late"] or answer["code"])
            del self.traces[failed]
        return False

    def _is_sound(self, test: str) -> bool:
        """Return whether a test passes alone and without any change: if not, that it failed says nothing."""
        if test not in self.sound and self.ask([test], LIMIT_S)["code"] == 0:
            self.sound.add(test)
        return test in self.sound

    def _write(self, path: Path, text: str) -> None:
        """Write a file so that no bytecode of another version of it fits."""
        path.write_text(text)
        self.stamp += 10
        os.utime(path, (self.stamp, self.stamp))

    def _tests_for(self, mutant: Mutant, source: str) -> list[str]:
        if not self.traces:
            return self._own_of(mutant.file)
        line = _function_at(source, mutant.mutation.line)
        # The store is tested in processes of its own, too, of which the trace knows nothing.
        own = _own(mutant.file)
        called = [
            (not test.startswith(own), found["seconds"], test)
            for test, found in self.traces.items()
            if [mutant.file, line] in found["calls"]
            or (test.startswith(own) and (line == 0 or mutant.file.startswith("store/")))
        ]
        chosen: list[str] = []
        seconds = 0.0
        for is_others, took, test in sorted(called):
            if is_others and seconds + took > MOST_TESTS_S:
                break
            seconds += took * is_others
            chosen.append(test)
        return chosen

    def _own_of(self, file: str) -> list[str]:
        patterns = [begin if begin.endswith(".py") else f"{begin}*.py" for begin in _own(file)]
        return [str(path.relative_to(self.folder)) for pattern in patterns for path in self.folder.glob(pattern)]


@functools.cache
def _own(file: str) -> tuple[str, ...]:
    """Return how the names of the tests of a module begin: of its twin, else of those that its docstring names."""
    folder, _, name = file.removesuffix(".py").rpartition("/")
    named = _TESTS.findall((ROOT / "plabctl" / file).read_text())
    return tuple(f"{each}{end}" for each in (f"tests/{folder}/test_{name}", *named) for end in (".py", "_"))


def _function_at(source: str, line: int) -> int:
    """Return the first line of the innermost function around `line`, its decorators with it; 0 when there is none."""
    inner = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if node.body[0].lineno <= line <= (node.end_lineno or 0):
                inner = max(inner, first)
    return inner
