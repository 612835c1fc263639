"""`plabctl trust` against a real SSH server: new keys after a yes, changed ones only when that is said."""

import getpass
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from plabctl.app import access_changes, host_key_offers, invocation
from plabctl.app.background import Background
from plabctl.app.context import App, open_app
from plabctl.app.host_key_offers import KeyOffer, accept_keys
from plabctl.clock import SystemClock
from plabctl.core.settings import SshSettings
from plabctl.errors import StoreBusy
from plabctl.probes.embedded.make_key import make_key
from plabctl.probes.embedded.ssh_node import EmbeddedNode
from plabctl.probes.host_keys import KnownHosts, trust_keys
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.ssh_config import SshConfig, SshConfigFiles
from plabctl.probes.target import Targets
from plabctl.store.store import Store
from plabctl.values import replace
from tests.app.installation import Installation
from tests.builders import make_settings
from tests.cli.console import Desk
from tests.probes.openssh import Sshd, needs_sshd
from tests.probes.openssh import make_key as make_openssh_key


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedNode]:
    public = make_key(tmp_path / "id_ed25519")
    make_key(tmp_path / "host")
    with EmbeddedNode(tmp_path / "home", tmp_path / "host", public) as node:
        yield node


def connect(desk: Desk, server: EmbeddedNode) -> None:
    desk.config.write_text(
        'state_dir = "state"\n[ssh]\nkey = "id_ed25519"\nuser = "me"\n'
        '[pool.good]\nkind = "good"\non_fail = "bad"\n[pool.bad]\nkind = "bad"\non_pass = "good"\n'
        '[recipe.process]\nsetup = { run = "echo up; true", timeout = "10s" }\n'
    )
    port = server.port
    desk.ok("node", "add", "pc1", "--set", "ssh_host=127.0.0.1", "--set", f"ssh_port={port}", "--set", "ssh_user=me")


def test_a_new_key_is_shown_and_accepted_after_a_yes(desk: Desk, server: EmbeddedNode) -> None:
    connect(desk, server)
    before = desk.run("test", "pc1")
    asked = desk.run("trust", "pc1")
    accepted = desk.run("trust", "pc1", "--yes")

    assert before.code == 1
    assert "host-key" in before.out
    assert "plabctl trust pc1" in before.out
    assert asked.code == 2
    assert "plabctl: somebody must compare the fingerprints: accept the keys of 1 node (pc1)?" in asked.err
    assert "(new)" in asked.out
    assert "SHA256:" in asked.out
    assert accepted.code == 0
    assert "accepted: pc1" in accepted.err
    assert (desk.folder / "state/known_hosts").stat().st_mode & 0o077 == 0
    assert desk.run("test", "pc1").code == 0
    assert "(known)" in desk.ok("trust", "pc1")


def test_a_node_refused_for_its_host_key_is_due_once_that_is_accepted(desk: Desk, server: EmbeddedNode) -> None:
    connect(desk, server)
    desk.ok("tick")
    (row,) = json.loads(desk.ok("status", "-o", "json"))["nodes"]
    assert (row["pool"], row["last"]["cause"]) == ("bad", "host-key")
    assert row["due_at"] > row["last"]["at"]

    assert "due now" in desk.run("trust", "pc1", "--yes").err
    desk.ok("tick")

    assert json.loads(desk.ok("status", "-o", "json"))["nodes"][0]["pool"] == "good"
    assert "host key accepted" in desk.ok("history", "-o", "tsv")


def test_where_the_state_cannot_be_changed_it_says_that_the_key_was_accepted(desk: Desk, server: EmbeddedNode) -> None:
    connect(desk, server)
    (desk.folder / "state/state.lock").unlink()
    (desk.folder / "state/state.lock").mkdir()
    said = desk.run("trust", "pc1", "--yes")

    assert said.code == 74
    assert said.err.startswith("plabctl: the keys were accepted, but pc1 cannot be made due now: cannot ")
    assert "nothing was changed" not in said.err
    assert "(known)" in desk.ok("trust", "pc1")


def test_a_changed_key_needs_more_than_a_yes(desk: Desk, server: EmbeddedNode) -> None:
    connect(desk, server)
    known = desk.folder / "state/known_hosts"
    public = make_key(desk.folder / "other")
    known.write_text(f"[127.0.0.1]:{server.port} {public}\n")
    refused = desk.run("trust", "pc1", "--yes")

    assert refused.code == 1
    assert "CHANGED, was SHA256:" in refused.out
    assert "--changed" in refused.out
    assert public in known.read_text()

    assert desk.run("trust", "pc1", "--yes", "--changed").code == 0
    assert public not in known.read_text()
    assert desk.run("test", "pc1").code == 0


def test_a_node_that_cannot_be_asked_does_not_keep_the_others(desk: Desk, server: EmbeddedNode) -> None:
    connect(desk, server)
    desk.ok("node", "add", "pc2", "--set", "ssh_host=127.0.0.1", "--set", "ssh_port=1")
    said = desk.run("trust", "*", "--yes")

    assert said.code == 1
    assert "plabctl: pc2: its host key cannot be fetched: " in said.err
    assert "accepted: pc1" in said.err


def test_the_stages_of_a_test_over_ssh_are_shown(desk: Desk, server: EmbeddedNode) -> None:
    connect(desk, server)
    desk.ok("trust", "pc1", "--yes")
    lines = [line.split() for line in desk.ok("test", "pc1").splitlines()]

    assert [line[0] for line in lines] == ["testing", "connect", "setup", "│", "passed"]
    assert lines[3] == ["│", "up"]


def test_a_revoked_key_is_not_accepted(desk: Desk, server: EmbeddedNode) -> None:
    connect(desk, server)
    desk.ok("trust", "pc1", "--yes")
    known = desk.folder / "state/known_hosts"
    revoked = f"@revoked * {known.read_text().split(maxsplit=1)[1]}"
    known.write_text(revoked)
    refused = desk.run("trust", "pc1", "--yes")

    assert refused.code == 1
    assert "is revoked in known_hosts" in refused.err
    assert known.read_text() == revoked
    assert "is revoked" in desk.run("test", "pc1").out


@needs_sshd
def test_a_node_with_a_good_certificate_needs_no_trust(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "sshd"
    server = Sshd(folder, f"HostCertificate {folder}/host_ed25519-cert.pub")
    server.stop()
    authority = make_openssh_key(tmp_path / "ca")
    sign = ["ssh-keygen", "-q", "-h", "-s", str(tmp_path / "ca"), "-I", "x", "-n", "127.0.0.1"]
    (desk.folder / "ca.pub").write_text(authority + "\n")
    desk.config.write_text(
        'state_dir = "state"\n[ssh]\nhost_ca = ["ca.pub"]\n'
        f'key = "{server.user_key}"\n[pool.good]\nkind = "good"\non_fail = "bad"\n'
        '[pool.bad]\nkind = "bad"\non_pass = "good"\n[recipe.process]\nsetup = { run = "true", timeout = "10s" }\n'
    )
    desk.ok("node", "add", "pc1", "--set", "ssh_host=127.0.0.1", "--set", f"ssh_port={server.port}")
    try:
        subprocess.run([*sign, "-V", "20200101Z:20200102Z", f"{folder}/host_ed25519.pub"], check=True)
        server.start()
        expired, test = desk.run("trust", "pc1"), desk.run("test", "pc1")
        server.stop()
        subprocess.run([*sign, f"{folder}/host_ed25519.pub"], check=True)
        server.start()
        good, passed = desk.ok("trust", "pc1"), desk.ok("test", "pc1")
    finally:
        server.stop()

    assert "pc1: its host certificate expired at 2020-01-02T00:00:00Z\npc1: ssh-ed25519 SHA256:" in expired.out
    assert "failed (host-key)" in test.out
    assert "s: the host certificate expired at 2020-01-02T00:00:00Z; unknown host key" in test.out
    assert good.count("\n") == 1
    assert good.endswith("): nothing needs to be trusted\n")
    assert "passed" in passed
    assert not (desk.folder / "state/known_hosts").exists()


def test_nodes_that_refused_our_key_are_due_once_the_configuration_names_another(
    desk: Desk, server: EmbeddedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(desk, server)
    desk.ok("trust", "pc1", "--yes")
    make_key(desk.folder / "other")
    right = desk.config.read_text()
    desk.config.write_text(right.replace('"id_ed25519"', '"other"'))
    desk.ok("tick")
    (row,) = json.loads(desk.ok("status", "-o", "json"))["nodes"]
    assert (row["pool"], row["last"]["cause"]) == ("bad", "auth")

    time.sleep(0.02)  # the times of files are some milliseconds late
    desk.config.write_text(right)
    app = open_app(str(desk.config))
    impatient = Store(app.settings.state_dir, app.clock, lock_timeout_s=0.05)
    monkeypatch.setattr(invocation, "open_app", lambda _path: App(app.settings, app.clock, impatient))
    with app.store.session(), pytest.raises(StoreBusy):
        invocation.tick(
            str(desk.config), Background(may_outlive=False)
        )  # the next one has the same reason to test the node
    desk.ok("tick")
    (row,) = json.loads(desk.ok("status", "-o", "json"))["nodes"]
    assert (row["pool"], row["last"]["outcome"]) == ("good", "pass")
    rev = json.loads(desk.ok("status", "-o", "json"))["rev"]
    time.sleep(0.02)
    desk.config.write_text(f"window = 30\n{right}")
    desk.ok("tick")
    assert json.loads(desk.ok("status", "-o", "json"))["rev"] == rev


@pytest.mark.parametrize("is_link", [False, True], ids=["moved", "linked"])
def test_nodes_that_refused_our_key_are_due_once_an_older_file_is_put_in_its_place(
    desk: Desk, server: EmbeddedNode, *, is_link: bool
) -> None:
    connect(desk, server)
    desk.ok("trust", "pc1", "--yes")
    key, right = desk.folder / "id_ed25519", desk.folder / "right"
    key.rename(right)  # made before the tick below, as a key that is sent to all nodes before it is used
    make_key(key)
    link = desk.folder / "link"
    link.symlink_to("right")
    desk.ok("tick")
    (row,) = json.loads(desk.ok("status", "-o", "json"))["nodes"]
    assert (row["pool"], row["last"]["cause"]) == ("bad", "auth")

    time.sleep(0.02)  # the times of files are some milliseconds late
    (link if is_link else right).rename(key)
    desk.ok("tick")
    (row,) = json.loads(desk.ok("status", "-o", "json"))["nodes"]
    assert (row["pool"], row["last"]["outcome"]) == ("good", "pass")


def test_a_certificate_that_has_expired_blames_no_node_and_a_renewed_one_has_them_tested(
    desk: Desk, server: EmbeddedNode
) -> None:
    def sign(validity: str) -> None:
        options = ["-q", "-s", "other", "-I", "us", "-n", "me", "-V", validity]
        subprocess.run(["ssh-keygen", *options, "other.pub"], check=True, cwd=desk.folder)

    connect(desk, server)
    desk.ok("trust", "pc1", "--yes")
    public = make_key(desk.folder / "other")
    (desk.folder / "other.pub").write_text(public)
    desk.config.write_text(desk.config.read_text().replace('"id_ed25519"', '"other"'))
    sign("20200101000000Z:20200201000000Z")
    fault = f"the certificate '{desk.folder}/other-cert.pub' expired at 2020-02-01T00:00:00Z"
    assert (
        f"warn  certificate: {fault}: nodes are offered the bare key alone; renew or remove it"
        in desk.run("doctor").out
    )
    assert f"{fault}: nodes are offered the bare key alone" in desk.ok("status", "-o", "table")

    desk.ok("tick")
    (row,) = json.loads(desk.ok("status", "-o", "json"))["nodes"]
    assert (row["last"]["outcome"], row["last"]["cause"]) == ("unknown", "local")
    assert row["last"]["reason"] == f"{fault}, and our key is refused for user 'me'"
    said = desk.run("check")
    assert (said.code, said.out.count(fault)) == (2, 1), "one cause is told once"

    time.sleep(0.02)  # the times of files are some milliseconds late
    sign("-1h:+12h")
    desk.ok("tick")
    (row,) = json.loads(desk.ok("status", "-o", "json"))["nodes"]
    assert (row["last"]["outcome"], row["last"]["cause"]) == ("fail", "auth")
    assert "other-cert.pub' expires in 1" in desk.run("check").out


ED, ED2, RSA = HostKey("ssh-ed25519", b"1"), HostKey("ssh-ed25519", b"2"), HostKey("ssh-rsa", b"3")


@pytest.mark.parametrize(
    ("known", "shown", "unseen", "is_changed"),
    [
        ((), (ED,), ("ssh-rsa",), False),
        ((ED, RSA), (ED,), ("ssh-rsa",), False),
        ((ED, RSA), (ED,), (), True),
        ((ED, RSA), (ED2,), ("ssh-rsa",), True),
        ((RSA,), (ED,), ("ssh-rsa",), True),
    ],
    ids=["nothing known", "one not shown", "one is gone", "one is another", "nothing that we know is shown"],
)
def test_what_a_node_did_not_show_this_time_is_neither_gone_nor_a_proof(
    tmp_path: Path,
    known: tuple[HostKey, ...],
    shown: tuple[HostKey, ...],
    unseen: tuple[str, ...],
    is_changed: bool,
) -> None:
    offer = KeyOffer("pc1", "pc1", shown, known, unseen, "turned away")
    assert offer.is_changed == is_changed

    settings = make_settings(state_dir=str(tmp_path))
    path = tmp_path / "known_hosts"
    app = cast("App", SimpleNamespace(settings=replace(settings, ssh=replace(settings.ssh, known_hosts=str(path)))))
    trust_keys(path, "pc1", known)
    accept_keys(app, [offer])

    kept = {key for key in known if key.kind in unseen} if not is_changed else set()
    assert {*KnownHosts(path).find("pc1")} == {*shown, *kept}


@needs_sshd
def test_the_key_of_a_jump_host_comes_before_that_of_the_node_behind_it(
    desk: Desk, server: EmbeddedNode, tmp_path: Path
) -> None:
    connect(desk, server)
    gate = Sshd(tmp_path / "gate")
    try:
        (gate.directory / "authorized_keys").write_bytes(
            subprocess.check_output(["ssh-keygen", "-y", "-f", tmp_path / "id_ed25519"])
        )
        desk.ok("node", "set", "pc1", f"ssh_jump={getpass.getuser()}@127.0.0.1:{gate.port}")
        before = desk.run("test", "pc1")
        desk.ok("tick")
        problem, found = desk.run("check"), desk.run("doctor")
        told = desk.ok("history", "--kind", "fault")
        accepted = desk.run("trust", "pc1", "--yes")
        known = (desk.folder / "state/known_hosts").read_text()
        after = desk.run("test", "pc1")
        again, well = desk.run("trust", "pc1"), desk.run("doctor")
        (desk.folder / "state/known_hosts").write_text(
            known.replace(gate.host_lines[0], gate.user_key.with_suffix(".pub").read_text().strip())
        )
        changed = desk.run("test", "pc1")
        mended = desk.run("trust", "pc1", "--changed", "--yes")
        desk.config.write_text(desk.config.read_text().replace('key = "id_ed25519"', 'key = "gone"'))
        keyless = desk.run("doctor")
    finally:
        gate.stop()

    label = f"[127.0.0.1]:{gate.port}"
    assert f"jump host '{label}': unknown host key" in before.out
    assert f"jump host '{label}': unknown host key" in problem.out
    assert "not tested for that: 1 node" in problem.out
    assert f"FAIL  jump host: jump host '{label}': unknown host key" in found.out
    assert found.out.count("unknown host key") == 1
    assert f"jump host '{label}'" in told
    assert f"over ssh by way of {label};" in before.out
    assert f"ok    jump host: '{label}' lets us in; 1 node behind it" in well.out
    assert "no such file or directory; correct that: until then 1 node behind it cannot be tested" in keyless.out
    assert accepted.code == 0
    assert [line.partition(":")[0] for line in accepted.out.splitlines()] == ["jump host [127.0.0.1]", "pc1"]
    assert accepted.err == f"accepted: jump host {label}\naccepted: pc1; due now\n"
    assert f"{label} " in known
    assert after.code == 0
    assert again.code == 0
    assert "jump host" not in again.out
    assert "the host key has changed" in changed.out
    assert "CHANGED" in mended.out
    assert mended.code == 0


def test_a_jump_host_is_asked_for_its_key_where_an_authority_counts_for_all_hosts(tmp_path: Path) -> None:
    (tmp_path / "ca.pub").write_text(f"{make_openssh_key(tmp_path / 'ca')}\n")
    known = tmp_path / "known"
    ssh = SshSettings(jump=("gate:2222",), known_hosts=str(known), host_ca=(str(tmp_path / "ca.pub"),))
    made = Installation(tmp_path / "made", ssh=ssh)
    made.add("pc1")

    (hop,) = host_key_offers.find_jump_hosts(made.app, ["pc1"], known_too=False)
    assert hop.label == "[gate]:2222"
    for name in ("gate", "[gate]:2222"):
        known.write_text(f"{name} {make_openssh_key(tmp_path / name)}\n")
        assert not host_key_offers.find_jump_hosts(made.app, ["pc1"], known_too=False)
        assert host_key_offers.find_jump_hosts(made.app, ["pc1"], known_too=True) == [hop]


def test_without_the_agent_that_is_wanted_check_says_so_and_no_node_is_blamed(
    desk: Desk, server: EmbeddedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    connect(desk, server)
    desk.ok("trust", "pc1", "--yes")
    desk.config.write_text(desk.config.read_text().replace('key = "id_ed25519"', "agent = true"))
    assert desk.ok("config", "check")
    desk.ok("tick")

    (row,) = json.loads(desk.ok("status", "-o", "json"))["nodes"]
    assert (row["last"]["outcome"], row["last"]["cause"]) == ("unknown", "local")
    fault = "no agent: SSH_AUTH_SOCK is not set, as in cron, and [ssh] agent_socket names none"
    assert (row["last"]["reason"], desk.run("check").out.count(fault)) == (fault, 1)
    assert f"FAIL  agent: {fault}; start one that cron can reach" in desk.run("doctor").out


@needs_sshd
def test_a_server_sees_no_connection_without_a_login_that_it_may_penalize(desk: Desk, tmp_path: Path) -> None:
    node = Sshd(tmp_path / "node", kinds=("ed25519", "ecdsa", "rsa"))
    try:
        desk.config.write_text(
            f'state_dir = "state"\n[ssh]\nkey = "{node.user_key}"\nuser = "{getpass.getuser()}"\nport = {node.port}\n'
        )
        desk.ok("node", "add", "pc1", "--set", "ssh_host=127.0.0.1")
        shown = desk.ok("trust", "pc1", "--yes").splitlines()
        (node.directory / "authorized_keys").write_text("")
        accepted = (node.directory / "log").read_text().count("Accepted publickey")
        desk.ok("trust", "pc1")
        refused = (node.directory / "log").read_text()
    finally:
        node.stop()

    assert (len(shown), accepted) == (3, 3)
    # Who was refused once does not try again: some servers lock out those who fail too often.
    assert refused.count("Accepted publickey") == accepted
    assert refused.count("authenticating user") == 1


def test_no_agent_is_asked_for_a_node_that_ssh_config_keeps_from_it(
    desk: Desk, server: EmbeddedNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(desk, server)
    path, user_file = tmp_path / "agent", tmp_path / "ssh_config"
    desk.config.write_text(
        desk.config.read_text().replace("[ssh]", f'[ssh]\nuse_ssh_config = true\nagent = true\nagent_socket = "{path}"')
    )
    user_file.write_text("Host pc1\nIdentityAgent none\n")
    ssh_config = SshConfig(SshConfigFiles(str(user_file), str(tmp_path / "none")))
    app = open_app(str(desk.config))
    monkeypatch.setattr(host_key_offers, "Targets", partial(Targets, ssh_config=ssh_config))
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(path))
        agent.listen()
        agent.setblocking(False)
        (offer,) = host_key_offers.fetch_offers(app, app.store.snapshot(), ["pc1"])
        with pytest.raises(BlockingIOError):
            agent.accept()

    assert offer.shown


def test_without_a_key_no_file_of_the_current_folder_is_taken_for_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "-cert.pub").touch()
    monkeypatch.chdir(tmp_path)
    settings = make_settings(path="", ssh=SshSettings(agent=True))
    app = SimpleNamespace(settings=settings, clock=SystemClock(), store=SimpleNamespace(last_beat=lambda: 0.0))

    assert access_changes.find_access_change(cast("App", app)) is None
