"""TAB offers commands, options, nodes and pools, in real shells, and is never in the way."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from tests.cli.console import Desk
from tests.cli.test_terminal import terminal


def offered(desk: Desk, line: str) -> set[str]:
    words = line.split(" ")
    said = desk.run(
        environ={"_PLABCTL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    )
    assert said.err == ""
    return {item.partition(",")[2] for item in said.out.splitlines() if item}


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("plabctl sta", {"stats", "status"}),
        ("plabctl help sta", {"stats", "status"}),
        ("plabctl node im", {"import"}),
        ("plabctl show pc", {"pc1", "pc2"}),
        ("plabctl status pc2", {"pc2"}),
        ("plabctl status @", {"@good", "@bad", "@usable"}),
        ("plabctl move pc1 @b", {"@bad"}),
        ("plabctl move pc", {"pc1", "pc2"}),
        ("plabctl move pc1 ", {"pc1", "pc2", "good", "bad"}),
        ("plabctl move pc1 pc2 b", {"bad"}),
        ("plabctl status pc1,p", {"pc1,pc1", "pc1,pc2"}),
        ("plabctl status pc1,@us", {"pc1,@usable"}),
        ("plabctl status !pc1", {"!pc1"}),
        ("plabctl status @good,!@b", {"@good,!@bad"}),
        ("plabctl status site=", {"site=north"}),
        ("plabctl test pc1 --recipe p", {"process", "podman"}),
        ("plabctl status -p b", {"bad"}),
        ("plabctl pool show g", {"good"}),
        ("plabctl status --fail-on ", {"good", "bad", "unusable"}),
        ("plabctl status --wa", {"--watch"}),
        ("plabctl experiment sw", {"swapin", "swapout"}),
        ("plabctl experiment swapin web --nodes pc1", {"pc1"}),
        ("plabctl experiment swapin web --nodes pc1,p", {"pc1,pc1", "pc1,pc2"}),
        ("plabctl experiment swapin web --recipe n", {"netns", "nspawn"}),
        ("plabctl history --kind tr", {"transition"}),
        ("plabctl history --cause ho", {"host-key"}),
        ("plabctl completion f", {"fish"}),
    ],
)
def test_what_is_offered(used_desk: Desk, line: str, items: set[str]) -> None:
    assert offered(used_desk, line) == items


@pytest.mark.parametrize("command", ["show", "swapout"])
def test_experiments_are_offered(used_desk: Desk, command: str) -> None:
    used_desk.ok("experiment", "swapin", "web", "--nodes", "pc1")

    assert offered(used_desk, f"plabctl experiment {command} w") == {"web"}
    assert offered(used_desk, f"plabctl experiment {command} x") == set()


def test_a_configuration_on_the_line_is_read(used_desk: Desk) -> None:
    used_desk.config.rename(used_desk.folder / "other.toml")

    assert offered(used_desk, "plabctl show pc") == set()
    assert offered(used_desk, "plabctl show --config other.toml pc") == {"pc1", "pc2"}


@pytest.mark.parametrize("text", ["", "broken ="])
def test_a_fault_offers_nothing_and_says_nothing(desk: Desk, text: str) -> None:
    desk.config.write_text(text)

    assert offered(desk, "plabctl show pc") == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_takes_the_script(desk: Desk, shell: str) -> None:
    script = desk.ok("completion", shell)

    assert "_PLABCTL_COMPLETE" in script
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=60)


READY = "ready> "
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i", "-C", f"function fish_prompt; echo -n '{READY}'; end"],
}
BEGINNINGS = {
    "bash": "source completion.bash",
    "zsh": "bindkey -e; autoload -Uz compinit; compinit -D -u; source completion.zsh",
    "fish": "source completion.fish",
}
LINES = [
    ("plabctl show pc1.", "pc1.lab"),
    ("plabctl status pc1.lab,pc2", "pc1.lab,pc2.lab"),
    ("plabctl show fe80::", "fe80::1"),
    ("plabctl status pc1.lab,fe80::", "pc1.lab,fe80::1"),
    ("plabctl status @b", "@bad"),
    ("plabctl status pc1.lab,@b", "pc1.lab,@bad"),
    ("plabctl status site=o", "site=oslo"),
    ("plabctl move pc1.lab b", "bad"),
    ("plabctl retest --wai", "--wait"),
    ("plabctl hold 'pc1.lab' pl", "plain"),
]
"""What is typed before a TAB, and the last word of the line after it."""


class ShellDesk(Desk):
    """The desk with a shell at it, in which `plabctl` is a command."""

    def __init__(self, desk: Desk, shell: str) -> None:
        self.folder, self.environ, self._shell = desk.folder, dict(desk.environ), shell
        program = self.folder / "bin" / "plabctl"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.join(desk.command())} "$@"\n')
        program.chmod(0o755)
        (self.folder / f"completion.{shell}").write_text(desk.ok("completion", shell))
        self.environ |= {"PATH": f"{program.parent}:{self.environ['PATH']}", "PS1": READY, "INPUTRC": os.devnull}

    def command(self, *arguments: str) -> Sequence[str]:
        return [str(shutil.which(self._shell)), *SHELLS[self._shell][1:], *arguments]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_with_the_script(desk: Desk, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    desk.ok("node", "add", "pc1.lab", "--set", "site=oslo")
    desk.ok("node", "add", "pc2.lab", "plain", "fe80::1")

    with terminal(ShellDesk(desk, shell), width=200) as shown:
        shown.wait_for(READY.strip())
        shown.type(f"{BEGINNINGS[shell]}\r")
        for line, last in LINES:
            # Back at its beginning, the line becomes the arguments of a command that prints them.
            shown.type(f"{line}\t\x01printf '<%s>' \r")
            shown.wait_for("".join(f"<{word}>" for word in (*shlex.split(line)[:-1], last)))


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_shows_whole_descriptions(desk: Desk) -> None:
    with terminal(ShellDesk(desk, "fish"), width=200) as shown:
        shown.wait_for(READY.strip())
        shown.type(f"{BEGINNINGS['fish']}\r")
        shown.type("complete --do-complete 'plabctl stat'\r")
        shown.wait_for("Show which nodes are good, which are bad, and why")
