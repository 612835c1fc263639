"""plabctl as it is measured: an installation of its own, a config file, and a state to begin each round with.

I/O. The installation is a bare virtual environment that reaches this tree by a path, for an editable install makes
every Python start slower, `python -c pass` too, and would flatter each ratio to it. States are built, read and copied
in child processes, for the memory of this one is where the peaks of measured processes begin.
Run as `python -m tests.benchmarks.testbed build|verdicts|spans` by this module itself.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import ROOT, Contestant, helper
from tests.benchmarks.nodes import Nodes

SCRIPT = """\
#!{python}
# as pip writes it, with the import that it makes
import re
import sys
from plabctl.cli.entry import main
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit(main())
"""
CONFIG = """\
state_dir = "state"
window = {window}
[ssh]
user = "{user}"
key = "{key}"
known_hosts = "{known_hosts}"
connect_timeout = "60s"
[pool.good]
kind = "good"
on_fail = "bad"
recipe = "bench"
[pool.bad]
kind = "bad"
on_pass = "good"
recipe = "bench"
[recipe.bench]
"""


class Installation:
    """A bare virtual environment in `folder` that finds plabctl and its libraries."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.python = str(folder / "bin" / "python")
        places = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        site = next((folder / "lib").glob("python*/site-packages"))
        (site / "here.pth").write_text("".join(f"{place}\n" for place in dict.fromkeys(places)))
        program = folder / "bin" / "plabctl"
        program.write_text(SCRIPT.format(python=self.python))
        program.chmod(0o755)
        self.plabctl = str(program)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a state holds: nodes with their variables; the first `due_count` of them are due now."""

    nodes: Sequence[tuple[str, Mapping[str, str]]]
    due_count: int

    @classmethod
    def of(cls, nodes: Nodes, variables: Sequence[Mapping[str, str]] = ()) -> "Plan":
        """Return one node for each address, with further variables for each if given."""
        rows = []
        for number, (host, port) in enumerate(nodes.addresses):
            own = variables[number] if variables else {}
            rows.append((f"n{number:05}", {"ssh_host": host, "ssh_port": str(port), **own}))
        return cls(rows, len(rows))

    @classmethod
    def idle(cls, count: int, due_count: int = 0) -> "Plan":
        """Return `count` nodes of which none is due, or only a few."""
        rows = [
            (
                f"n{number:06}",
                {"site": f"s{number % 50}", "ssh_host": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"},
            )
            for number in range(count)
        ]
        return cls(rows, due_count)


@dataclass(slots=True)
class Testbed:
    """A config file and a state directory in `folder`; `stages` gives the recipe's stages with their commands."""

    folder: Path
    installation: Installation
    plan: Plan
    stages: Mapping[str, str]
    nodes: Nodes | None = None
    window: int = 40
    lost: list[str] = field(default_factory=list)
    """A line for each node that did not pass."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        config = CONFIG.format(
            window=self.window,
            user=self.nodes.user if self.nodes else "nobody",
            key=self.nodes.path("user_key") if self.nodes else "key",
            known_hosts=self.nodes.path("known_hosts") if self.nodes else "known_hosts",
        )
        for stage, command in self.stages.items():
            config += f"{stage} = {{ run = {json.dumps(command)}, timeout = '90s' }}\n"
        self.config.write_text(config)
        state = self.folder / "built"
        helper(
            "testbed",
            "build",
            str(state),
            given=json.dumps({"nodes": self.plan.nodes, "due_count": self.plan.due_count}),
        )
        self.renew()

    @property
    def config(self) -> Path:
        """The config file."""
        return self.folder / "plabctl.toml"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / "state"

    def renew(self) -> None:
        """Put the state back to what it was at the beginning, and wait until the nodes are at rest."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.folder / "built", self.state)
        if self.nodes:
            self.nodes.quiet()

    def verify(self) -> None:
        """Note every node whose latest verdict is not that it passed just now."""
        self.lost += json.loads(helper("testbed", "verdicts", str(self.state)))["lost"]

    def contestant(self, name: str, *words: str, terminal: bool = False, watch: bool = False) -> Contestant:
        """Return `plabctl WORDS` as something to be run; a tick starts from the state as it was built."""
        tick = words[0] == "tick" and self.plan.due_count > 0
        return Contestant(
            name,
            (self.installation.plabctl, *words),
            {"PLABCTL_CONFIG": str(self.config), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
            before=self.renew if tick else bool,
            after=self.verify if tick else bool,
            terminal=terminal,
            watch=watch,
        )


def spans_of(state: Path) -> list[tuple[float, float]]:
    """Return when each probe of the history began and ended."""
    return [(start, start + length) for start, length in json.loads(helper("testbed", "spans", str(state)))]


def build(state: Path) -> None:
    """Write a state with the nodes that standard input describes; each has been tested for a day."""
    from plabctl.clock import SystemClock
    from plabctl.core.model import Member, Node, Outcome, Verdict
    from plabctl.core.state import Changes
    from plabctl.store.store import Store

    plan = json.loads(sys.stdin.read())
    now = round(time.time(), 3)
    nodes, members = [], []
    for number, (name, variables) in enumerate(plan["nodes"]):
        probed_at = now - 1200 - number % 600
        due_at = now - 1 if number < plan["due_count"] else now + 1800 + number % 600
        nodes.append(Node(name, variables, "file:nodes.txt", now - 86400))
        verdict = Verdict(Outcome.PASS, None, "", probed_at, 1.234)
        members.append(
            Member(name, "good", now - 86400, due_at, 7, probed_at=probed_at, interval_s=1200.0, last=verdict)
        )
    with Store(state, SystemClock()).session() as session:
        session.apply(Changes(nodes=tuple(nodes), members=tuple(members)))


def verdicts(state: Path) -> None:
    """Print which nodes did not pass in the last minutes, and which were found to fail in between."""
    from plabctl.clock import SystemClock
    from plabctl.core.model import Outcome
    from plabctl.history.database import History
    from plabctl.store.store import Store

    told = [record.event for record in History(state).read(kinds=["probe", "late", "void"])]
    odd = [event for event in told if event.kind != "probe" or event.data["outcome"] != Outcome.PASS]
    lost = [f"{event.node}: {event.kind} {event.data.get('cause')} {event.data.get('reason')}" for event in odd]
    for member in Store(state, SystemClock()).snapshot().members():
        last = member.last
        if not last or last.outcome is not Outcome.PASS or last.at < time.time() - 600:
            lost.append(
                f"{member.node}: {last.outcome if last else 'not tested'} {last.reason if last else ''}".strip()
            )
    print(json.dumps({"lost": lost}))


def spans(state: Path) -> None:
    """Print the start of each probe and its length, both in seconds."""
    from plabctl.history.database import History

    found = [record.event.data for record in History(state).read(kinds=["probe"])]
    print(json.dumps([(data["started_at"], data["seconds"]) for data in found]))


if __name__ == "__main__":
    {"build": build, "verdicts": verdicts, "spans": spans}[sys.argv[1]](Path(sys.argv[2]))
