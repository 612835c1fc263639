"""Busy nodes as people and programs meet them: shown everywhere, and not tested unless somebody says so."""

import json
import os
import pty
import time
from pathlib import Path

import pytest

from tests.cli.console import Desk
from tests.state_files import read_tables

SOURCE = """
[[occupancy]]
kind = "command"
name = "desk"
command = ["/bin/cat", "busy"]
every = 0
"""
USE = {"by": "job 7 of ada", "since": 1_700_000_000, "until": 4_000_000_000}


@pytest.fixture
def busy_desk(used_desk: Desk) -> Desk:
    """A desk where pc1, which is good, is in use."""
    used_desk.config.write_text(used_desk.config.read_text() + SOURCE)
    set_busy(used_desk, {"PC1": USE, "elsewhere": None})
    used_desk.ok("tick")
    return used_desk


def set_busy(desk: Desk, uses: object) -> None:
    (desk.folder / "busy").write_text(json.dumps(uses))


def list_tests(desk: Desk, node: str) -> int:
    return len(desk.ok("history", node, "--kind", "probe", "-o", "jsonl").splitlines())


def read_node(desk: Desk, name: str) -> dict[str, object]:
    [node] = json.loads(desk.ok("status", name, "-o", "json"))["nodes"]
    assert isinstance(node, dict)
    return node


def test_who_uses_a_node_is_shown_wherever_nodes_are(busy_desk: Desk) -> None:
    node = read_node(busy_desk, "pc1")
    assert (node["busy_by"], node["busy_since_at"], node["usable"]) == ("job 7 of ada", "2023-11-14T22:13:20Z", True)
    assert not {"busy_by", "busy_since_at"} & read_node(busy_desk, "pc2").keys()
    table = busy_desk.ok("status", "-o", "table")
    assert "busy by job 7 of ada since " in table
    assert "1 good, 1 bad (1 busy)" in table
    page = json.loads(busy_desk.ok("show", "pc1", "-o", "json"))
    assert (page["busy_by"], page["busy_until_at"]) == ("job 7 of ada", "2096-10-02T07:06:40Z")
    for command in ("show", "explain"):
        assert "busy       by job 7 of ada since 2023-11-14" in busy_desk.ok(command, "pc1").expandtabs(11)
    assert json.loads(busy_desk.ok("rank", "-o", "json"))["nodes"][0]["busy_by"] == "job 7 of ada"
    assert json.loads(busy_desk.ok("node", "list", "pc1", "-o", "json"))["nodes"][0]["busy_by"] == "job 7 of ada"
    assert busy_desk.ok("status", "@busy", "-o", "name") == "pc1\n"
    assert busy_desk.ok("status", "!@busy", "-o", "name") == "pc2\n"


def test_a_node_that_is_due_waits_for_its_release(busy_desk: Desk) -> None:
    set_busy(busy_desk, {})
    busy_desk.ok("tick")
    busy_desk.ok("retest", "pc1")
    set_busy(busy_desk, {"pc1": {}})
    tests = list_tests(busy_desk, "pc1")

    busy_desk.ok("tick")

    assert list_tests(busy_desk, "pc1") == tests, "the request was made before it became busy"
    assert "when free" in busy_desk.ok("status", "pc1", "-o", "table")
    assert "when it is released" in busy_desk.ok("show", "pc1")
    assert "somebody uses it, and no test is started then" in busy_desk.ok("explain", "pc1")
    assert json.loads(busy_desk.ok("explain", "pc1", "-o", "json"))["next"]["why"] == "busy"
    assert busy_desk.ok("tick", "--dry-run", "-o", "name") == ""
    set_busy(busy_desk, {})
    busy_desk.ok("tick")
    assert list_tests(busy_desk, "pc1") == tests + 1


@pytest.mark.parametrize("command", ["retest pc1", "retest PC1 --wait", "test pc1", "tick pc1"])
def test_a_test_of_a_busy_node_is_refused(busy_desk: Desk, command: str) -> None:
    rev = json.loads(busy_desk.ok("status", "-o", "json"))["rev"]

    said = busy_desk.run(*command.split())

    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("plabctl: 'pc1' is busy by job 7 of ada, for ")
    assert "--busy" in said.err
    assert json.loads(busy_desk.ok("status", "-o", "json"))["rev"] == rev


def test_of_several_nodes_the_busy_ones_are_named(busy_desk: Desk) -> None:
    busy_desk.ok("node", "add", "pc3", "pc4")
    set_busy(busy_desk, ["pc1", "pc3", "pc4"])
    busy_desk.ok("tick")

    said = busy_desk.run("retest", "pc*", "--yes")

    assert said.code == 1
    assert "plabctl: 3 of 4 nodes are busy: pc[1,3-4]\n" in said.err
    assert "retest 3 nodes" in busy_desk.run("retest", "@busy", "--busy", "--yes").err


def test_who_says_so_tests_a_busy_node(busy_desk: Desk) -> None:
    tests = list_tests(busy_desk, "pc1")

    busy_desk.ok("retest", "pc1", "--busy")
    busy_desk.ok("tick")
    assert list_tests(busy_desk, "pc1") == tests + 1
    busy_desk.ok("retest", "pc1", "--wait", "--busy")
    assert list_tests(busy_desk, "pc1") == tests + 2
    assert busy_desk.run("test", "pc1", "--busy").code == 0
    busy_desk.ok("tick")
    assert list_tests(busy_desk, "pc1") == tests + 2, "the word covers one test"


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_a_person_at_a_terminal_is_asked(busy_desk: Desk, answer: str, code: int) -> None:
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child becomes another program
        os.chdir(busy_desk.folder)
        command = list(busy_desk.command("retest", "pc1"))
        os.execvpe(command[0], command, busy_desk.environ)
    said = b""
    while b"test all the same? [y/N]" not in said:
        said += os.read(terminal, 1024)
    os.write(terminal, f"{answer}\n".encode())
    try:
        while os.read(terminal, 1024):
            pass
    except OSError:
        pass  # it has ended
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    os.close(terminal)
    assert "'pc1' is busy by job 7 of ada" in said.decode()


def test_a_gate_lets_a_young_pass_through_and_tests_no_busy_node(busy_desk: Desk) -> None:
    assert busy_desk.ok("retest", "pc1", "--wait", "--fresh", "1h") == ""
    tests = list_tests(busy_desk, "pc1")

    said = busy_desk.run("retest", "pc1", "--wait", "--fresh", "0s")

    assert said.code == 1
    assert "pc1: no test passed within 0s; not tested without --busy: busy by job 7 of ada, for " in said.err
    assert list_tests(busy_desk, "pc1") == tests
    assert busy_desk.run("retest", "pc1", "--wait", "--fresh", "1h", "--busy").code == 0


def test_a_source_that_fails_is_told_and_its_end_as_well(busy_desk: Desk) -> None:
    (busy_desk.folder / "busy").unlink()

    said = busy_desk.run("tick")

    fault = "occupancy: 'desk': /bin/cat: exit code 1: /bin/cat: busy: No such file or directory"
    assert said.code == 1
    assert said.err.startswith(f"plabctl: {fault}\n")
    assert busy_desk.run("tick").err == "", "once an hour"
    told = f"{fault}; what it said last holds for 15m"
    assert told in busy_desk.run("check").out
    assert busy_desk.run("check").code == 1
    assert told in busy_desk.ok("status", "-o", "table")
    [problem] = json.loads(busy_desk.ok("status", "-o", "json"))["problems"]
    assert (problem["kind"], problem["subject"], problem["severity"]) == ("occupancy", "desk", "warning")
    assert fault in busy_desk.run("doctor").out
    assert "busy by job 7 of ada" in busy_desk.ok("status", "-o", "table")
    lose_patience(busy_desk.config)
    busy_desk.run("tick")
    lost = f"{fault}; nobody is known to be busy, and nodes in use are tested"
    assert lost in busy_desk.run("check").out
    assert busy_desk.run("check").code == 2
    assert "busy by" not in busy_desk.ok("status", "-o", "table")
    set_busy(busy_desk, {"pc1": USE})
    assert "all is well again" in busy_desk.run("tick").err
    assert busy_desk.run("check").code == 0
    told_kinds = [
        json.loads(line)["kind"] for line in busy_desk.ok("history", "--kind", "fault", "-o", "jsonl").splitlines()
    ]
    assert told_kinds == ["fault", "fault"], "that it fails, and that it is believed no longer"


@pytest.mark.parametrize(
    ("printed", "fault", "hint"),
    [
        ("pc1\n-x\n", "/bin/cat:2: '-x' can be the name of no node", "try it with: plabctl doctor"),
        (
            "null\n",
            "it lists only 'null', which is no node here",
            "what it said last holds for its `stale_after`; try it with: plabctl doctor",
        ),
    ],
)
def test_what_holds_is_said_of_a_bad_row_and_of_rubbish(busy_desk: Desk, printed: str, fault: str, hint: str) -> None:
    (busy_desk.folder / "busy").write_text(printed)

    said = busy_desk.run("tick")

    assert (said.code, said.err) == (1, f"plabctl: occupancy: 'desk': {fault}\n  hint: {hint}\n")
    assert ("holds" in busy_desk.run("check").out) is ("holds" in hint)
    assert busy_desk.ok("status", "@busy", "-o", "name") == "pc1\n"
    assert "released" not in busy_desk.ok("explain", "pc1")


def test_the_note_of_the_last_source_goes_with_it(busy_desk: Desk) -> None:
    assert "occupancy" in str(read_tables(busy_desk.folder / "state"))
    busy_desk.config.write_text(busy_desk.config.read_text().replace(SOURCE, ""))
    busy_desk.ok("retest", "pc2")
    tests = list_tests(busy_desk, "pc1")

    busy_desk.ok("tick")

    assert "occupancy" not in str(read_tables(busy_desk.folder / "state"))
    assert list_tests(busy_desk, "pc1") == tests, "nobody said that it is free, and it was not due"


def test_a_source_that_is_read_more_rarely_than_it_is_believed_is_told(busy_desk: Desk) -> None:
    assert busy_desk.run("config", "check").err == ""
    busy_desk.config.write_text(busy_desk.config.read_text().replace("every = 0\n", 'every = "1h"\n'))

    said = busy_desk.run("config", "check")

    why = "read every 1h and believed for 15m: when one reading fails, nobody is known to be busy"
    assert (said.code, said.err) == (0, f"{busy_desk.config}: occupancy[1].every: {why}\n")


def lose_patience(config: Path) -> None:
    config.write_text(config.read_text().replace("every = 0\n", "every = 0\nstale_after = 0\n"))
    time.sleep(0.01)


def test_doctor_says_what_a_source_lists(busy_desk: Desk) -> None:
    assert "ok    occupancy: 'desk' lists 2 busy nodes" in busy_desk.run("doctor").out


def test_the_status_of_a_file_knows_who_is_busy(busy_desk: Desk) -> None:
    path = busy_desk.folder / "status.json"
    path.write_text(busy_desk.ok("status", "-o", "json"))

    table = busy_desk.ok("status", "--from", str(path), "-o", "table")

    assert "busy by job 7 of ada" in table
    assert "(1 busy)" in table


def test_a_node_that_is_released_for_a_test_is_offered_when_it_has_passed(busy_desk: Desk) -> None:
    config = busy_desk.config.read_text()
    busy_desk.config.write_text(config.replace('on_fail = "bad"', 'on_fail = "bad"\nat_release = "test"'))
    tests = list_tests(busy_desk, "pc1")
    set_busy(busy_desk, {})
    # No slot is free: the release is noted, and the test has to wait.
    busy_desk.config.write_text(f"max_load = 0.000001\n{busy_desk.config.read_text()}")
    busy_desk.ok("tick")

    node = read_node(busy_desk, "pc1")

    assert (node["usable"], node["why_not"]) == (False, "released, and not tested since")
    path = busy_desk.folder / "status.json"
    path.write_text(busy_desk.ok("status", "-o", "json"))
    assert json.loads(busy_desk.ok("status", "pc1", "--from", str(path), "-o", "json"))["nodes"] == [node]
    assert "released, and not tested since" in busy_desk.ok("show", "pc1")
    busy_desk.config.write_text(busy_desk.config.read_text().replace("max_load = 0.000001\n", ""))
    busy_desk.ok("tick")
    node = read_node(busy_desk, "pc1")
    assert node["usable"]
    assert list_tests(busy_desk, "pc1") == tests + 1
