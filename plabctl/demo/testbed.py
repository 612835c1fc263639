"""The nodes of the demo, put up in a directory beside a configuration and a state that are as real as any.

I/O. The directory stays when the nodes go, so that a person can go on with `plabctl status`. Go on with `run`.
Tests: `tests/demo/test_run.py`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from plabctl.app.context import App, open_app
from plabctl.core.enrolment import add_nodes
from plabctl.core.model import Node
from plabctl.core.node_orders import Order
from plabctl.demo.roles import CONFIG, REPAIR_MARK, REPAIRED, STAGED, Port, Role, build_program
from plabctl.probes.embedded.make_key import make_key
from plabctl.probes.embedded.ssh_node import LOOPBACK, EmbeddedNode, PortFault

FAULTS = {Port.REFUSING: PortFault.REFUSING, Port.SILENT: PortFault.SILENT}
CONFIG_NAME = "plabctl.toml"
PACES_S = (0.3, 0.5, 0.8)
"""How long making a vnode takes, in turn, so that a person can see tests going on."""


class Testbed:
    """A directory with a configuration, a state and running nodes for these roles; the nodes stop at its exit."""

    __test__ = False  # no test of pytest's, whatever its name begins with

    def __init__(self, directory: Path, roles: Sequence[Role], *, window: int, patience: str) -> None:
        self.directory = directory
        self.roles = roles
        self.config_path = directory / CONFIG_NAME
        self._window = window
        self._timeout = patience
        self._nodes: dict[str, EmbeddedNode] = {}

    def __enter__(self) -> Self:
        try:
            self._start_nodes()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the nodes away, with everything that runs on them."""
        for node in self._nodes.values():
            node.stop()
        self._nodes.clear()

    def add_nodes(self) -> App:
        """Open the installation, and add the nodes to it as `plabctl node add` would."""
        app = open_app(str(self.config_path))
        rng = random.Random()
        order = Order("demo", "put up for the demo", app.clock.now(), rng)
        nodes = [Node(role.name, self._build_variables(role)) for role in self.roles]
        with app.store.session() as state:
            state.apply(add_nodes(state, app.settings, nodes, order))
        return app

    def repair(self) -> None:
        """Mend the node that is to be repaired."""
        (self.directory / "nodes" / REPAIRED / REPAIR_MARK).touch()

    def _start_nodes(self) -> None:
        authorized = make_key(self.directory / "client_key")
        (self.directory / "state").mkdir(mode=0o700)
        self.config_path.write_text(CONFIG.format(window=self._window, patience=self._timeout), encoding="utf-8")
        keys = self.directory / "host_keys"
        keys.mkdir(mode=0o700)
        trusted = []
        for number, role in enumerate(self.roles):
            node = self._start(role, PACES_S[number % len(PACES_S)], keys, authorized)
            # As a person would who was told the right key, while somebody else sits at that address.
            known = make_key(keys / f"{role.name}.true") if role.port is Port.FOREIGN_KEY else node.public_key
            trusted.append(f"[{LOOPBACK}]:{node.port} {known}\n")
        (self.directory / "state" / "known_hosts").write_text("".join(trusted), encoding="ascii")

    def _start(self, role: Role, pace_s: float, keys: Path, authorized: str) -> EmbeddedNode:
        home = self.directory / "nodes" / role.name
        (home / "bin").mkdir(mode=0o700, parents=True)
        # Read by `sh`, never executed: the directory for temporary files may be mounted noexec.
        (home / "bin" / "vnode").write_text(build_program(role, pace_s), encoding="utf-8")
        make_key(keys / role.name)
        fault = FAULTS.get(role.port, PortFault.NONE)
        node = EmbeddedNode(home, keys / role.name, authorized, fault=fault)
        self._nodes[role.name] = node.start()
        return node

    def _build_variables(self, role: Role) -> dict[str, str]:
        variables = {"ssh_host": LOOPBACK, "ssh_port": str(self._nodes[role.name].port)}
        return variables | {STAGED: role.staged} if role.staged else variables
