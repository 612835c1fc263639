"""How a node is reached is said without connecting to it, each part with its origin."""

import getpass
import io
import json
from pathlib import Path

import pytest

from plabctl.app.context import App
from plabctl.app.explain_ssh import explain_ssh
from plabctl.core.settings import HostKeys, SshSettings
from plabctl.errors import NoSuchNode, PlabctlError
from plabctl.probes import target
from plabctl.probes.ssh_config import SshConfig, SshConfigFiles
from plabctl.render.ssh_route import build_listing, format_json
from plabctl.render.text_table import show_table
from tests.app.installation import Installation
from tests.lab.ssh_keys import make_key, public

REFUSED = "refused until known: plabctl trust pc1"


def make_app(folder: Path, ssh: SshSettings, **variables: str) -> App:
    made = Installation(folder, ssh=ssh)
    made.add("pc1", **variables)
    return made.app


def show(app: App) -> list[list[str]]:
    """Return the lines of the table, each split where there are two blanks."""
    out = io.StringIO()
    show_table(build_listing(explain_ssh(app, "pc1")), out, color=False)
    return [[part.strip() for part in line.split("  ") if part.strip()] for line in out.getvalue().splitlines()[1:]]


def test_without_a_word_of_anybody_all_is_default(tmp_path: Path) -> None:
    known = f"{tmp_path}/state/known_hosts"
    app = make_app(tmp_path, SshSettings(known_hosts=known))

    assert show(app) == [
        ["address", "default", "pc1"],
        ["port", "default", "22"],
        ["user", "default", getpass.getuser()],
        ["jump", "default", "none"],
        ["key", "default", "none"],
        ["certificate", "default", "none"],
        ["agent", "default", "none"],
        ["known_hosts", "default", known],
        ["known as", "default", "pc1"],
        ["host key", f"none: {REFUSED}"],
    ]
    with pytest.raises(NoSuchNode):
        explain_ssh(app, "pc2")


def test_each_part_has_its_own_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, host, authority = (make_key(tmp_path / name) for name in ("key", "host", "ca"))
    (tmp_path / "known").write_text(f"[10.0.0.7]:2222 {public(host).read_text()}")
    (tmp_path / "config").write_text(
        f"Host pc1\nPort 2222\nIdentityFile {key}\nIdentityFile {host}\nProxyJump me@j,k:5\n"
        "IdentityAgent /sock\nCertificateFile /c\n"
    )
    for name in ("known", "config"):
        (tmp_path / name).chmod(0o600)
    config = SshConfig(SshConfigFiles(f"{tmp_path}/config", f"{tmp_path}/none"))
    monkeypatch.setattr(target, "SshConfig", lambda: config)
    ssh = SshSettings(
        "cfg", 22, "/cfg", f"{tmp_path}/known", use_ssh_config=True, agent=True, host_ca=(str(public(authority)),)
    )
    app = make_app(tmp_path, ssh, ssh_host="10.0.0.7")

    lines = show(app)
    document = json.loads(format_json(explain_ssh(app, "PC1")))

    assert lines[:8] == [
        ["address", "variable ssh_host", "10.0.0.7"],
        ["port", "ssh_config", "2222"],
        ["user", "[ssh] user", "cfg"],
        ["jump", "ssh_config", "me@j:22"],
        ["cfg@k:5"],
        ["key", "ssh_config", str(key)],
        [str(host)],
        ["certificate", "ssh_config", "/c"],
    ]
    assert document["agent"] == {"value": "/sock", "origin": "ssh_config"}
    assert document["port"] == {"value": 2222, "origin": "ssh_config"}
    assert document["key"] == {"value": [str(key), str(host)], "origin": "ssh_config"}
    assert document["known_hosts"] == {"value": f"{tmp_path}/known", "origin": "[ssh] known_hosts"}
    assert document["known_as"] == {"value": "[10.0.0.7]:2222", "origin": "default"}
    found, decides = document["host_key"]["value"], document["host_key"]["origin"]
    assert [text.partition(" SHA256:")[0] for text in found] == ["ssh-ed25519", "authority ssh-ed25519"]
    assert decides == "known_hosts, host_ca"
    assert (document["node"], document["schema_version"]) == ("pc1", 1)


def test_the_agent_is_named_by_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/session")
    app = make_app(tmp_path, SshSettings(agent=True, known_hosts=f"{tmp_path}/known"))
    assert explain_ssh(app, "pc1").agent == ("/run/session", "SSH_AUTH_SOCK, which cron does not set")
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert explain_ssh(app, "pc1").agent.value == "none"

    named = make_app(
        tmp_path / "named", SshSettings(agent=True, agent_socket="/run/agent", known_hosts=f"{tmp_path}/known")
    )
    assert explain_ssh(named, "pc1").agent == ("/run/agent", "[ssh] agent_socket")


def test_one_long_value_does_not_widen_all_lines(tmp_path: Path) -> None:
    app = make_app(tmp_path, SshSettings(user="ops", known_hosts=f"{tmp_path}/{'k' * 80}"))
    out = io.StringIO()
    show_table(build_listing(explain_ssh(app, "pc1")), out, color=False)
    assert [len(line) > 80 for line in out.getvalue().splitlines()] == [*[False] * 8, True, False, False]


def test_what_a_test_would_refuse_is_refused_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(PlabctlError, match="'0', which is not a port"):
        explain_ssh(make_app(tmp_path, SshSettings(), ssh_port="0"), "pc1")


def test_a_first_key_is_said_to_be_learnt(tmp_path: Path) -> None:
    ssh = SshSettings(known_hosts=f"{tmp_path}/known", host_keys=HostKeys.FIRST_USE)

    assert show(make_app(tmp_path, ssh))[-1] == ["host key", "none: the first key that it shows is learnt"]
