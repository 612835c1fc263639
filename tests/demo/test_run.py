"""The demo, run as a person would: what it finds is what was staged, and nothing of it stays but its directory."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.names import is_host
from plabctl.demo.roles import COMMON, FAULTY, LEAST, build_program, build_roles
from plabctl.history.database import History

pytestmark = pytest.mark.xdist_group("demo")  # one run of the demo is looked at by many tests

SECONDS = 14
CAUSES = {
    "fails.demo": "setup",
    "hangs.demo": "deadline",
    "impostor.demo": "host-key",
    "refuses.demo": "connect",
    "silent.demo": "protocol",
}
MARK = "PLABCTL_TEST_OF_THE_DEMO"


def start(directory: Path, *more: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    # Under nohup SIGHUP would be ignored by whatever the tests start.
    command = ["env", "--default-signal=HUP", sys.executable, "-m", "plabctl", "demo", "--dir", str(directory), *more]
    environment = {**os.environ, MARK: str(directory)}
    return subprocess.Popen(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def list_leftover_processes(directory: Path) -> list[str]:
    """The command lines of the processes that have the demo's directory in their environment: its ticks, its nodes'."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in environment:
                found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    directory = tmp_path_factory.mktemp("demo") / "here"
    process = start(directory, "--keep", "--seconds", str(SECONDS))
    try:
        stdout, stderr = process.communicate(timeout=90)
    finally:
        process.kill()
    return directory, subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def status_of(directory: Path) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "plabctl", "status", "-o", "json", "--config", str(directory / "plabctl.toml")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return {node["name"]: node for node in json.loads(answer.stdout)["nodes"]}


Finished = tuple[Path, subprocess.CompletedProcess[str]]


def test_it_ends_by_itself_and_its_ticks_had_nothing_to_complain_of(finished: Finished) -> None:
    directory, done = finished

    assert (done.returncode, done.stderr) == (0, "")
    assert (directory / "ticks.log").read_text() == ""


def test_in_a_pipe_it_writes_plain_text(finished: Finished) -> None:
    _, done = finished

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout)
    assert re.search(r"^\d\d:\d\d:\d\d  steady1\.demo is good: a virtual node was set up", done.stdout, re.MULTILINE)


def test_the_command_for_a_second_terminal_stands_at_the_start(finished: Finished) -> None:
    directory, done = finished

    assert f"plabctl status --config {directory}/plabctl.toml" in done.stdout.splitlines()[1]


def test_at_the_end_there_is_a_page_and_it_is_named(finished: Finished) -> None:
    directory, done = finished

    assert f"The page of these nodes, for a browser: {directory}/page/index.html" in done.stdout.splitlines()
    page = (directory / "page/index.html").read_text()
    assert "<h1><bdi>plabctl demo</bdi></h1>" in page
    assert 'href="node/hangs.demo.html"' in page


def test_every_fault_is_found_for_what_it_is_and_the_rest_is_good(finished: Finished) -> None:
    directory, _ = finished
    nodes = status_of(directory)
    steady = {name for name in nodes if name.startswith("steady")}

    assert len(nodes) == 12
    assert {name: nodes[name]["pool"] for name in steady} == dict.fromkeys(steady, "good")
    assert {name: (nodes[name]["pool"], nodes[name]["last"]["cause"]) for name in CAUSES} == {
        name: ("bad", cause) for name, cause in CAUSES.items()
    }
    assert nodes["fails.demo"]["last"]["reason"].endswith("No space left on device")


def test_the_flapping_node_passes_twice_and_fails_twice_by_turns(finished: Finished) -> None:
    directory, _ = finished
    with History(directory / "state") as history:
        outcomes = [record.event.data["outcome"] for record in history.read(nodes=["flaps.demo"], kinds=["probe"])]

    seen = [outcome for outcome in outcomes if outcome != "unknown"]
    assert seen[:1] == ["pass"]
    assert seen == ["pass", "pass", "fail", "fail"] * (len(seen) // 4) + ["pass", "pass", "fail"][: len(seen) % 4]


def test_the_end_says_of_each_node_what_was_staged_and_what_was_found(finished: Finished) -> None:
    directory, done = finished
    story = done.stdout.partition("What was wrong with each node, and what was found\n")[2]

    for role in build_roles(12):
        assert role.name in story
        assert role.staged in story
    assert "(connect): 127.0.0.1 port" in story
    assert f"status --config {directory}/plabctl.toml" in story


def test_no_process_stays(finished: Finished) -> None:
    directory, _ = finished

    assert list_leftover_processes(directory) == []


def test_ping_and_login_find_only_the_faults_that_they_can_find(finished: Finished) -> None:
    _, done = finished
    story = done.stdout.partition("What was wrong with each node, and what was found\n")[2]
    said = dict(re.findall(r"^\S+ \w+ +(\S+\.demo) .*(?:\n {20}.*)?(ping: .*), plabctl:", story, re.MULTILINE))

    for name in ("fails", "flaps", "hangs", "repaired", "steady1"):
        assert said[f"{name}.demo"] == "ping: up, login: works"
    assert said["silent.demo"] == "ping: up, login: no answer"
    assert said["impostor.demo"] == "ping: up, login: wrong key"
    assert said["refuses.demo"] == "ping: refused, login: refused"
    assert re.search(r"^fails\.demo.* hangs\.demo answer a ping and a login, but", story, re.MULTILINE)


def test_what_it_leaves_is_for_its_owner_alone(finished: Finished) -> None:
    directory, _ = finished

    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "client_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.lab
def test_it_works_where_nothing_may_be_executed(tmp_path: Path) -> None:
    # The mount is in a namespace that ends with the shell and the demo in it: nothing is left to be unmounted.
    script = """
        mount -t tmpfs -o noexec,nodev,nosuid none "$1" || exit 99
        printf '#!/bin/sh\n' >"$1/try" && chmod 700 "$1/try"
        "$1/try" 2>"$1/said" && exit 98
        TMPDIR=$1 "$2" -m plabctl demo --nodes 6 --seconds 8
    """
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^\S+ good +steady1\.demo .*plabctl: passed", done.stdout, re.MULTILINE), done.stdout
    assert "Permission denied" not in done.stdout
    assert list_leftover_processes(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_an_interrupt_ends_it_soon_and_cleanly(tmp_path: Path, number: int, code: int) -> None:
    directory = tmp_path / "here"
    with start(directory, "--seconds", "300") as process:
        try:
            assert process.stdout
            assert any("is good" in line for line in process.stdout)
            began = time.monotonic()
            process.send_signal(number)
            process.communicate(timeout=60)
        finally:
            process.kill()

    assert process.returncode == code
    assert time.monotonic() - began < 20
    assert list_leftover_processes(directory) == []
    assert not directory.exists()


def test_a_terminal_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "here"
    ours, theirs = pty.openpty()
    with start(directory, "--seconds", "300", stdout=theirs) as process:
        try:
            os.close(theirs)
            shown = b""
            while b"PLABCTL SAYS" not in shown:
                shown += os.read(ours, 65536)
            os.close(ours)  # what is written from now on is an error
            process.send_signal(signal.SIGHUP)
            process.communicate(timeout=60)
        finally:
            process.kill()

    assert list_leftover_processes(directory) == []
    assert not directory.exists()


def test_a_reader_that_leaves_early_leaves_no_directory(tmp_path: Path) -> None:
    directory = tmp_path / "here"
    with start(directory, "--seconds", "300") as process:
        try:
            assert process.stdout
            process.stdout.readline()
            process.stdout.close()
            process.wait(timeout=60)
        finally:
            process.kill()

    assert not directory.exists()
    assert list_leftover_processes(directory) == []


@given(st.integers(LEAST, 300))
def test_a_cast_of_any_size_has_the_common_faults_and_names_of_nodes(count: int) -> None:
    roles = build_roles(count)

    assert len({role.name for role in roles}) == count
    assert roles[:COMMON] == FAULTY[:COMMON]
    assert not roles[-1].staged
    assert all(is_host(role.name) for role in roles)


@pytest.mark.parametrize("role", build_roles(12), ids=lambda role: role.name)
def test_the_program_of_every_node_is_sound_shell(role: Any) -> None:
    checked = subprocess.run(["sh", "-n"], input=build_program(role, 0.1), text=True, capture_output=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")
