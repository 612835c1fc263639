"""A ping and a login, asked of nodes that answer, refuse and keep silent."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Node, Outcome
from plabctl.core.settings import SshSettings
from plabctl.demo.demo_view import CheckResult, NodeChecks
from plabctl.demo.node_checks import NodeChecker, judge_login, ping
from plabctl.probes.embedded.make_key import make_key
from plabctl.probes.embedded.ssh_node import LOOPBACK, EmbeddedNode, PortFault
from tests.builders import make_report


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Node]]:
    """Nodes by the name of their fault, and a settings file's worth of keys beside them."""
    authorized = make_key(tmp_path / "client_key")
    known, found = [], []
    with ExitStack() as stack:
        for fault in PortFault:
            make_key(tmp_path / fault)
            node = EmbeddedNode(tmp_path / f"home-{fault}", tmp_path / fault, authorized, fault=fault)
            stack.enter_context(node)
            known.append(f"[{LOOPBACK}]:{node.port} {node.public_key}\n")
            found.append(Node(fault, {"ssh_host": LOOPBACK, "ssh_port": str(node.port)}))
        (tmp_path / "known_hosts").write_text("".join(known))
        yield found


def test_each_check_says_what_it_can_see(tmp_path: Path, nodes: list[Node]) -> None:
    ssh = SshSettings(
        user="demo", key=str(tmp_path / "client_key"), known_hosts=str(tmp_path / "known_hosts"), connect_timeout_s=2.0
    )
    end = time.monotonic() + 60
    with NodeChecker(nodes, ssh, SystemClock()) as checker:
        while any(checks.login is None for checks in checker.read().values()) and time.monotonic() < end:
            time.sleep(0.05)
        results = checker.read()

    up, refused = CheckResult(passed=True, words="up"), CheckResult(passed=False, words="refused")
    assert results == {
        PortFault.NONE: NodeChecks(up, CheckResult(passed=True, words="works")),
        PortFault.REFUSING: NodeChecks(refused, refused),
        PortFault.SILENT: NodeChecks(up, CheckResult(passed=False, words="no answer")),
    }


@pytest.mark.parametrize(
    ("cause", "words"),
    [(Cause.HOST_KEY, "wrong key"), (Cause.AUTH, "refused"), (Cause.DEADLINE, "no answer"), (Cause.LOCAL, "local")],
)
def test_a_login_that_fails_says_why_in_a_word_or_two(cause: Cause, words: str) -> None:
    report = make_report(outcome=Outcome.FAIL, cause=cause)

    assert judge_login(report) == CheckResult(passed=False, words=words)


def test_a_ping_that_cannot_be_sent_says_no_answer() -> None:
    assert ping("256.256.256.256", 22) == CheckResult(passed=False, words="no answer")
