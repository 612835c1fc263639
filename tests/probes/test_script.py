import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plabctl.core.assignment import Assignment
from plabctl.core.model import Node
from plabctl.core.recipe import Recipe
from plabctl.probes.frame import MARK, build_end_mark
from plabctl.probes.script import PROLOGUE, SHELL, build_environment, build_values, wrap_stage

SHELLS = [
    path for name in ("sh", "dash", "bash", "busybox", "csh", "tcsh", "fish", "zsh") if (path := shutil.which(name))
]
SHS = [path for path in SHELLS if Path(path).name in {"sh", "dash", "bash", "busybox"}]
"""Those that may stand behind the name `sh`."""
FIT = [path for path in SHS if not path.endswith("busybox")]
"""Those that find a `timeout` that makes a process group; that of busybox comes before any other for its `sh`."""
END = build_end_mark(1, 0)
NOT_FIT = build_end_mark(1, 125)


def job(**variables: str) -> Assignment:
    return Assignment(
        node=Node("n1", variables), token="t", recipe=Recipe("r"), vnode="v1", pool="bad", deadline_s=1, experiment="e"
    )


def run(*stages: bytes, sh: str = "/bin/sh") -> bytes:
    """Let `sh` read the stages as a node's does; return what it printed."""
    argv = [sh, "sh"] if sh.endswith("busybox") else [sh]
    done = subprocess.run(argv, input=PROLOGUE + b"".join(stages), capture_output=True, check=False, env=os.environ)
    assert done.stderr == b""
    return done.stdout


def test_our_own_values_win_over_variables() -> None:
    assert build_values(job(node="fake", site="s"))["node"] == "n1"
    assert build_environment(build_values(job(NODE="fake", site="s"))) == {
        "PLABCTL_NODE": "n1",
        "PLABCTL_VNODE": "v1",
        "PLABCTL_POOL": "bad",
        "PLABCTL_EXPERIMENT": "e",
        "PLABCTL_SITE": "s",
    }


def test_debris_has_a_name_of_its_own() -> None:
    assert build_values(job(), "old")["vnode"] == "old"


def test_odd_variable_names_become_names_of_the_environment() -> None:
    assert build_environment({"rack-no.2": "x\0y"}) == {"PLABCTL_RACK_NO_2": "xy"}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_becomes_sh(shell: str) -> None:
    argv = [shell, "sh", "-c"] if shell.endswith("busybox") else [shell, "-c"]
    stages = wrap_stage("echo it runs", {}, 5, 1), wrap_stage("echo it runs", {}, 5, 1, has_timeout=False)

    said = [
        subprocess.run([*argv, SHELL], input=PROLOGUE + stage, stderr=subprocess.STDOUT, stdout=-1, check=False).stdout
        for stage in stages
    ]

    assert said == [NOT_FIT if shell.endswith("busybox") else MARK + b"it runs\n" + END, MARK + b"it runs\n"]


@pytest.mark.parametrize("has_timeout", [True, False])
@pytest.mark.parametrize("sh", SHS)
def test_code_and_values_arrive_unchanged(sh: str, has_timeout: bool) -> None:
    text = 'cat <<\'END\'\nit\'s "q" \\n ! $HOME `x` %s %% {a} ~ * é\nEND\nprintf "%s|%s|%s" "$PLABCTL_X" $# "$0"'
    value = "one'two\"\n$three!\\"

    output = run(wrap_stage(text, {"PLABCTL_X": value}, 5, 1, has_timeout=has_timeout), sh=sh)

    said = 'it\'s "q" \\n ! $HOME `x` %s %% {a} ~ * é\n'.encode() + value.encode() + b"|0|sh"
    assert output == build_expected(said, sh, has_timeout=has_timeout)


def build_expected(said: bytes, sh: str, *, has_timeout: bool) -> bytes:
    if has_timeout and sh not in FIT:
        return NOT_FIT
    return MARK + said + (END if has_timeout else b"")


@pytest.mark.parametrize("sh", FIT)
def test_stages_follow_each_other_and_share_nothing(sh: str) -> None:
    stages = ["cd /; X=1; export X; echo one; cat; exit 3", "echo $X; pwd; echo wrong >&2", "kill -9 $$", "echo last"]

    output = run(*(wrap_stage(text, {}, 5, number) for number, text in enumerate(stages, 1)), sh=sh)

    here = str(Path.cwd()).encode()
    assert output == b"".join([
        MARK + b"one\n" + build_end_mark(1, 3),
        MARK + b"\n" + here + b"\nwrong\n" + build_end_mark(2, 0),
        MARK + build_end_mark(3, 137),
        MARK + b"last\n" + build_end_mark(4, 0),
    ])  # fmt: skip


@pytest.mark.parametrize("text", ["if", "fi; true", "echo $(", "f() {", "'", "cat <<X"])
def test_code_that_is_no_shell_is_a_stage_that_ran_and_failed(text: str) -> None:
    output = run(wrap_stage(text, {"PLABCTL_X": "'"}, 5, 1), wrap_stage("echo next", {}, 5, 2))

    assert output.startswith(MARK)
    assert output.endswith(MARK + b"next\n" + build_end_mark(2, 0))
    if text != "cat <<X":  # which many shells take for a here-document that ends with the code
        assert not re.search(rb"plabctl 1 (0|75)\x1e", output)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=200))
def test_any_value_arrives_as_it_is(value: str) -> None:
    assert run(wrap_stage('printf %s "$PLABCTL_X"', {"PLABCTL_X": value}, 5, 1)) == MARK + value.encode() + END


@pytest.mark.parametrize("sh", SHS)
@pytest.mark.parametrize("has_timeout", [True, False])
def test_a_large_script_is_no_argument(sh: str, has_timeout: bool) -> None:
    text = "# " + "x" * 200_000 + '\n# PLABCTL\nPLABCTL_=1\necho large "$PLABCTL_X"; cat\n'
    stage = wrap_stage(text, {"PLABCTL_X": "it's"}, 5, 1, has_timeout=has_timeout)

    assert len(stage.partition(b"\n#")[0]) < 1000
    assert b"PLABCTL_X=" in stage[:1000], "by its variables the stage is found on the node"
    assert run(stage, sh=sh) == build_expected(b"large it's\n", sh, has_timeout=has_timeout)


@pytest.mark.parametrize("sh", SHS)
@pytest.mark.parametrize("has_timeout", [True, False])
def test_many_long_labels_are_no_argument(sh: str, has_timeout: bool) -> None:
    labels = {f"PLABCTL_L{number}": "it's" * 250 for number in range(150)}
    code = 'env | grep -c "PLABCTL_L[0-9]*=it.s.*it.s$"; cat'
    stage = wrap_stage(code, {"PLABCTL_VNODE": "v1", **labels}, 5, 1, has_timeout=has_timeout)

    assert b"PLABCTL_VNODE=v1" in stage[:1000], "by this one the stage is found on the node"
    assert run(stage, sh=sh) == build_expected(b"150\n", sh, has_timeout=has_timeout)


def test_a_script_that_is_no_utf_8_stays_as_it_is() -> None:
    text = b"printf caf\xe9".decode("utf-8", "surrogateescape")

    assert run(wrap_stage(text, {}, 5, 1)) == MARK + b"caf\xe9" + END
    assert run(wrap_stage("printf '\ud800'", {}, 5, 1)) == MARK + b"?" + END


def test_the_exit_code_comes_through() -> None:
    assert run(wrap_stage("exit 7", {}, 5, 1)) == MARK + build_end_mark(1, 7)
    guarded = PROLOGUE + wrap_stage("exit 7", {}, 5, 1, has_timeout=False)
    assert subprocess.run(["/bin/sh"], input=guarded, stdout=subprocess.DEVNULL, check=False).returncode == 7
