"""Nodes behind jump hosts, with real sshds: two jump hosts and a node on loopback."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from plabctl.clock import SystemClock
from plabctl.core.jump_fault import find_jump_host
from plabctl.core.model import Cause, Outcome, Report
from plabctl.core.recipe import Recipe, Stage
from plabctl.core.settings import SshSettings
from plabctl.probes import jump_link
from plabctl.probes.jump_refusal import build_jump_error, judge_refusal
from plabctl.probes.jump_transport import JumpTransport, Opening
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.prober import Prober
from plabctl.probes.target import Target
from tests.probes.jobs import make_assignment, make_recipe
from tests.probes.openssh import PROGRAM, Sshd, free_port, needs_sshd

pytestmark = needs_sshd
CHECK = make_recipe(check="true")
LOGINS = "Accepted publickey"


class Site(NamedTuple):
    """A way to a node; one key is accepted everywhere, and all host keys are known."""

    gate: Sshd
    inner: Sshd
    node: Sshd

    def settings(self, *jump: str, **changes: object) -> SshSettings:
        return self.node.settings(jump=jump or (name(self.gate),), **changes)

    def prober(self, *jump: str, **changes: object) -> Prober:
        return Prober(self.settings(*jump, **changes), SystemClock())

    def own_gate(self, folder: Path, *lines: str) -> Sshd:
        """Return a jump host of the test's own."""
        gate = Sshd(folder / "gate", *lines)
        join(gate, self.node)
        return gate


def name(server: Sshd) -> str:
    return f"127.0.0.1:{server.port}"


def join(server: Sshd, node: Sshd) -> None:
    """Let the key for the node in at `server`, and know the host key of that."""
    (server.directory / "authorized_keys").write_bytes(node.user_key.with_suffix(".pub").read_bytes())
    with node.known_hosts.open("a") as file:
        file.write(server.known_hosts.read_text())


def count_logins(server: Sshd) -> int:
    return (server.directory / "log").read_text().count(LOGINS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    servers = [Sshd(tmp_path_factory.mktemp(each), "LogLevel VERBOSE") for each in ("gate", "inner", "node")]
    for server in servers[:2]:
        join(server, servers[2])
    yield Site(*servers)
    for server in servers:
        server.stop()


def probe_many(prober: Prober, count: int, recipe: Recipe = CHECK, **variables: str) -> list[Report]:
    jobs = [make_assignment(recipe, **variables) for _ in range(count)]  # type: ignore[arg-type]  # variables are strings
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(prober.probe, jobs))


def expect_jump(report: Report, server: str, words: str) -> None:
    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.JUMP), report.reason
    assert find_jump_host(report.reason) == server
    assert words in report.reason


def label(server: Sshd) -> str:
    return f"[127.0.0.1]:{server.port}"


def test_forty_nodes_behind_one_jump_host_cost_it_one_login(site: Site) -> None:
    before = count_logins(site.gate)
    reports = probe_many(site.prober(), 40)

    assert {report.outcome for report in reports} == {Outcome.PASS}
    assert count_logins(site.gate) == before + 1


def test_two_jump_hosts_in_a_row_are_passed_in_order(site: Site) -> None:
    before = [count_logins(each) for each in site]
    reports = probe_many(site.prober(name(site.gate), name(site.inner)), 3)

    assert [report.outcome for report in reports] == [Outcome.PASS] * 3
    assert [count_logins(each) - count for each, count in zip(site, before, strict=True)] == [1, 1, 3]


class TestWhatSpeaksOfTheNode:
    def test_a_node_that_refuses_the_connection(self, site: Site) -> None:
        (report,) = probe_many(site.prober(), 1, ssh_port=str(free_port()))

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CONNECT)
        assert report.reason.endswith(f"by way of {label(site.gate)}: Connection refused")

    def test_a_name_that_the_jump_host_does_not_know(self, site: Site) -> None:
        (report,) = probe_many(site.prober(), 1, ssh_host="no-such-node.invalid")

        # Without a network there is no name server to say so, and that is the jump host's fault.
        assert (report.outcome, report.cause) in {(Outcome.FAIL, Cause.DNS), (Outcome.UNKNOWN, Cause.JUMP)}
        assert "no-such-node.invalid" in report.reason

    def test_a_node_that_does_not_answer(self, site: Site) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as waiting:
            waiting.connect(full.getsockname())  # there is room for this one, and for no other
            (report,) = probe_many(site.prober(connect_timeout_s=1.5), 1, ssh_port=str(full.getsockname()[1]))

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CONNECT)
        assert report.reason.startswith("no answer from 127.0.0.1 port")
        assert report.seconds < 1.7

    def test_a_node_that_says_nothing(self, site: Site) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            (report,) = probe_many(site.prober(connect_timeout_s=1.0), 1, ssh_port=str(mute.getsockname()[1]))

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.PROTOCOL)
        assert report.reason == "no SSH banner in time"

    def test_a_node_that_takes_no_key_of_ours(self, site: Site) -> None:
        (report,) = probe_many(site.prober(), 1, ssh_user="nobody-of-that-name")

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.AUTH)

    def test_a_stage_that_fails_or_is_late(self, site: Site) -> None:
        late = make_recipe(check=Stage(run="sleep 60", timeout_s=0.5))
        prober = site.prober()

        assert probe_many(prober, 1, make_recipe(check="echo no; false"))[0].cause is Cause.CHECK
        assert probe_many(prober, 1, late)[0].cause is Cause.DEADLINE


class TestWhatSpeaksOfTheJumpHost:
    def test_one_that_refuses_the_connection_costs_one_try(self, site: Site) -> None:
        gone = f"127.0.0.1:{free_port()}"
        reports = probe_many(site.prober(gone), 8)

        for report in reports:
            expect_jump(report, f"[127.0.0.1]:{gone.partition(':')[2]}", "connection refused")

    def test_one_that_refuses_the_connection_behind_another(self, site: Site) -> None:
        port = free_port()
        (report,) = probe_many(site.prober(name(site.gate), f"127.0.0.1:{port}"), 1)

        expect_jump(report, f"[127.0.0.1]:{port}", "Connection refused")

    def test_one_that_hangs_before_the_login(self, site: Site) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            start = time.monotonic()
            reports = probe_many(site.prober(f"127.0.0.1:{port}", connect_timeout_s=1.0), 4)

        assert time.monotonic() - start < 3
        for report in reports:
            expect_jump(report, f"[127.0.0.1]:{port}", "")

    @pytest.mark.parametrize("way", ["hangs", "dies"])
    def test_one_that_fails_in_mid_probe(self, site: Site, tmp_path: Path, way: str) -> None:
        gate = site.own_gate(tmp_path)
        prober = site.prober(name(gate))
        stop = signal.SIGSTOP if way == "hangs" else signal.SIGKILL
        jobs = [
            make_assignment(make_recipe(check=Stage(run="sleep 9", timeout_s=1), teardown="true")) for _ in range(3)
        ]
        sessions = []

        def fail() -> None:
            sessions.extend(gate.sessions())
            for pid in sessions:
                os.kill(pid, stop)

        timer = threading.Timer(0.5, fail)
        timer.start()
        with ThreadPoolExecutor(3) as pool:
            reports = list(pool.map(prober.probe, jobs))
        for pid in sessions if way == "hangs" else ():
            os.kill(pid, signal.SIGKILL)

        for report in reports:
            expect_jump(
                report, label(gate), "does not answer any more" if way == "hangs" else "the connection was lost"
            )
            assert report.left  # what was begun may be there
        assert prober.probe(make_assignment(CHECK)).outcome is Outcome.PASS
        gate.stop()

    def test_one_that_is_full(self, site: Site, tmp_path: Path) -> None:
        gate = site.own_gate(tmp_path, "MaxStartups 1:100:1", "LogLevel VERBOSE")
        with hold_connection(gate):
            (report,) = probe_many(site.prober(name(gate), connect_timeout_s=1.5), 1)
        gate.stop()

        expect_jump(report, label(gate), "")
        assert "MaxStartups" in report.reason or "before the SSH banner" in report.reason  # older ones say nothing

    def test_one_that_does_not_forward(self, site: Site, tmp_path: Path) -> None:
        gate = site.own_gate(tmp_path, "AllowTcpForwarding no")
        (report,) = probe_many(site.prober(name(gate)), 1)
        gate.stop()

        expect_jump(report, label(gate), f"it does not forward to 127.0.0.1 port {site.node.port}")

    def test_one_that_takes_no_key_of_ours(self, site: Site) -> None:
        (report,) = probe_many(site.prober(f"nobody@{name(site.gate)}"), 1)

        expect_jump(report, label(site.gate), "our key is refused for user 'nobody'")

    @pytest.mark.parametrize(
        ("keys", "words"),
        [("", "unknown host key"), ("the node's", "the host key has changed"), ("revoked", "is revoked")],
    )
    def test_one_whose_host_key_is_not_the_known_one(self, site: Site, tmp_path: Path, keys: str, words: str) -> None:
        lines = [f"[127.0.0.1]:{site.node.port} {site.node.host_lines[0]}"]
        if keys == "the node's":
            lines.append(f"{label(site.gate)} {site.node.host_lines[0]}")
        if keys == "revoked":
            lines.append(f"@revoked {label(site.gate)} {site.gate.host_lines[0]}")
        known = tmp_path / "known_hosts"
        known.write_text("\n".join(lines) + "\n")
        (report,) = probe_many(site.prober(known_hosts=str(known)), 1)

        expect_jump(report, label(site.gate), words)
        assert keys == "revoked" or "plabctl trust NODE" in report.reason


class TestConnections:
    def test_a_second_one_is_made_when_the_first_one_is_full(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jump_link, "MAX_TUNNELS", 2)
        before = count_logins(site.gate)
        reports = probe_many(site.prober(), 5, make_recipe(check="sleep 0.5"))

        assert {report.outcome for report in reports} == {Outcome.PASS}
        assert count_logins(site.gate) == before + 3

    def test_a_second_one_is_made_when_the_jump_host_opens_no_more(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = JumpTransport.request_tunnel
        opened: Counter[JumpTransport] = Counter()

        def be_short(transport: JumpTransport, host: str, port: int) -> Opening:
            opening = request(transport, host, port)
            opened[transport] += 1
            if opened[transport] == 2:
                opening.answered.wait(5)
                opening.refusal = 4, "no more channels"
            return opening

        monkeypatch.setattr(JumpTransport, "request_tunnel", be_short)
        reports = probe_many(site.prober(), 4, make_recipe(check="sleep 0.3"))

        assert {report.outcome for report in reports} == {Outcome.PASS}
        assert len(opened) > 1

    def test_an_idle_one_ends_without_a_trace(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jump_link, "IDLE_S", 0.1)
        prober = site.prober(name(site.gate), name(site.inner))
        before = count_descriptors(), threading.active_count()
        probe_many(prober, 4)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and (
            count_descriptors() > before[0] or threading.active_count() > before[1] + 1
        ):
            time.sleep(0.05)

        assert count_descriptors() <= before[0]  # what earlier tests used may end meanwhile
        assert threading.active_count() <= before[1] + 1  # the watchdog

    def test_all_end_at_an_interrupt(self, site: Site, tmp_path: Path) -> None:
        gate = site.own_gate(tmp_path)
        prober = site.prober(name(gate))
        threading.Timer(0.4, prober.interrupt).start()
        start = time.monotonic()
        reports = probe_many(prober, 3, make_recipe(check="sleep 9"))
        seconds = time.monotonic() - start
        while gate.sessions() and time.monotonic() - start < 4:
            time.sleep(0.05)

        assert {report.cause for report in reports} == {Cause.INTERRUPTED}
        assert seconds < 2
        assert gate.sessions() == []
        gate.stop()


def hold_connection(server: Sshd) -> socket.socket:
    """Return a connection that the server has begun to serve; it may still be busy with one that has ended."""
    while True:
        sock = socket.create_connection(("127.0.0.1", server.port))
        if sock.recv(100).startswith(b"SSH-"):
            return sock
        sock.close()
        time.sleep(0.02)


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class _HiddenSshd(Sshd):
    """A node in a network of its own, where nobody outside can reach it."""

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            argv = [*self._before, str(PROGRAM), "-D", "-e", "-f", str(self.directory / "config")]
            self.process = subprocess.Popen(argv, stderr=log)
        deadline = time.monotonic() + 10
        while "Server listening" not in (self.directory / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.02)


@pytest.fixture
def hidden_network() -> Iterator[tuple[str, ...]]:
    """What to put before a command that is to run in a network of its own."""
    hold = "ip link set lo up && echo ready && exec cat"
    argv = ["unshare", "--net", "sh", "-c", hold]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout
        assert keeper.stdout.readline() == b"ready\n"
        yield ("nsenter", "--target", str(keeper.pid), "--net", "--")
        keeper.terminate()


@pytest.mark.lab
def test_a_node_that_only_the_jump_host_can_reach(site: Site, tmp_path: Path, hidden_network: tuple[str, ...]) -> None:
    node = _HiddenSshd(tmp_path / "node", before=hidden_network)
    (node.directory / "authorized_keys").write_bytes(site.node.user_key.with_suffix(".pub").read_bytes())
    known = tmp_path / "known_hosts"
    with socket.create_server(("127.0.0.1", 0)) as listener, (tmp_path / "log").open("ab") as log:
        port = listener.getsockname()[1]
        known.write_text(f"[127.0.0.1]:{port} {site.gate.host_lines[0]}\n{node.known_hosts.read_text()}")
        sessions: list[subprocess.Popen[bytes]] = []

        def serve() -> None:
            sock, _ = listener.accept()
            argv = [*hidden_network, str(PROGRAM), "-i", "-f", str(site.gate.directory / "config")]
            sessions.append(subprocess.Popen(argv, stdin=sock.fileno(), stdout=sock.fileno(), stderr=log))
            sock.close()

        thread = threading.Thread(target=serve)
        thread.start()
        prober = site.prober(f"127.0.0.1:{port}", known_hosts=str(known))
        there = prober.probe(make_assignment(CHECK, ssh_port=str(node.port)))
        refused = prober.probe(make_assignment(CHECK, ssh_port="1"))
        directly = prober.probe(make_assignment(CHECK, ssh_port=str(node.port), ssh_jump="none"))
        prober.interrupt()
        thread.join()
        sessions[0].wait(10)
    node.stop()

    assert there.outcome is Outcome.PASS, there.reason
    assert (refused.cause, directly.cause) == (Cause.CONNECT, Cause.CONNECT)
    assert "by way of" in refused.reason
    assert "by way of" not in directly.reason


@pytest.mark.parametrize(
    ("code", "said", "cause"),
    [
        (2, "Connection refused", Cause.CONNECT),
        (2, "Connection timed out", Cause.CONNECT),
        (2, "No route to host", Cause.CONNECT),
        (2, "", Cause.CONNECT),
        (2, "Name or service not known", Cause.DNS),
        (2, "Error resolving 'n1' port '22'. Name or service not known", Cause.DNS),  # dropbear
        (2, "[Errno -2] Name or service not known", Cause.DNS),  # asyncssh
        (2, "Temporary failure in name resolution", Cause.JUMP),
        (2, "Network is unreachable", Cause.JUMP),
        (2, "Too many open files", Cause.JUMP),
        (2, "Permission denied", Cause.JUMP),
        (1, "open failed", Cause.JUMP),
        (3, "unknown channel type", Cause.JUMP),
        (4, "resource shortage", Cause.JUMP),
    ],
)
def test_a_refused_tunnel_speaks_of_the_node_or_of_the_jump_host(code: int, said: str, cause: Cause) -> None:
    error = judge_refusal(Target("", "gate", 22, "me", "gate"), "n1", 22, code, said)

    assert error.cause is cause
    assert error.outcome is (Outcome.UNKNOWN if cause is Cause.JUMP else Outcome.FAIL)
    assert "gate" in error.reason
    assert said in error.reason


def test_what_a_login_at_a_jump_host_found_is_not_said_of_the_node() -> None:
    at_login = ProbeError(Cause.NOT_READY, "the node says that it is not ready: System is booting up.")

    error = build_jump_error(Target("", "gate", 22, "me", "gate"), at_login)

    assert (error.cause, error.reason) == (
        Cause.JUMP,
        "jump host 'gate': it says that it is not ready: System is booting up.",
    )
