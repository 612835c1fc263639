"""A desk to type at: a configuration and a state of its own, nodes that are commands on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.fork_server import can_fork, fork_server

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240.0
"""For what hangs."""

CONFIG = """
state_dir = "state"
window = 4

[pool.good]
kind = "good"
on_fail = "bad"

[pool.bad]
kind = "bad"
on_pass = "good"

[recipe.process]
transport = "local"
setup = { run = "echo 'hello [/x] from' {node}; test ! -e {node}.bad || exit 2", timeout = "10s" }
teardown = { run = "true", timeout = "5s" }
"""


@dataclass(frozen=True)
class Said:
    """What a command did."""

    code: int
    out: str
    err: str


class Desk:
    """Runs plabctl in a folder, as a process of its own; `run` and `ok` do without a start of Python where they can."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "plabctl.toml"
        # The recipe's commands run where plabctl runs.
        self.config.write_text(CONFIG)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "PAGER": "cat",
            "PYTHONPATH": str(ROOT),
            "PLABCTL_STATE_DIR": str(folder / "fallback"),
        }

    def run(self, *arguments: str, stdin: str | None = None, environ: Mapping[str, str] | None = None) -> Said:
        """Run `plabctl ARGUMENTS` with pipes around it and return what it said."""
        everything = {**self.environ, **(environ or {})}
        if type(self).command is Desk.command and can_fork(everything, *arguments, stdin or ""):
            done = fork_server().run(arguments, self.folder, everything, stdin, TIMEOUT_S)
        else:
            done = subprocess.run(
                self.command(*arguments),
                cwd=self.folder,
                env=everything,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=TIMEOUT_S,
                check=False,
            )
        return Said(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start `plabctl ARGUMENTS` with pipes around it; end it with the block if it has not ended by itself."""
        with subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def command(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, "-m", "plabctl", *arguments]

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it, insist on success, and return its standard output."""
        said = self.run(*arguments, stdin=stdin)
        assert said.code == 0, said
        return said.out

    def break_node(self, name: str) -> None:
        (self.folder / f"{name}.bad").touch()
