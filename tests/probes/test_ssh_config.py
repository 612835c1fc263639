"""What ssh_config says of a host, asked of the real `ssh -G`, and what wins over what."""

import contextlib
import getpass
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Node, Outcome, Report
from plabctl.core.settings import SshSettings
from plabctl.probes import target
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.prober import Prober
from plabctl.probes.ssh_config import HostSettings, SshConfig, SshConfigFiles, expand_tokens
from plabctl.probes.target import KeyRules, Origins, Target, Targets
from tests.lab.wait_until import wait_until
from tests.probes.jobs import make_assignment, make_recipe, probe
from tests.probes.office import Office
from tests.probes.openssh import Sshd, needs_sshd

Make = Callable[..., SshConfig]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make an ssh_config of this text, with a system-wide one behind it."""

    def make_config(text: str, timeout_s: float = 10.0) -> SshConfig:
        user, system = tmp_path / "config", tmp_path / "system"
        user.write_text(text + "\n")
        system.write_text("Host *\nSendEnv LANG\nHost sys\nPort 4444\n")
        for path in (user, system):
            path.chmod(0o600)
        return SshConfig(SshConfigFiles(str(user), str(system)), timeout_s)

    return make_config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Host other\nPort 23", HostSettings()),
        ("HostName 10.0.0.1\nPort 2222\nUser them", HostSettings("10.0.0.1", 2222, "them")),
        (f"Port 22\nUser {getpass.getuser()}", HostSettings(port=22, user=getpass.getuser())),
        ("Host n\nHostName N", HostSettings()),
        (
            'IdentityFile ~/1\nHost n\nIdentityFile "/a b"\nHost *\nIdentityFile %d/3',
            HostSettings(keys=("~/1", "/a b", "%d/3")),
        ),
        ("IdentityFile none", HostSettings(keys=())),
        (
            "IdentitiesOnly yes\nCertificateFile ~/c\nCertificateFile /d",
            HostSettings(certificates=("~/c", "/d"), only_these=True),
        ),
        ("ProxyJump me@a:2,b", HostSettings(jumps=("me@a:2", "b"))),
        ("ProxyJump ssh://a:77", HostSettings(jumps=("a:77",))),
        ("ProxyJump none\nHost *\nProxyJump a", HostSettings(jumps=())),
        ("ProxyCommand none\nHost *\nProxyJump a", HostSettings(jumps=())),
        ("ProxyCommand nc %h %p", HostSettings(jumps=(), proxy_command="nc %h %p")),
        ("HostKeyAlias al\nIdentityAgent none", HostSettings(alias="al", agent="none")),
        ("IdentityAgent SSH_AUTH_SOCK", HostSettings(agent="${SSH_AUTH_SOCK}")),
        ("IdentityAgent $PLABCTL_T", HostSettings(agent="${PLABCTL_T}")),
        ("IdentityAgent /a/b", HostSettings(agent="/a/b")),
        ("Match final host n\nPort 77\nUser late\nProxyJump gate", HostSettings(port=77, user="late", jumps=("gate",))),
        ("Match user me\nPort 88", HostSettings()),
    ],
)  # fmt: skip
def test_only_what_is_said_is_taken_for_said(make: Make, text: str, said: HostSettings) -> None:
    assert make(text).find("n") == said


def test_what_a_variable_says_counts_where_the_file_asks_for_it(make: Make) -> None:
    assert make("Match user me\nPort 88").find("n", user="me") == HostSettings(port=88, user="me")


def test_the_file_of_the_system_is_read_behind_that_of_the_user(make: Make) -> None:
    assert make("Host n\nPort 5").find("sys") == HostSettings(port=4444)


ALL = (
    "HostName h\nPort 3\nUser they\nProxyJump j:4\nHostKeyAlias al\n"
    "IdentityFile /k1\nIdentityFile ~/%n-%r@%h:%p-${PLABCTL_T}"
)
SET = SshSettings("cfg", 2222, "/cfg", jump=("c",), use_ssh_config=True)
HOME = Path.home()


@pytest.mark.parametrize(
    ("text", "variables", "found", "origins"),
    [
        (
            ALL,
            {"ssh_host": "v", "ssh_port": "9", "ssh_user": "var", "ssh_key": "/var", "ssh_jump": "none"},
            Target("n", "v", 9, "var", "al", ("/var",)),
            Origins("variable", "variable", "variable", "ssh_config", "variable", "variable"),
        ),
        (
            ALL,
            {},
            Target(
                "n", "h", 3, "they", "al", ("/k1", f"{HOME}/n-they@h:3-x"), jumps=(Target("", "j", 4, "they", "al"),)
            ),
            Origins(*["ssh_config"] * 6),
        ),
        (
            "",
            {},
            Target("n", "n", 2222, "cfg", "[n]:2222", jumps=(Target("", "c", 22, "cfg", "c"),)),
            Origins("default", "[ssh] port", "[ssh] user", "default", "[ssh] key", "[ssh] jump"),
        ),
        (
            "Port 22\nProxyJump none",
            {},
            Target("n", "n", 22, "cfg", "n"),
            Origins("default", "ssh_config", "[ssh] user", "default", "[ssh] key", "ssh_config"),
        ),
    ],
)
def test_a_variable_wins_over_ssh_config_and_that_over_the_configuration(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    variables: dict[str, str],
    found: Target,
    origins: Origins,
) -> None:
    monkeypatch.setenv("PLABCTL_T", "x")
    text = f"Host n\n{text}\nHost j\nUser they\nHostKeyAlias al"
    target_found, where = Targets(SET, make(text)).explain(Node("n", variables))

    assert target_found == found
    assert Origins(*(origin.partition(" ssh_")[0] for origin in where)) == origins


def test_without_anything_there_are_defaults(make: Make) -> None:
    found, origins = Targets(SshSettings(use_ssh_config=True), make("")).explain(Node("n"))

    assert found == Target("n", "n", 22, getpass.getuser(), "n")
    assert origins == Origins(*["default"] * 6)


def test_a_key_file_that_is_not_there_is_passed_over_while_another_one_is(make: Make, tmp_path: Path) -> None:
    text = f"IdentityFile /not/there\nIdentityFile {tmp_path}"

    assert Targets(SET, make(text)).find(Node("n")).keys == (str(tmp_path),)


def test_certificates_and_the_agent_are_those_of_the_file(make: Make) -> None:
    text = "CertificateFile ~/%n.pub\nIdentityAgent ~/agent\nIdentitiesOnly yes"
    rules = Targets(SET, make(text)).find(Node("n")).rules

    assert rules == KeyRules((f"{HOME}/n.pub",), f"{HOME}/agent", only_these=True)


def test_jump_hosts_are_looked_up_too_and_the_first_one_may_have_its_own(make: Make) -> None:
    first = "Host a\nHostName 10.0.0.1\nProxyJump c\nHost c\nPort 7"
    text = f"Host n\nProxyJump a,me@b:5\n{first}\nHost b\nPort 6\nProxyJump never"
    hops = Targets(SET, make(text)).find(Node("n")).jumps

    assert [(hop.user, hop.host, hop.port) for hop in hops] == [
        ("cfg", "c", 7),
        ("cfg", "10.0.0.1", 22),
        ("me", "b", 5),
    ]


@pytest.mark.parametrize(
    ("text", "variables", "reason"),
    [
        ("ProxyCommand nc %h %p", {}, "through a ProxyCommand, which plabctl does not run"),
        ("ProxyJump a\nHost a\nProxyCommand x", {}, "ssh_config sends 'a' through a ProxyCommand"),
        ("ProxyCommand nc %h %p", {"ssh_jump": "none"}, ""),
        ("ProxyJump a\nHost a\nProxyJump b\nHost b\nProxyJump a", {}, "in a circle"),
        ("IdentityFile none", {}, "'IdentityFile none'"),
        ("IdentityFile none", {"ssh_key": "/k"}, ""),
        ("Prot 22", {}, "Bad configuration option"),
        ("Port x", {}, "Bad port"),
    ],
)
def test_what_cannot_be_followed_is_our_fault_and_said(
    make: Make, text: str, variables: dict[str, str], reason: str
) -> None:
    targets = Targets(SET, make(f"Host n\n{text}"))
    if not reason:
        targets.find(Node("n", variables))
        return
    with pytest.raises(ProbeError, match=reason) as caught:
        targets.find(Node("n", variables))

    assert caught.value.outcome is Outcome.UNKNOWN


def test_a_command_in_it_that_hangs_costs_its_deadline_once_and_is_told(make: Make) -> None:
    config = make('Match exec "exec sleep 60"\nPort 3', timeout_s=0.3)
    start = time.monotonic()
    for _ in range(5):
        with pytest.raises(ProbeError, match=r"did not end within 0.3 s; a 'Match exec' may hang"):
            config.find("n")

    assert time.monotonic() - start < 5


def test_what_hangs_there_ends_when_all_probes_are_interrupted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = f"{time.time_ns() % 10**9 + 10**9}"
    config = make(f'Match exec "exec sleep {seconds}"\nPort 3', timeout_s=60)
    monkeypatch.setattr(target, "SshConfig", lambda: config)
    prober = Prober(SshSettings("u", use_ssh_config=True), SystemClock())
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(prober.probe(make_assignment(make_recipe(check="true")))))
    thread.start()
    command = f"sleep\0{seconds}\0".encode()
    assert wait_until(lambda: command in list_command_lines())
    prober.interrupt()
    thread.join(10)

    assert (reports[0].outcome, reports[0].cause) == (Outcome.UNKNOWN, Cause.INTERRUPTED)
    assert wait_until(lambda: command not in list_command_lines())


def list_command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return found


def test_a_file_that_others_may_write_is_refused_as_ssh_does(make: Make, tmp_path: Path) -> None:
    config = make("Port 3")
    assert (config.check(), config.is_missing()) == ("", False)

    config = make("Port 3")
    (tmp_path / "config").chmod(0o666)
    assert "Bad owner or permissions" in config.check()


def test_a_file_that_cannot_be_read_is_named_although_ssh_is_silent(make: Make, tmp_path: Path) -> None:
    config = make("Port 3")
    (tmp_path / "config").unlink()
    (tmp_path / "config").mkdir()

    assert config.check() == f"{tmp_path}/config cannot be read: is a directory"
    assert SshConfig(SshConfigFiles("/nowhere/a", "/nowhere/b")).is_missing()


def test_a_token_that_nobody_knows_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLABCTL_T", raising=False)

    assert expand_tokens("%%-%Z-${PLABCTL_T}", name="n", host="h", port=1, user="u") == "%-%Z-${PLABCTL_T}"


@needs_sshd
@pytest.mark.parametrize(
    ("jump", "verdict"),
    [
        ("", (Outcome.PASS, None)),
        ("ProxyJump gate", (Outcome.PASS, None)),
        ("ProxyJump shut", (Outcome.UNKNOWN, Cause.JUMP)),
        ("ProxyJump none", (Outcome.PASS, None)),
    ],
)
def test_a_node_is_tested_by_what_ssh_config_alone_says(
    make: Make, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, jump: str, verdict: tuple[Outcome, Cause | None]
) -> None:
    keys = f"IdentityFile /not/there\nIdentityFile {sshd.user_key}"
    node = f"Host node*\n{jump}\nHost node* gate\nPort {sshd.port}\nHost shut\nPort 1"
    config = make(f"{node}\nHost *\nHostName 127.0.0.1\n{keys}")
    monkeypatch.setattr(target, "SshConfig", lambda: config)
    ssh = sshd.settings(key="", port=22, use_ssh_config=True, jump=("shut",) if jump else ())

    report = probe(ssh, make_recipe(check="true"), ssh_host="")

    assert (report.outcome, report.cause) == verdict, report.reason


@needs_sshd
def test_a_certificate_that_it_names_is_offered_for_its_key(
    make: Make, office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = office.sign("bare").rename(tmp_path / "named.pub")
    expired = office.sign("other", "-V", "20200101:20200201").rename(tmp_path / "expired.pub")
    keys = f"IdentityFile {office.folder}/bare\nCertificateFile {expired}\nCertificateFile {named}"
    config = make(f"HostName 127.0.0.1\nPort {office.sshd.port}\n{keys}")
    monkeypatch.setattr(target, "SshConfig", lambda: config)

    report = probe(office.sshd.settings(key="", use_ssh_config=True), make_recipe(check="true"), ssh_host="")

    assert (report.outcome, report.reason) == (Outcome.PASS, "")
    assert office.read_last_login().startswith("ED25519-CERT ")
