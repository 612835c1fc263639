"""Logins by keys that an agent holds: the real one, one with a security key, and ones that do not behave."""

import base64
import contextlib
import hashlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Outcome, Report
from plabctl.core.settings import SshSettings
from plabctl.probes import agent as agent_module
from plabctl.probes.agent import Agent, AgentError
from plabctl.probes.identities import Identities
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.prober import Prober
from plabctl.probes.target import KeyRules
from tests.lab.wait_until import wait_until
from tests.probes.jobs import make_assignment, probe
from tests.probes.office import CHECK, USER, Office
from tests.probes.openssh import Sshd, make_key, needs_sshd

SECRET = "a secret"


class RealAgent:
    """A real ssh-agent, and the folder of its socket; `ssh-add` is told the passphrase that it asks for."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "agent")
        self._ask = folder / "ask"
        self._ask.write_text(f"#!/bin/sh\nprintf %s '{SECRET}'\n")
        self._ask.chmod(0o755)
        environ = {**os.environ, "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
        self.process = subprocess.Popen(["ssh-agent", "-D", "-a", self.socket], stdout=subprocess.DEVNULL, env=environ)
        assert wait_until(Path(self.socket).exists)

    def add(self, *words: str) -> None:
        environ = {"SSH_AUTH_SOCK": self.socket, "SSH_ASKPASS": str(self._ask), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(
            ["ssh-add", "-q", *words], check=True, timeout=20, env={**os.environ, **environ}, stdin=subprocess.DEVNULL
        )


@pytest.fixture(scope="module")
def running_agent() -> Iterator[RealAgent]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # the path of a socket is limited to 107 bytes
        agent = RealAgent(Path(folder))
        yield agent
        agent.process.kill()
        agent.process.wait()


@pytest.fixture
def agent(running_agent: RealAgent) -> Iterator[RealAgent]:
    yield running_agent
    running_agent.add("-D")


def log_in(office: Office, agent_socket: str, key: str = "", **settings: object) -> Report:
    path = str(office.folder / key) if key else ""
    return probe(office.sshd.settings(key=path, agent=True, agent_socket=agent_socket, **settings), CHECK)


@needs_sshd
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_keys_of_an_agent_are_enough(office: Office, agent: RealAgent, kind: str) -> None:
    make_key(office.folder / f"held-{kind}", kind)
    agent.add(str(office.folder / f"held-{kind}"))
    office.authorise(f"held-{kind}")

    assert log_in(office, agent.socket).outcome is Outcome.PASS
    office.authorise()
    office.sign(f"held-{kind}")
    agent.add(str(office.folder / f"held-{kind}"))  # with its certificate this time
    report = log_in(office, agent.socket)
    assert (report.outcome, report.reason) == (Outcome.PASS, "")
    assert office.read_last_login().startswith(f"{kind.upper()}-CERT ")


@needs_sshd
def test_a_key_with_a_passphrase_is_offered_when_the_agent_holds_it(office: Office, agent: RealAgent) -> None:
    path = office.folder / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", SECRET, "-f", path], check=True)
    office.sign("locked")
    without = log_in(office, agent.socket, "locked")
    agent.add(str(path))

    assert (without.outcome, without.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert f"the SSH key '{path}' has a passphrase; plabctl needs one without, or an agent" in without.reason
    assert f"; the agent at '{agent.socket}' holds no key" in without.reason
    assert log_in(office, agent.socket, "locked").outcome is Outcome.PASS
    assert office.read_last_login().startswith("ED25519-CERT "), "by the certificate beside the key"


@needs_sshd
def test_a_locked_agent_is_told(office: Office, agent: RealAgent) -> None:
    agent.add(str(office.folder / "bare"))
    office.authorise("bare")
    agent.add("-x")
    try:
        alone, beside = log_in(office, agent.socket), log_in(office, agent.socket, "other")
    finally:
        agent.add("-X")

    fault = f"the agent at '{agent.socket}' holds no key: it is locked, or none was added"
    assert (alone.outcome, alone.cause, alone.reason) == (Outcome.UNKNOWN, Cause.LOCAL, fault)
    assert (beside.outcome, beside.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert beside.reason == f"{fault}, and our key is refused for user '{USER}'"


@needs_sshd
def test_what_nobody_confirms_is_told(office: Office, agent: RealAgent) -> None:
    agent.add("-c", str(office.folder / "bare"))
    agent.add(str(office.folder / "other"))
    office.authorise("other")
    passed = log_in(office, agent.socket)
    office.authorise("bare")
    declined = log_in(office, agent.socket)

    assert passed.outcome is Outcome.PASS
    assert (declined.outcome, declined.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    why = f"the agent at '{agent.socket}' does not sign with its key '{office.folder}/bare'"[:60]
    assert declined.reason.startswith(why)
    assert declined.reason.endswith(f": locked, or nobody confirmed it, and our key is refused for user '{USER}'")


@needs_sshd
def test_the_number_of_keys_has_a_bound_and_the_configured_one_comes_first(
    sshd: Sshd, office: Office, agent: RealAgent, tmp_path: Path
) -> None:
    for number in range(6):
        make_key(tmp_path / str(number))
        agent.add(str(tmp_path / str(number)))
    key = str(office.folder / "other")
    all_refused = probe(sshd.settings(key=key, agent=True, agent_socket=agent.socket), CHECK)
    office.authorise("bare")
    cut_off, first = log_in(office, agent.socket), log_in(office, agent.socket, "bare")

    assert (all_refused.outcome, all_refused.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert all_refused.reason.startswith(
        "of 7 keys and certificates only the first 5 are offered, and all 5 of our keys"
    )
    assert cut_off.outcome is Outcome.UNKNOWN
    assert "too many authentication failures for the node" in cut_off.reason
    assert first.outcome is Outcome.PASS


@needs_sshd
def test_where_the_node_stops_before_all_was_offered_that_is_not_its_fault(office: Office, agent: RealAgent) -> None:
    for name in ("ca", "stranger", "bare"):
        agent.add(str(office.folder / name))
    report = log_in(office, agent.socket)

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.AUTH)
    assert report.reason.endswith("too many authentication failures for the node, when 2 of 3 were offered")


@needs_sshd
def test_many_threads_share_an_agent(office: Office, agent: RealAgent) -> None:
    agent.add(str(office.folder / "bare"))
    office.authorise("bare")
    prober = Prober(office.sshd.settings(key="", agent=True, agent_socket=agent.socket), SystemClock())
    found: list[Report] = []
    threads = [threading.Thread(target=lambda: found.append(prober.probe(make_assignment(CHECK)))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [report.outcome for report in found] == [Outcome.PASS] * 12


Answer = Callable[[bytes], bytes | None]
"""Makes the answer to a request; None for none at all."""


class MadeUpAgent:
    """An agent of the test's own: answers what `answer` says, and counts what it was asked."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self.socket = str(folder / "made-up")
        self.asked: list[int] = []
        self._answer = answer
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                request = connection.recv(65536)
                self.asked.append(request[4])
                answer = self._answer(request[4:])
                if answer is None:
                    self._open.append(connection)
                    continue
                connection.sendall(answer)
                connection.close()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._listener, *self._open):
            each.close()


@pytest.fixture
def make_up() -> Iterator[Callable[[Answer], MadeUpAgent]]:
    """Makers of agents."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))

        def make(answer: Answer) -> MadeUpAgent:
            made = MadeUpAgent(folder, answer)
            stack.callback(made.stop)
            return made

        yield make


def pack(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def unpack(data: bytes) -> list[bytes]:
    parts = []
    while len(data) > 4:  # the flags of a request are four bytes
        size = int.from_bytes(data[:4])
        parts.append(data[4 : 4 + size])
        data = data[4 + size :]
    return parts


def name_keys(*blobs: bytes) -> bytes:
    keys = b"".join(pack(blob, b"a comment") for blob in blobs)
    return pack(b"\x0c" + len(blobs).to_bytes(4) + keys)


@needs_sshd
def test_a_security_key_signs_through_the_agent(office: Office, make_up: Callable[[Answer], MadeUpAgent]) -> None:
    kind, application = b"sk-ssh-ed25519@openssh.com", b"ssh:"
    secret = Ed25519PrivateKey.generate()
    blob = pack(kind, secret.public_key().public_bytes_raw(), application)
    other = base64.b64decode((office.folder / "other.pub").read_text().split()[1])

    def answer(request: bytes) -> bytes:
        if request[0] == 11:
            return name_keys(other, blob)
        counted = b"\x01" + (7).to_bytes(4)  # touched, for the seventh time
        data = unpack(request[1:])[1]
        digests = hashlib.sha256(application).digest(), hashlib.sha256(data).digest()
        signature = pack(kind, secret.sign(digests[0] + counted + digests[1])) + counted
        return pack(b"\x0e" + pack(signature))

    (office.folder / "token.pub").write_text(f"{kind.decode()} {base64.b64encode(blob).decode()}\n")
    office.authorise("token")
    token = make_up(answer)
    report = log_in(office, token.socket)

    assert (report.outcome, report.reason) == (Outcome.PASS, "")
    assert token.asked == [11, 13], "for the other key, which the node would not take, nobody need touch anything"


@needs_sshd
def test_an_agent_that_hangs_costs_its_time_once(
    office: Office, make_up: Callable[[Answer], MadeUpAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "LIST_S", 0.5)
    hanging = make_up(lambda request: None)
    office.authorise("bare")
    settings = office.sshd.settings(key=str(office.folder / "bare"), agent=True, agent_socket=hanging.socket)
    prober = Prober(settings, SystemClock())
    prober.prepare()
    reports = [prober.probe(make_assignment(CHECK)) for _ in range(3)]
    office.authorise()
    refused = prober.probe(make_assignment(CHECK))

    assert [report.outcome for report in reports] == [Outcome.PASS] * 3
    assert hanging.asked == [11]
    assert (refused.outcome, refused.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert refused.reason.startswith(f"the agent at '{hanging.socket}' did not answer within 0.5s, and our key is")


@needs_sshd
def test_an_agent_that_hangs_at_a_signature_is_our_fault(
    office: Office, make_up: Callable[[Answer], MadeUpAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "SIGN_S", 0.5)
    public = (office.folder / "bare.pub").read_text().split()[1]
    blob = base64.b64decode(public)
    hanging = make_up(lambda request: name_keys(blob) if request[0] == 11 else None)
    office.authorise("bare")
    in_time = log_in(office, hanging.socket)
    monkeypatch.setattr(agent_module, "SIGN_S", 10.0)
    start = time.monotonic()
    too_late = log_in(office, hanging.socket, connect_timeout_s=0.7)

    assert (in_time.outcome, in_time.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert in_time.reason.startswith(f"the agent at '{hanging.socket}' did not answer within 0.5s")
    assert (too_late.outcome, too_late.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert too_late.reason == "the agent had not signed when the time for the login was over"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", "cannot be asked: it closed the connection"),
        (b"\0\0\0\1\5", "does not name its keys"),
        (b"\xff\xff\xff\xff\x0c", "gives no answer that makes sense"),
        (pack(b"\x0c\xff\xff\xff\xff"), "does not name its keys"),
        (pack(b"\x0c\0\0\0\1\0\0\0\x09cut off"), "does not name its keys"),
        (pack(b"\x0c\0\0\0\0"), "holds no key"),
    ],
    ids=["nothing", "a failure", "gigabytes", "many keys", "half a key", "no key"],
)
def test_an_agent_that_makes_no_sense_is_told(
    make_up: Callable[[Answer], MadeUpAgent], answer: bytes, fault: str
) -> None:
    made_up = make_up(lambda request: answer)

    with pytest.raises(AgentError, match=f"the agent at '{made_up.socket}' {fault}"):
        Agent(made_up.socket, SystemClock()).list_keys()


def test_without_an_agent_it_is_said_where_one_would_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    with pytest.raises(AgentError, match=r"SSH_AUTH_SOCK is not set, as in cron, and .* agent_socket names none"):
        Agent("", SystemClock()).list_keys()
    with pytest.raises(AgentError, match="none' cannot be asked: no such file"):
        Agent(str(tmp_path / "none"), SystemClock()).list_keys()
    with pytest.raises(AgentError, match="cannot be asked: af_unix path too long"):
        Agent(str(tmp_path / ("long" * 40)), SystemClock()).list_keys()


def test_ssh_config_may_say_which_agent_and_for_which_keys(office: Office, agent: RealAgent) -> None:
    bare = str(office.folder / "bare")
    agent.add(bare)
    agent.add(str(office.folder / "other"))
    identities = Identities(SshSettings(agent=True, agent_socket="/nowhere"), SystemClock())

    def find(*paths: str, **rules: object) -> list[bool]:
        offer = identities.find(paths, KeyRules(**rules))  # type: ignore[arg-type]  # as the names say
        assert offer.faults == ()
        return [each.is_held for each in offer.identities]

    assert find(agent=agent.socket) == [True, True]
    assert find(bare, agent=agent.socket) == [False, True]
    assert find(bare, agent=agent.socket, only_these=True) == [False]
    assert find(bare, agent="none") == [False]
    with pytest.raises(ProbeError, match="no SSH key is configured"):
        find(agent="none")
    with pytest.raises(ProbeError, match="holds none of the keys"):
        find(agent=agent.socket, only_these=True)
