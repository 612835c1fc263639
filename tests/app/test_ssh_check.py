from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.app import ssh_check
from plabctl.core.model import Node
from plabctl.core.pools.bad import BAD
from plabctl.core.recipe import Recipe, Transport
from plabctl.core.settings import HostKeys, PoolSettings, Settings, SshSettings
from plabctl.probes.openssh_key import is_protected

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

    assert "ok    known hosts: a key for each of 3 nodes" in said(settings, known)
    assert "1 of 4 nodes have no key; run: plabctl trust pc3" in said(settings, [*known, Node("pc3")])

    lenient = replace(settings, ssh=replace(settings.ssh, host_keys=HostKeys.FIRST_USE))
    assert "warn" not in said(lenient, [Node("pc3")])


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
