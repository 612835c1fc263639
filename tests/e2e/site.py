"""An installation of plabctl in a folder, used only as a person or cron uses it: by running `plabctl`.

I/O. Go on with the tests beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.lab.fork_server import ROOT, Process, can_fork, fork_server
from tests.lab.network import Network
from tests.lab.outposts import Outpost

PLABCTL = Path(sys.executable).parent / "plabctl"

# A tick lasts until nothing is due. With an hour between probes, a test says by `retest` what is due.
_CONFIG = """\
state_dir = "state"
window = {window}

[ssh]
user = "{user}"
key = "{key}"
connect_timeout = "{connect_timeout}"

[pool.good]
kind = "good"
on_fail = "bad"
recipe = "{recipe}"
backoff = {{ kind = "fixed", base = "{every}", jitter = "0s" }}

[pool.bad]
kind = "bad"
on_pass = "good"
recipe = "{recipe}"
backoff = {{ kind = "fixed", base = "{every}", jitter = "0s" }}

[flap]
apart = "0s"

[guard]
max_ratio = 1.0
"""


class Site:
    """One installation; what it started ends with its `with` block.

    Commands run in `network`, if any. `inside` is put before each, to run it in another file system, say. `program` is
    what is run. Where that shows the same, processes are forked from one that has plabctl loaded.
    """

    def __init__(self, folder: Path, *, inside: Sequence[str] = (), network: Network | Outpost | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.program = str(PLABCTL)
        self.config = folder / "plabctl.toml"
        # Whoever enters another file system stands at its root.
        prefix = network.inside() if network else inside
        self.inside = [*prefix, "sh", "-c", 'cd "$0" && exec "$@"', str(folder)] if prefix else []
        self.network = network
        self._started: list[Process] = []
        foreign = ("PLABCTL", "COLUMNS", "PYTHON", "LANG")
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        self.environ |= {"PLABCTL_STATE_DIR": str(folder / "unused"), "LANG": "C.UTF-8"}

    def configure(
        self,
        *,
        key: Path,
        user: str = "root",
        window: int = 10,
        recipe: str = "process",
        connect_timeout: str = "3s",
        every: str = "1h",
        more: str = "",
    ) -> None:
        """Write the configuration; `more` is put at its end, for recipes."""
        text = _CONFIG.format(
            window=window, user=user, key=key, recipe=recipe, connect_timeout=connect_timeout, every=every
        )
        self.config.write_text(text + more)

    def argv(self, *args: str) -> list[str]:
        """Return the command line for `plabctl ARGS`."""
        return [*self.inside, self.program, *args]

    def run(self, *args: str, code: int = 0, text: str = "", timeout_s: float = 90.0) -> str:
        """Run `plabctl ARGS` in the folder, insist on its exit code, and return what it printed."""
        if self._can_fork(*args, text):
            done = fork_server().run(args, self.folder, self._forked, text, timeout_s, network=self._space)
        else:
            done = subprocess.run(
                self.argv(*args),
                cwd=self.folder,
                env=self.environ,
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
            )
        assert done.returncode == code, f"plabctl {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *args: str) -> Process:
        """Start `plabctl ARGS` in the folder; what it prints goes into the file `output` there."""
        process: Process
        output = self.folder / "output"
        if self._can_fork(*args):
            process = fork_server().start(args, self.folder, self._forked, output, network=self._space)
        else:
            with output.open("ab") as file:
                process = subprocess.Popen(
                    self.argv(*args),
                    cwd=self.folder,
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                )
        self._started.append(process)
        return process

    def _can_fork(self, *texts: str) -> bool:
        is_other_place = self.inside and not self.network
        return self.program == str(PLABCTL) and not is_other_place and can_fork(self._forked, *texts)

    @property
    def _forked(self) -> dict[str, str]:
        return {**self.environ, "PYTHONPATH": str(ROOT)}

    @property
    def _space(self) -> str:
        return f"/proc/{self.network.pid}/ns/net" if self.network else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.kill()
            process.wait()

    def output(self) -> str:
        """Return what the started ones printed."""
        return (self.folder / "output").read_text(errors="replace")

    def add(self, nodes: Mapping[str, Mapping[str, str]]) -> None:
        """Add nodes with these variables."""
        keys = sorted({key for variables in nodes.values() for key in variables})
        rows = [",".join(["name", *keys])]
        rows += [",".join([name, *(variables.get(key, "") for key in keys)]) for name, variables in nodes.items()]
        self.run("node", "import", "-", text="".join(f"{row}\n" for row in rows))

    def status(self) -> dict[str, Any]:
        """Return what `status -o json` says, with the nodes by name."""
        found: dict[str, Any] = json.loads(self.run("status", "-o", "json"))
        found["nodes"] = {node["name"]: node for node in found["nodes"]}
        return found

    def pools(self) -> dict[str, str]:
        """Return the pool of each node."""
        return {name: node["pool"] for name, node in self.status()["nodes"].items()}

    def causes(self) -> dict[str, str]:
        """Return, for each node that is not good, why: the cause of its last probe."""
        nodes = self.status()["nodes"].items()
        return {name: node.get("last", {}).get("cause", "") for name, node in nodes if node["pool"] != "good"}

    def history(self) -> list[dict[str, Any]]:
        """Return the events of the history, oldest first."""
        return [json.loads(line) for line in self.run("history", "-o", "jsonl").splitlines()]
