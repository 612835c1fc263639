"""Shortages of our own are unknown, not the node's failure."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Node, Outcome
from plabctl.core.settings import SshSettings
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.connect import connect
from plabctl.probes.login_limiter import LoginLimiter
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.prober import Prober
from plabctl.probes.target import Targets
from plabctl.probes.watchdog import Watchdog
from tests.probes.jobs import make_assignment, make_recipe, probe
from tests.probes.openssh import Sshd, needs_sshd

CLOCK = SystemClock()

FEW_DESCRIPTORS = """
import resource, sys
from plabctl.clock import SystemClock
from plabctl.probes.prober import Prober
from plabctl.executors.threads import ThreadExecutor
from plabctl.core.settings import SshSettings
from tests.probes.jobs import make_assignment, make_recipe, probe

port, user, key, known = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
clock = SystemClock()
prober = Prober(SshSettings(user, int(port), key, known, connect_timeout_s=20.0), clock)
prober.prepare()
runner = ThreadExecutor(prober, clock)
for _ in range(40):
    runner.start(make_assignment(make_recipe(check="sleep 2")))
while runner.running:
    for report in runner.wait(30):
        print(report.outcome, report.cause)
"""


@needs_sshd
def test_too_few_descriptors_fail_no_node(sshd: Sshd) -> None:
    settings = sshd.settings()
    argv = [
        sys.executable,
        "-c",
        FEW_DESCRIPTORS,
        str(settings.port),
        settings.user,
        settings.key,
        settings.known_hosts,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)

    outcomes = set(done.stdout.splitlines())
    assert outcomes == {"pass None", "unknown local"}
    assert len(done.stdout.splitlines()) == 40


def test_the_soft_limit_of_descriptors_is_raised(tmp_path: Path) -> None:
    code = (
        "import resource\n"
        "from plabctl.probes.prober import Prober\nfrom plabctl.clock import SystemClock\n"
        "from plabctl.core.settings import SshSettings\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))\n"
        "Prober(SshSettings(), SystemClock()).prepare()\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "(512, 512)"


def test_importing_the_prober_loads_no_ssh_library() -> None:
    code = (
        "import sys, plabctl.probes.prober, plabctl.executors.threads; print(set(sys.modules) & {'paramiko', 'fabric'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


class TestDialling:
    def test_a_resolver_that_hangs_is_our_fault_and_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hang = threading.Event()
        numeric = socket.getaddrinfo

        def stuck(host: str, port: int, *more: int) -> object:
            if more[-1] == socket.AI_NUMERICHOST:
                return numeric(host, port, *more)
            hang.wait(20)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", stuck)
        start = time.monotonic()
        with pytest.raises(ProbeError) as caught:
            connect("somewhere.example", 22, start + 0.5, CLOCK, Cancellation())

        assert caught.value.cause is Cause.LOCAL
        assert time.monotonic() - start < 0.5 + 1
        hang.set()

    @pytest.mark.parametrize(
        ("code", "cause"),
        [(socket.EAI_NONAME, Cause.DNS), (socket.EAI_AGAIN, Cause.LOCAL), (socket.EAI_FAIL, Cause.LOCAL)],
    )
    def test_no_such_name_is_told_from_no_resolver(
        self, monkeypatch: pytest.MonkeyPatch, code: int, cause: Cause
    ) -> None:
        def fail(*_: object) -> None:
            raise socket.gaierror(code, "no")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(ProbeError) as caught:
            connect("x", 22, time.monotonic() + 5, CLOCK, Cancellation())

        assert caught.value.cause is cause

    def test_an_address_that_swallows_packets_ends_in_time(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            host, port = listener.getsockname()
            fillers = []
            for _ in range(3):  # the queue of the listener takes one or two; after that the kernel drops packets
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex((host, port))
                fillers.append(filler)
            start = time.monotonic()
            with pytest.raises(ProbeError) as caught:
                connect(host, port, start + 0.5, CLOCK, Cancellation())
            seconds = time.monotonic() - start
            for filler in fillers:
                filler.close()

        assert caught.value.cause is Cause.CONNECT
        assert "no answer" in caught.value.reason
        assert seconds < 0.5 + 1

    def test_a_cut_ends_a_connection_that_is_being_made(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            host, port = listener.getsockname()
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex((host, port))
            cancellation = Cancellation()
            threading.Timer(0.3, cancellation.request).start()
            start = time.monotonic()
            with pytest.raises(ProbeError) as caught:
                connect(host, port, start + 20, CLOCK, cancellation)
            seconds = time.monotonic() - start
            for filler in fillers:
                filler.close()

        assert caught.value.cause is Cause.INTERRUPTED
        assert seconds < 2


class TestGate:
    def make(self, width: int, hold_s: float = 30.0) -> LoginLimiter:
        return LoginLimiter(CLOCK, Watchdog(CLOCK), width, hold_s)

    def test_no_more_than_its_width_are_inside(self) -> None:
        gate, inside, most, lock = self.make(3), [0], [0], threading.Lock()

        def pass_through() -> None:
            with gate.admit(30, Cancellation()):
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                time.sleep(0.01)
                with lock:
                    inside[0] -= 1

        threads = [threading.Thread(target=pass_through) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert most[0] <= 3
        assert gate._free == 3
        assert not gate._waiting

    def test_a_login_that_waits_for_its_node_gives_its_place_away(self) -> None:
        gate = self.make(1, hold_s=0.2)
        with gate.admit(30, Cancellation()):
            start = time.monotonic()
            with gate.admit(30, Cancellation()):
                assert time.monotonic() - start < 5
        assert gate._free == 1

    def test_patience_has_an_end(self) -> None:
        gate = self.make(1)
        with gate.admit(1, Cancellation()), gate.admit(0.1, Cancellation()):
            pass
        assert gate._free == 1

    def test_a_cut_ends_the_wait(self) -> None:
        gate, cancellation = self.make(1), Cancellation()
        with gate.admit(1, Cancellation()):
            threading.Timer(0.1, cancellation.request).start()
            with pytest.raises(ProbeError, match="interrupted"), gate.admit(30, cancellation):
                pass
        assert gate._free == 1
        assert not gate._waiting


class TestTargets:
    def test_variables_win_over_the_configuration(self) -> None:
        variables = {"ssh_host": "10.0.0.1", "ssh_port": "2022", "ssh_user": "me"}
        target = Targets(SshSettings(user="plab", port=22)).find(Node("n", variables))

        assert (target.host, target.port, target.user, target.label) == ("10.0.0.1", 2022, "me", "[10.0.0.1]:2022")

    @pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "²"])
    def test_a_port_that_is_none_is_our_fault(self, port: str) -> None:
        with pytest.raises(ProbeError, match="ssh_port") as caught:
            Targets(SshSettings(user="u")).find(Node("n", {"ssh_port": port}))

        assert caught.value.outcome is Outcome.UNKNOWN

    @pytest.mark.parametrize(
        ("variables", "jumps"),
        [({}, ["[gate]:2200"]), ({"ssh_jump": "none"}, []), ({"ssh_jump": "me@a, b:23"}, ["a", "[b]:23"])],
    )
    def test_jump_hosts_are_those_of_the_node_or_the_configured_ones(
        self, variables: dict[str, str], jumps: list[str]
    ) -> None:
        found = Targets(SshSettings(user="plab", jump=("gate:2200",))).find(Node("n", variables)).jumps

        assert [hop.label for hop in found] == jumps
        assert [hop.user for hop in found] == ["me" if hop.host == "a" else "plab" for hop in found]

    def test_ssh_config_is_asked_for_each_node_once_and_only_on_request(
        self, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = programs / "ssh"
        program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\necho hostname real.example\necho port 2222\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        assert Targets(SshSettings(user="u")).find(Node("n")).host == "n"
        targets = Targets(SshSettings(use_ssh_config=True))
        first, second = targets.find(Node("n")), targets.find(Node("n"))

        assert first == second
        assert (first.host, first.port) == ("real.example", 2222)
        assert (tmp_path / "asked").read_text() == "-T -G -- n\n-T -G -F /dev/stdin -- n\n"


def test_a_fault_of_our_own_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = Prober(SshSettings(), CLOCK)
    monkeypatch.setattr(prober, "_load_ssh", lambda: 1 / 0)
    runner = ThreadExecutor(prober, CLOCK)
    runner.start(make_assignment(make_recipe(check="true")))
    (report,) = runner.wait(10)

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert "ZeroDivisionError" in report.reason


LABELS = {f"label{number}": "v" * 1000 for number in range(150)}


@needs_sshd
def test_many_long_labels_reach_the_node(sshd: Sshd) -> None:
    check = 'env | grep -c "^PLABCTL_LABEL[0-9]*=v\\{1000\\}$"; test "$PLABCTL_NODE" && exit 2'
    report = probe(sshd.settings(), make_recipe(check=check), **LABELS)

    assert (report.outcome, report.cause, report.reason) == (Outcome.FAIL, Cause.CHECK, "150")


@needs_sshd
def test_more_labels_than_a_node_can_give_to_a_command_are_no_fault_of_it(sshd: Sshd) -> None:
    labels = {f"label{number}": "v" * 1000 for number in range(10_000)}
    report = probe(sshd.settings(), make_recipe(check="true"), **labels)

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.NO_OPINION)
    assert report.reason == "the labels of this node are too long for its commands"
