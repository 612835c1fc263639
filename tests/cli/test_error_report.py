"""Every fault is one line that says what, where and what to do, with the exit code of its kind."""

import errno
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from plabctl.cli.error_report import run_reporting_errors
from tests.cli.console import Desk


def break_config(desk: Desk) -> None:
    desk.config.write_text("windw = 3\nstate_dir = 4\n")


def damage_state(desk: Desk) -> None:
    (desk.folder / "state/state.json").write_text("{}")


def state_is_a_file(desk: Desk) -> None:
    (desk.folder / "other").write_text("")
    desk.config.write_text(desk.config.read_text().replace('"state"', '"other"'))


def key_is_missing(desk: Desk) -> None:
    desk.config.write_text('state_dir = "state"\n[ssh]\nkey = "no-key"\n')
    desk.ok("retest", "pc1")


def nothing(desk: Desk) -> None:
    pass


TABLE: list[tuple[Callable[[Desk], None], list[str], int, str]] = [
    (nothing, ["status", "nope"], 1, "no node is named 'nope'"),
    (nothing, ["status", "@nope"], 1, "no pool is named 'nope'"),
    (nothing, ["status", "-p", "gud"], 1, "no pool is named 'gud'"),
    (nothing, ["status", "--fail-on", "bad"], 1, ""),
    (nothing, ["move", "pc1", "nowhere", "-r", "x"], 1, "no pool is named 'nowhere'"),
    (nothing, ["move", "pc1", "good", "-r", "x"], 1, "'pc1' is in 'good' already"),
    (nothing, ["release", "pc1"], 1, "'pc1' is not held"),
    (nothing, ["node", "add", "pc1"], 1, "'pc1' is known already"),
    (nothing, ["show", "pc3"], 1, "no node is named 'pc3'"),
    (nothing, ["init"], 1, "plabctl.toml exists already"),
    (nothing, ["statsu"], 2, "no command is named 'statsu'"),
    (nothing, ["status", "--frobnicate"], 2, "no such option"),
    (nothing, ["node", "add", "pc9", "--set"], 2, "hint: plabctl node add --help"),
    (nothing, ["status", "--by"], 2, "hint: plabctl status --help"),
    (nothing, ["status", "-o", "xml"], 2, "'xml' is not one of"),
    (nothing, ["history", "--since", "3"], 2, "'3' is not a duration"),
    (nothing, ["move", "pc1", "bad"], 2, "missing option '--reason'"),
    (nothing, ["move", "pc*", "bad", "-r", "x"], 2, "this changes several nodes"),
    (nothing, ["hold", "pc1", "-r", "a\x1b[31mb"], 2, "the reason must be one line"),
    (nothing, ["node", "add", "-x"], 2, "no such option"),
    (nothing, ["node", "add", "--", "-x"], 2, "'-x' is neither a host name"),
    (nothing, ["node", "add", "a b"], 2, "'a b' is neither a host name"),
    (nothing, ["node", "add", "$(reboot)"], 2, "is neither a host name"),
    (nothing, ["node", "add", "a\x1bb"], 2, r"'a\x1bb' is neither a host name"),
    (nothing, ["node", "add", "n" * 300], 2, "is neither a host name"),
    (nothing, ["node", "add", "new", "new"], 2, "'new' is given twice"),
    (nothing, ["node", "add", "new", "--set", "recipe=nope"], 2, "no recipe is named 'nope'"),
    (nothing, ["node", "add", "new", "--set", "site"], 2, "'site' sets nothing"),
    (nothing, ["node", "import", "missing.csv"], 2, "missing.csv"),
    (nothing, ["node", "add", ""], 2, "no node is named"),
    (nothing, ["status", "-c", "no\x1b[2J"], 78, r"no\x1b[2J: no such config file"),
    (nothing, ["node", "import", "no\x9b2J"], 2, r"no\x9b2J cannot be read"),
    (nothing, ["show", "\udcff"], 1, r"no node is named '\udcff'"),
    (nothing, ["experiment", "swapin", "web", "--count", "1", "--hook", "x\x1b"], 2, "the hook"),
    (nothing, ["experiment", "swapin", "web", "--all-nodes", "--match", "a=\x1b"], 2, "must be printable"),
    (key_is_missing, ["tick"], 78, "ssh.key: "),
    (state_is_a_file, ["status"], 74, "other"),
    (damage_state, ["status"], 74, "damaged"),
    (damage_state, ["status", "-o", "json"], 74, "damaged"),
    (damage_state, ["tick"], 74, "damaged"),
    (damage_state, ["hold", "pc1", "-r", "x"], 74, "damaged"),
    (break_config, ["status"], 78, "windw"),
    (break_config, ["tick"], 78, "windw"),
    (break_config, ["config", "check"], 78, "state_dir"),
    (nothing, ["status", "--config", "nowhere.toml"], 78, "nowhere.toml"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("prepare", "arguments", "code", "message"),
    TABLE,
    ids=[f"{row[0].__name__}: {' '.join(row[1])[:40]!a}" for row in TABLE],
)
def test_a_fault_is_told_in_a_line_and_changes_nothing(
    used_desk: Desk, prepare: object, arguments: list[str], code: int, message: str
) -> None:
    prepare(used_desk)  # type: ignore[operator]  # one of the functions above
    said = used_desk.run(*arguments)

    assert said.code == code, said
    assert message in said.err
    assert all(line.startswith(("plabctl: ", "  hint: ")) for line in said.err.splitlines())
    assert "Traceback" not in said.err
    assert "\x1b" not in said.err


@pytest.mark.parametrize("name", ["\x1b[2Jann", "\udcff", "ann\n", "n" * 101])
def test_whoever_gives_a_name_that_is_none_is_known_by_number(used_desk: Desk, name: str) -> None:
    said = used_desk.run("hold", "pc1", "-r", "x", environ={"SUDO_USER": name})

    assert said.code == 0, said
    assert f"uid {os.getuid()}: x" in used_desk.ok("status", "pc1", "-o", "table")


def test_every_fault_of_a_configuration_is_told(used_desk: Desk) -> None:
    break_config(used_desk)
    said = used_desk.run("status")

    assert "windw" in said.err
    assert "state_dir" in said.err
    assert said.err.count("plabctl: ") >= 2


def test_a_bug_is_one_line_and_a_traceback_on_request(used_desk: Desk) -> None:
    (used_desk.folder / "sitecustomize.py").write_text(
        "import plabctl.render.status_table as status\n"
        "def broken(*_, **__): raise RuntimeError('two\\nlines')\n"
        "status.build_data_listing = broken\n"
    )
    environ = {"PYTHONPATH": f"{used_desk.folder}:{used_desk.environ['PYTHONPATH']}"}
    said = used_desk.run("status", "-o", "json", environ=environ)
    loud = used_desk.run("status", "-o", "json", environ={**environ, "PLABCTL_DEBUG": "1"})

    assert said.code == loud.code == 70
    assert said.err.count("\n") == 1
    assert "RuntimeError: two lines" in said.err
    assert "PLABCTL_DEBUG=1" in said.err
    assert "Traceback" in loud.err


FULL = ["status", "status -o json", "status -o table", "history", "show pc1", "--help", "--version", "config sample"]


@pytest.mark.parametrize("arguments", FULL)
def test_a_full_disk_behind_standard_output_is_told(used_desk: Desk, arguments: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            used_desk.command(*arguments.split()),
            cwd=used_desk.folder,
            env=used_desk.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 74
    assert done.stderr == "plabctl: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("node add pc9", 0),
        ("move pc1 nowhere --reason x", 1),
        ("--config none.toml tick", 78),
        ("tick --config none.toml", 78),
        ("nothing", 2),
    ],
)
def test_a_full_disk_behind_standard_error_changes_no_exit_code(used_desk: Desk, arguments: str, code: int) -> None:
    with Path("/dev/full").open("w") as full:
        argv = used_desk.command(*arguments.split())
        done = subprocess.run(argv, cwd=used_desk.folder, env=used_desk.environ, stderr=full, check=False)

    assert done.returncode == code


@pytest.mark.parametrize("form", ["tsv", "json", "table"])
def test_a_reader_that_leaves_is_no_fault(desk: Desk, form: str) -> None:
    desk.ok("node", "import", "-", stdin="\n".join(f"node{number}" for number in range(5000)))
    with desk.running("status", "*", "-o", form) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()

        assert process.stderr.read() == ""
        assert process.wait(60) == 141


def test_ctrl_c_is_130_and_silent(used_desk: Desk) -> None:
    with used_desk.running("history", "--follow") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.send_signal(signal.SIGINT)

        assert process.wait(60) == 130
        assert process.stderr.read() == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_told(desk: Desk) -> None:
    desk.folder.chmod(0o500)

    assert desk.run("node", "add", "pc1").code == 74


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", ["status", "status -o json", "tick", "hold pc1 --reason x", "--help"])
def test_closed_streams_are_no_fault_and_reach_no_file(used_desk: Desk, arguments: str, closed: str) -> None:
    line = f'exec "$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", line, "sh", *used_desk.command(*arguments.split())],
        cwd=used_desk.folder,
        env=used_desk.environ,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert used_desk.run("status").code == 0


def test_a_locale_without_the_signs_gets_others(used_desk: Desk) -> None:
    environ = {"PYTHONIOENCODING": "ascii"}

    assert "x bad" in used_desk.run("status", "-o", "table", environ=environ).out
    assert used_desk.run("show", "pc2", "-o", "tsv", environ=environ).code == 0


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "too many", "/some/module.py"), MemoryError()])
def test_a_shortage_is_no_bug_even_where_it_cannot_be_remembered(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise error

    code = run_reporting_errors(fail, complain=fail)  # type: ignore[arg-type]  # it never returns

    assert code == 75
    assert capsys.readouterr().err.startswith("plabctl: this machine is out of resources: ")
