"""A whole installation in a temporary folder, with recipes that run here, so that a tick is real and needs no sshd."""

import os
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from plabctl.app.context import App
from plabctl.app.signals import Stop
from plabctl.app.tick import run_tick
from plabctl.clock import SystemClock
from plabctl.core import enrolment
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.model import Member, Node
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import Settings
from plabctl.history.database import History, Record
from plabctl.store.store import Store
from tests.builders import make_order, make_settings
from tests.lab.fork_server import ROOT, ForkedProcess, fork_server


class Installation:
    """One state directory, its configuration file, and shell commands in place of nodes.

    The recipe runs `setup` for each node. By default a file `NODE.bad` beside the state makes that node fail, with the
    exit code 2: the codes of local recipes are those of monitoring plug-ins.
    """

    def __init__(self, folder: Path, *, setup: str = "", timeout_s: float = 10.0, **fields: object) -> None:
        self.folder = folder
        command = setup or f"test ! -e {folder}/{{node}}.bad || exit 2"
        self.recipe = Recipe(
            "process",
            transport=Transport.LOCAL,
            setup=Stage(run=command, timeout_s=timeout_s),
            teardown=Stage(run=f"echo {{vnode}} >> {folder}/torn-down", timeout_s=5.0),
        )
        settings = make_settings(
            backoff=Backoff(ADDITIVE, base_s=60.0, step_s=60.0, max_s=600.0, jitter_s=0.0),
            state_dir=str(folder / "state"),
            recipes={"process": self.recipe},
        )
        self.settings: Settings = replace(settings, **fields)  # type: ignore[arg-type]  # any field of Settings
        self.clock = SystemClock()
        self.store = Store(self.settings.state_dir, self.clock)
        self.app = App(self.settings, self.clock, self.store)

    def add(self, *names: str, **variables: str) -> None:
        with self.store.session() as state:
            nodes = [Node(name, variables) for name in names]
            state.apply(enrolment.add_nodes(state, self.settings, nodes, make_order(now=self.clock.now())))

    def tick(self, **options: object) -> int:
        return run_tick(self.app, Stop(), **options)  # type: ignore[arg-type]  # the options of run_tick

    def break_node(self, name: str) -> None:
        (self.folder / f"{name}.bad").touch()

    def mend_node(self, name: str) -> None:
        (self.folder / f"{name}.bad").unlink()

    def member(self, name: str) -> Member:
        member = self.store.snapshot().member(name)
        assert member is not None
        return member

    def pools(self) -> Mapping[str, str]:
        return {member.node: member.pool for member in self.store.snapshot().members()}

    def make_due(self, *names: str) -> None:
        """Let time pass for these nodes, or for all."""
        with self.store.session() as state:
            chosen = [state.member(name) for name in names] if names else list(state.members())
            members = [replace(member, due_at=self.clock.now() - 1) for member in chosen if member]
            from plabctl.core.state import Changes

            state.apply(Changes(members=tuple(members)))

    def history(self, *kinds: str) -> list[Record]:
        found = History(self.app.state_dir).read(kinds=kinds or None)
        assert not found.skipped, "plabctl wrote a row that it does not take for its own"
        return found

    def spawn_tick(self, *names: str) -> ForkedProcess:
        """Start a tick in a process of its own, from the same settings."""
        handle, output = tempfile.mkstemp(dir=self.folder, prefix="output-")
        os.close(handle)
        settings = Path(f"{output}.settings")
        settings.write_bytes(pickle.dumps(self.settings))
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        module, argv = "tests.app.spawned_tick", [str(settings), *names]
        return fork_server().start(argv, ROOT, environ, Path(output), module=module)
