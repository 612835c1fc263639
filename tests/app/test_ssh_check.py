from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.app import ssh_check
from plabctl.app.findings import Level
from plabctl.core.model import Cause, Node
from plabctl.core.pools.bad import BAD
from plabctl.core.recipe import Recipe, Transport
from plabctl.core.settings import HostKeys, PoolSettings, Settings, SshSettings
from plabctl.errors import ConfigError
from plabctl.probes.host_keys import KnownHosts
from plabctl.probes.openssh_key import is_protected
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.ssh_config import SshConfig, SshConfigFiles
from tests.builders import NOW

# A key of nobody: the head of an OpenSSH private key up to the name of its cipher.
OPEN = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n"
LOCKED = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHI=\n-----END OPENSSH PRIVATE KEY-----\n"
)
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def make_settings(folder: Path, *, transport: Transport = Transport.SSH, key: str = OPEN) -> Settings:
    path = folder / "key"
    path.write_text(key)
    path.chmod(0o600)
    recipes = {"r": Recipe("r", transport=transport), "here": Recipe("here", transport=Transport.LOCAL)}
    pools = {"bad": PoolSettings("bad", BAD, "good", recipe="r")}
    ssh = SshSettings(key=str(path), known_hosts=str(folder / "known_hosts"))
    return Settings(str(folder / "plabctl.toml"), str(folder), pools, recipes, ssh=ssh)


def said(settings: Settings, nodes: Sequence[Node] = ()) -> str:
    return "\n".join(str(finding) for finding in ssh_check.check(settings, nodes))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (OPEN, False),
        (LOCKED, True),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n", True),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", True),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", False),
        (PUBLIC, None),
        ("", None),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n!!!\n-----END OPENSSH PRIVATE KEY-----", None),
    ],
)
def test_a_passphrase_is_seen_without_asking_for_it(text: str, answer: bool | None) -> None:
    assert is_protected(text) is answer


def test_a_key_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    assert said(make_settings(tmp_path)) == f"ok    key: '{tmp_path}/key'"
    assert "FAIL  key: " in said(make_settings(tmp_path, key=LOCKED))
    assert "is not a private key" in said(make_settings(tmp_path, key="x"))
    assert "is a public key" in said(make_settings(tmp_path, key=PUBLIC))

    settings = make_settings(tmp_path)
    (tmp_path / "key").chmod(0o644)
    assert "warn  key: other users may read" in said(settings)
    (tmp_path / "key").unlink()
    assert "is not there; set ssh.key, or make one" in said(settings)


def test_nodes_without_a_host_key_are_named(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text(f"pc1 {PUBLIC}\n[10.0.0.2]:2222 {PUBLIC}\n")
    known = [Node("pc1"), Node("pc2", {"ssh_host": "10.0.0.2", "ssh_port": "2222"}), Node("x", {"recipe": "here"})]
    settings = make_settings(tmp_path)

    assert "ok    known hosts: a key or an authority for each of 3 nodes" in said(settings, known)
    assert "1 of 4 nodes have no key; run: plabctl trust pc3" in said(settings, [*known, Node("pc3")])

    lenient = replace(settings, ssh=replace(settings.ssh, host_keys=HostKeys.FIRST_USE))
    assert "warn" not in said(lenient, [Node("pc3")])


def test_an_authority_is_as_good_as_a_key(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text(f"@cert-authority pc* {PUBLIC}\n")
    settings = make_settings(tmp_path)
    ours = tmp_path / "ca.pub"
    ours.write_text(f"# of the lab\n{PUBLIC} us\n")
    everywhere = replace(settings, ssh=replace(settings.ssh, host_ca=(str(ours),)))

    assert "ok    known hosts: " in said(settings, [Node("pc1", {"ssh_port": "2222"})])
    assert "1 of 2 nodes have no key; run: plabctl trust x" in said(settings, [Node("pc1"), Node("x")])
    assert f"ok    host_ca: '{ours}': 1 authority\n" in said(everywhere, [Node("x")])
    assert "ok    known hosts: " in said(everywhere, [Node("x")])


def test_lines_of_known_hosts_that_are_passed_over_are_named(tmp_path: Path) -> None:
    lines = [f"pc1 {PUBLIC}", "", "# no", "@trusted a b c", "pc1 ssh-ed25519 %", "pc1 ssh-dss AAAA", "pc1 x"]
    (tmp_path / "known_hosts").write_text("\n".join(lines))
    found = said(make_settings(tmp_path), [Node("pc1")])

    assert f"warn  known hosts: lines of '{tmp_path}/known_hosts' are passed over: line 4: there is no mark" in found
    assert "line 5: the key is not in base64; line 6: keys of the kind 'ssh-dss' are not used; line 7: a name" in found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "cannot be read"),
        ("", "holds no public key"),
        ("\nx\n", "line 2: a name"),
        ("ssh-rsa AAAA", "line 1: the key is not of the kind 'ssh-rsa'"),
        (OPEN, "line 1: keys of the kind"),
    ],
)
def test_a_file_of_authorities_that_is_of_no_use_is_a_fault_of_the_configuration(
    tmp_path: Path, text: str | None, word: str
) -> None:
    settings = make_settings(tmp_path)
    path = tmp_path / "ca.pub"
    if text is not None:
        path.write_text(text)
    settings = replace(settings, ssh=replace(settings.ssh, host_ca=(str(path),)))

    assert f"FAIL  host_ca: '{path}' " in said(settings)
    assert word in said(settings)
    with pytest.raises(ConfigError, match=r"ssh\.host_ca: "):
        ssh_check.require_key(settings, list)
    assert len(ssh_check.list_host_ca_faults(settings)) == 1
    with pytest.raises(ProbeError, match=word) as caught:
        KnownHosts(settings.ssh.known_hosts, (), settings.ssh.host_ca).load()
    assert caught.value.cause is Cause.LOCAL


def test_without_ssh_nobody_needs_a_key(tmp_path: Path) -> None:
    assert said(make_settings(tmp_path, transport=Transport.LOCAL), [Node("pc1")]) == ""


def test_a_key_that_cannot_be_used_has_the_line_that_helps(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, key=PUBLIC)
    named = tmp_path / "id_ed25519.pub"
    named.write_text(PUBLIC)
    (public,) = ssh_check.check(replace(settings, ssh=replace(settings.ssh, key=str(named))), ())
    (locked,) = ssh_check.check(make_settings(tmp_path, key=LOCKED), ())

    assert public.advice == f"set ssh.key to the private one: {tmp_path}/id_ed25519"
    assert locked.advice.startswith("set ssh.key to a copy without: cp ")


def test_no_key_is_missed_where_nodes_have_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings(tmp_path)
    bare = replace(settings, ssh=replace(settings.ssh, key=""))
    with pytest.raises(ConfigError, match="names none"):
        ssh_check.require_key(bare, lambda: [Node("n")])
    ssh_check.require_key(bare, lambda: [Node("n"), Node("m", {"ssh_key": "/k"})])
    ssh_check.require_key(replace(bare, ssh=replace(bare.ssh, use_ssh_config=True)), list)

    nodes = [Node("n", {"ssh_key": settings.ssh.key}), Node("m", {"ssh_key": f"{tmp_path}/other"})]
    assert [line.split(";")[0] for line in said(bare, nodes).splitlines()] == [
        f"FAIL  key: '{tmp_path}/other' is not there",
        "warn  known hosts: 2 of 2 nodes have no key",
    ]


def test_an_ssh_config_that_cannot_be_used_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings(tmp_path)
    settings = replace(settings, ssh=replace(settings.ssh, use_ssh_config=True))
    files = SshConfigFiles(f"{tmp_path}/config", f"{tmp_path}/none")
    monkeypatch.setattr(ssh_check, "SshConfig", lambda: SshConfig(files))
    monkeypatch.setattr(ssh_check, "find_files", lambda: files)
    assert f"warn  ssh_config: neither '{tmp_path}/config' nor '{tmp_path}/none' is there; make one" in said(settings)

    (tmp_path / "config").write_text("Host n\nPort 23\n")
    (tmp_path / "config").chmod(0o600)
    assert said(settings).endswith("ok    ssh_config: ssh reads it without an error")

    (tmp_path / "config").write_text("Prot 23\n")
    assert "FAIL  ssh_config: ssh_config cannot be used: " in said(settings)
    assert "config: line 1: Bad configuration option: prot; correct it" in said(settings)


def test_with_an_agent_no_key_or_one_with_a_passphrase_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    locked = make_settings(tmp_path, key=LOCKED)
    with_agent = replace(locked, ssh=replace(locked.ssh, agent=True))
    without_key = replace(with_agent, ssh=replace(with_agent.ssh, key=""))
    ssh_check.require_key(with_agent, list)
    ssh_check.require_key(without_key, list)

    assert "or have an agent hold it, and set ssh.agent = true" in said(locked)
    assert f"ok    key: '{tmp_path}/key' has a passphrase, and is used if the agent holds it" in said(with_agent)
    for settings, level in ((with_agent, Level.WARN), (without_key, Level.FAIL)):
        (told,) = (finding for finding in ssh_check.check(settings, (), NOW) if finding.topic == "agent")
        assert (told.level, told.text[:40]) == (level, "no agent: SSH_AUTH_SOCK is not set, as i")
    left = replace(locked, ssh=replace(locked.ssh, agent_socket="/run/agent"))
    assert any("no agent is used" in finding.text for finding in ssh_check.check(left, (), NOW))
