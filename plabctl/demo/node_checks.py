"""What a ping and a login say of each node of the demo: the checks that plabctl's own verdict is shown beside.

I/O. All nodes of the demo share the address 127.0.0.1, where this machine's kernel would answer an ICMP echo whatever
the state of the node. So a ping is here a TCP connection to the node's SSH port, as `nc -z` makes one, and a login is
an SSH login that runs `true`, with the key and the known hosts that plabctl uses. A few threads make both, again and
again, for as long as the demo runs; plabctl is told nothing of them. `demo_view` has the values.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from random import Random
from types import TracebackType
from typing import Self

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.events import make_token
from plabctl.core.model import Cause, Node, Outcome, Report
from plabctl.core.recipe import Recipe, Stage
from plabctl.core.settings import SshSettings
from plabctl.demo.demo_view import UNCHECKED, CheckResult, NodeChecks
from plabctl.probes.prober import Prober

THREADS = 3
PAUSE_S = 1.5
"""How long a thread waits after each node, once every node was checked: logins cost processor time."""
PING_TIMEOUT_S = 1.0
LOGIN_TIMEOUT_S = 5.0
JOIN_S = 2.0
_LOGIN = Recipe("login", setup=Stage(run="true", timeout_s=LOGIN_TIMEOUT_S))
_LOGIN_FAILURES = {
    Cause.CONNECT: "refused",
    Cause.AUTH: "refused",
    Cause.HOST_KEY: "wrong key",
    Cause.PROTOCOL: "no answer",
    Cause.DEADLINE: "no answer",
}


def ping(host: str, port: int) -> CheckResult:
    """Connect to this port by TCP and hang up; never raise."""
    try:
        socket.create_connection((host, port), PING_TIMEOUT_S).close()
    except ConnectionRefusedError:
        return CheckResult(passed=False, words="refused")
    except OSError:  # a time-out is one
        return CheckResult(passed=False, words="no answer")
    return CheckResult(passed=True, words="up")


class NodeChecker:
    """Checks these nodes in turn, from entering it to leaving it."""

    def __init__(self, nodes: Sequence[Node], ssh: SshSettings, clock: Clock) -> None:
        self._prober = Prober(ssh, clock)
        self._turns = cycle(nodes)
        self._node_count = len(nodes)
        self._begun_count = 0
        self._results = dict.fromkeys((node.name for node in nodes), UNCHECKED)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="node checks", daemon=True) for _ in range(THREADS)]

    def __enter__(self) -> Self:
        self._prober.prepare()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._prober.interrupt()
        for thread in self._threads:
            thread.join(JOIN_S)

    def read(self) -> Mapping[str, NodeChecks]:
        """Return the latest results, by node."""
        with self._lock:
            return dict(self._results)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                node = next(self._turns)
                self._begun_count += 1
                is_first_round = self._begun_count <= self._node_count
            self._store(node.name, ping=ping(node.variables["ssh_host"], int(node.variables["ssh_port"])))
            report = self._prober.probe(build_login(node))
            if report.cause is not Cause.INTERRUPTED:
                self._store(node.name, login=judge_login(report))
            if not is_first_round:
                self._stop.wait(PAUSE_S)

    def _store(self, name: str, **results: CheckResult) -> None:
        with self._lock:
            self._results[name] = replace(self._results[name], **results)


def build_login(node: Node) -> Assignment:
    """Return the assignment to log in at `node` and run `true` there."""
    deadline_s = LOGIN_TIMEOUT_S * 2
    token = make_token(Random())
    return Assignment(node=node, token=token, recipe=_LOGIN, vnode=f"login-{token}", pool="", deadline_s=deadline_s)


def judge_login(report: Report) -> CheckResult:
    """Return what came of a login, in words."""
    if report.outcome is Outcome.PASS:
        return CheckResult(passed=True, words="works")
    cause = report.cause
    return CheckResult(passed=False, words=_LOGIN_FAILURES.get(cause, str(cause)) if cause else "failed")
