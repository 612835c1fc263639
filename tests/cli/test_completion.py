"""TAB offers commands, options, nodes and pools, in real shells, and is never in the way."""

import shutil
import subprocess

import pytest

from tests.cli.console import Desk


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
        ("plabctl st", {"status"}),
        ("plabctl node im", {"import"}),
        ("plabctl show pc", {"pc1", "pc2"}),
        ("plabctl status pc2", {"pc2"}),
        ("plabctl status @", {"@good", "@bad", "@usable"}),
        ("plabctl move pc1 @b", {"@bad"}),
        ("plabctl test pc1 --recipe p", {"process", "podman"}),
        ("plabctl status -p b", {"bad"}),
        ("plabctl pool show g", {"good"}),
        ("plabctl status --fail-on ", {"good", "bad", "unusable"}),
        ("plabctl status --wa", {"--watch"}),
        ("plabctl experiment sw", {"swapin", "swapout"}),
        ("plabctl experiment swapin web --nodes pc1", {"pc1"}),
        ("plabctl experiment swapin web --nodes pc1,p", {"pc1,pc1", "pc1,pc2"}),
        ("plabctl experiment swapin web --recipe n", {"netns", "nspawn"}),
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
    subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=30)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_with_the_script(used_desk: Desk) -> None:
    program = used_desk.folder / "plabctl"
    program.write_text(f'#!/bin/sh\nexec {" ".join(used_desk.command())} "$@"\n')
    program.chmod(0o755)
    script = (
        f"{used_desk.ok('completion', 'bash')}\n"
        'COMP_WORDS=(plabctl show pc) COMP_CWORD=2\n_plabctl_completion ./plabctl pc show\necho "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc"], input=script, cwd=used_desk.folder, env=used_desk.environ, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip

    assert done.stdout.split() == ["pc1", "pc2"]
