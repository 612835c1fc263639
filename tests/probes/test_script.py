import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plabctl.core.assignment import Assignment
from plabctl.core.model import Node
from plabctl.core.recipe import Recipe
from plabctl.probes.script import MARK, Sending, environment, values_of, wrap

SHELLS = [
    path for name in ("sh", "dash", "bash", "busybox", "csh", "tcsh", "fish", "zsh") if (path := shutil.which(name))
]


def job(**variables: str) -> Assignment:
    return Assignment(
        node=Node("n1", variables), token="t", recipe=Recipe("r"), vnode="v1", pool="bad", deadline_s=1, experiment="e"
    )


def run(sending: Sending, shell: str = "/bin/sh") -> bytes:
    argv = [shell, "sh", "-c"] if shell.endswith("busybox") else [shell, "-c"]
    done = subprocess.run([*argv, sending.command], input=sending.stdin, capture_output=True, check=False)
    assert done.stderr == b""
    return done.stdout


def test_our_own_values_win_over_variables() -> None:
    assert values_of(job(node="fake", site="s"))["node"] == "n1"
    assert environment(values_of(job(NODE="fake", site="s"))) == {
        "PLABCTL_NODE": "n1",
        "PLABCTL_VNODE": "v1",
        "PLABCTL_POOL": "bad",
        "PLABCTL_EXPERIMENT": "e",
        "PLABCTL_SITE": "s",
    }


def test_debris_has_a_name_of_its_own() -> None:
    assert values_of(job(), "old")["vnode"] == "old"


def test_odd_variable_names_become_names_of_the_environment() -> None:
    assert environment({"rack-no.2": "x\0y"}) == {"PLABCTL_RACK_NO_2": "xy"}


def test_the_command_line_holds_nothing_that_shells_read_differently() -> None:
    sending = wrap("a\n'b' \"c\" \\ ! $x `y` %s é", {"PLABCTL_X": "'!\n"}, 1.2)

    assert sending.stdin == b""
    assert sending.command.startswith("exec timeout -k 5 2 sh -c '")
    assert sending.command.count("'") == 2
    assert not set(sending.command) & set("\n!`")
    assert sending.command.isascii()


@pytest.mark.parametrize("has_timeout", [True, False])
@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_passes_a_script_on_unchanged(shell: str, has_timeout: bool) -> None:
    text = 'cat <<\'END\'\nit\'s "q" \\n ! $HOME `x` %s %% {a} ~ * é\nEND\nprintf %s "$PLABCTL_X"'
    value = "one'two\"\n$three!\\"

    output = run(wrap(text, {"PLABCTL_X": value}, 5, has_timeout=has_timeout), shell)

    assert output == MARK + 'it\'s "q" \\n ! $HOME `x` %s %% {a} ~ * é\n'.encode() + value.encode()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_passes_plain_code_on_unchanged(shell: str) -> None:
    sending = wrap('printf "%s|" "$PLABCTL_X" $# "$0" `echo x` $((1+2)) "~*{a}"; ## &', {"PLABCTL_X": "a-1.2:b"}, 5)

    assert "\\047" not in sending.command, "it was packed"
    assert run(sending, shell) == MARK + b"a-1.2:b|0|sh|x|3|~*{a}|"


@pytest.mark.parametrize("text", ["if", "fi; true", "echo $(", "f() {"])
def test_code_that_is_no_shell_is_a_stage_that_ran_and_failed(text: str) -> None:
    for variables in ({}, {"PLABCTL_X": "'"}):
        done = subprocess.run(["/bin/sh", "-c", wrap(text, variables, 5).command], capture_output=True, check=False)

        assert done.stdout == MARK
        assert done.returncode not in {0, 75}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=200))
def test_any_value_arrives_as_it_is(value: str) -> None:
    assert run(wrap('printf %s "$PLABCTL_X"', {"PLABCTL_X": value}, 5)) == MARK + value.encode()


def test_a_large_script_goes_over_standard_input() -> None:
    sending = wrap("# " + "x" * 200_000 + "\necho large; cat", {}, 5)

    assert len(sending.command) < 200
    assert run(sending) == MARK + b"large\n"


def test_the_exit_code_comes_through(tmp_path: Path) -> None:
    for has_timeout in (True, False):
        command = wrap("exit 7", {}, 5, has_timeout=has_timeout).command
        assert subprocess.run(["/bin/sh", "-c", command], stdout=subprocess.DEVNULL, check=False).returncode == 7
