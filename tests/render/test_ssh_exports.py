"""What is written for OpenSSH, read back by `ssh -G`: no text that comes from outside adds or changes anything else."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from plabctl.render.ssh_config_text import format_ssh_config
from plabctl.render.ssh_options import build_proxy_command
from plabctl.views.exports import Export, ExportedNode, SshAccess, SshServer
from plabctl.views.node import list_node_views
from tests.lab.requirements import program
from tests.render.examples import make_context, make_pair

HOSTILE = [
    '/k/a" b',
    "/k/it's #1",
    "/k/back\\slash\\",
    "/k/%d %h 100%",
    "/k/$(touch pwned) `id`; x",
    "/k/ProxyCommand=evil",
    "/k/é ü",
    "/k/*?!",
    "~/k ~root",
]
UNWRITABLE = ["/k/\nProxyCommand evil", "/k/${HOME}/x", "/k/\rx", "/k/\x1b[31m"]


def write(*nodes: tuple[str, SshServer, Sequence[SshServer]], access: SshAccess | None = None) -> str:
    context = make_context(*(make_pair(name) for name, _, _ in nodes))
    views = {view.name: view for view in list_node_views(context, context.state.names())}
    own = access or SshAccess()
    exported = [ExportedNode(views[name], {}, server, tuple(jumps), own) for name, server, jumps in nodes]
    return "".join(format_ssh_config(Export(exported)))


def ask(folder: Path, text: str, name: str) -> dict[str, list[str]]:
    (folder / "own").write_text(text)
    (folder / "config").write_text(f"Include {folder}/own\nHost other\n    User somebody\n")
    done = subprocess.run(
        [program("ssh"), "-T", "-G", "-F", str(folder / "config"), name],
        env={"HOME": "/home/x", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def expand(said: str) -> str:
    """Return what ssh makes of a path that -G prints as it was written."""
    return said.replace("%%", "%")


@pytest.mark.sshd
def test_ssh_reads_every_part(tmp_path: Path) -> None:
    gate, inner = SshServer("gate.lab", 2222, "plab", ("/k/gate",)), SshServer("gate.lab", 22, "root")
    node = SshServer("10.0.0.1", 23, "ada", ("/k/1", "/k/2"), ("/k/cert",), "pc1.known")
    access = SshAccess("/k/known", "yes", has_only_these_keys=True)

    text = write(("PC1", node, [gate, inner]), ("pc2", SshServer("fe80::1%eth0", 22), []), access=access)

    for name in ("PC1", "pc1"):
        said = ask(tmp_path, text, name)
        assert {key: said[key] for key in ("hostname", "port", "user", "identityfile", "certificatefile")} == {
            "hostname": ["10.0.0.1"],
            "port": ["23"],
            "user": ["ada"],
            "identityfile": ["/k/1", "/k/2"],
            "certificatefile": ["/k/cert"],
        }
        assert said["identitiesonly"] == ["yes"]
        assert said["hostkeyalias"] == ["pc1.known"]
        assert said["userknownhostsfile"] == ["/k/known"]
        assert said["stricthostkeychecking"] == ["true"]
        assert said["proxyjump"] == ["plabctl-jump-gate.lab,plabctl-jump-gate.lab-2"]
    jump = ask(tmp_path, text, "plabctl-jump-gate.lab")
    assert (jump["hostname"], jump["port"], jump["user"]) == (["gate.lab"], ["2222"], ["plab"])
    assert ask(tmp_path, text, "pc2")["hostname"] == ["fe80::1%eth0"]
    assert ask(tmp_path, text, "other")["user"] == ["somebody"], "nothing leaks out of the blocks"
    assert "proxyjump" not in ask(tmp_path, text, "gate.lab"), "who logs in there as ever is left alone"


@pytest.mark.sshd
def test_hostile_paths_stay_paths(tmp_path: Path) -> None:
    plain = set(ask(tmp_path, write(("pc1", SshServer("pc1", 22, "plab", ("/k/x",)), [])), "pc1"))
    text = write(*((f"pc{at}", SshServer("pc", 22, "plab", (path,)), []) for at, path in enumerate(HOSTILE)))

    for at, path in enumerate(HOSTILE):
        said = ask(tmp_path, text, f"pc{at}")
        assert [expand(each) for each in said["identityfile"]] == [path]
        assert set(said) == plain


@pytest.mark.sshd
def test_what_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    nodes = [(f"pc{at}", SshServer("pc", 22, "plab", (path,)), ()) for at, path in enumerate(UNWRITABLE)]
    text = write(*nodes, ("last", SshServer("pc", 22, "a%hb"), ()), access=SshAccess(UNWRITABLE[0]))

    for at, path in enumerate(UNWRITABLE):
        said = ask(tmp_path, text, f"pc{at}")
        assert path not in said["identityfile"]
        assert "evil" not in str(said)
    assert "User" not in text.partition("Host last")[2]


@pytest.mark.sshd
@pytest.mark.parametrize("path", HOSTILE)
def test_a_proxy_command_hands_each_ssh_what_was_meant(tmp_path: Path, path: str) -> None:
    """A program in the place of ssh notes its arguments, and starts what a ssh would start for its own ProxyCommand."""
    hops = (SshServer("a", 1, "u1", (path,)), SshServer("b", 2, "u2", (path,)), SshServer("fe80::1%eth0", 3))
    command = build_proxy_command(hops, SshAccess())
    seen: list[list[str]] = []

    # As ssh does: replace what follows a %, let a shell take it apart, look for a ProxyCommand among the options.
    while command:
        replaced = command.replace("%%", "\0").replace("%h", "HOST").replace("%p", "PORT").replace("\0", "%")
        words = shlex.split(replaced)
        inner = next((word for word in words if word.startswith("ProxyCommand=")), "")
        seen.append([word for word in words if word != inner])
        command = inner.removeprefix("ProxyCommand=")

    third, second, first = seen
    assert third == ["ssh", "-o", "-p", "3", "-W", "[HOST]:PORT", "fe80::1%eth0"]
    for words, hop in ((first, hops[0]), (second, hops[1])):
        option = words[2].removeprefix("IdentityFile=")
        assert words[-6:] == [str(hop.port), "-l", hop.user, "-W", "[HOST]:PORT", hop.host]
        said = ask(tmp_path, f"Host x\n    IdentityFile {option}\n", "x")
        assert [expand(each) for each in said["identityfile"]] == [path]


@pytest.mark.sshd
def test_a_jump_host_of_ones_own_for_everything_is_not_that_of_a_node_without(tmp_path: Path) -> None:
    nodes = [("pc1", SshServer("10.0.0.1", 22), ()), ("pc2", SshServer("10.0.0.2", 22), (SshServer("gate", 22),))]
    own = "\nHost *\n    ProxyJump bastion\n"
    assert "proxyjump" not in ask(tmp_path, write(*nodes) + own, "pc1")
    assert ask(tmp_path, write(*nodes) + own, "pc2")["proxyjump"] == ["plabctl-jump-gate"]
    personal = write(*nodes, access=SshAccess(is_personal=True)) + own
    assert ask(tmp_path, personal, "pc1")["proxyjump"] == ["bastion"], "who logs in as themselves may need it"
    assert ask(tmp_path, personal, "pc2")["proxyjump"] == ["plabctl-jump-gate"]
    assert "proxyjump" not in ask(tmp_path, personal, "plabctl-jump-gate")


def test_a_jump_host_is_never_reached_over_itself(tmp_path: Path) -> None:
    gate = SshServer("gate", 22)
    text = write(("plabctl-jump-gate", SshServer("10.0.0.1", 22), [gate]), ("pc1", SshServer("10.0.0.2", 22), [gate]))
    text += "\nHost *\n    ProxyJump gate\n"

    (jump,) = ask(tmp_path, text, "pc1")["proxyjump"]

    assert ask(tmp_path, text, "plabctl-jump-gate")["hostname"] == ["10.0.0.1"]
    assert ask(tmp_path, text, "plabctl-jump-gate")["proxyjump"] == [jump]
    assert ask(tmp_path, text, jump)["hostname"] == ["gate"]
    assert "proxyjump" not in ask(tmp_path, text, jump)
