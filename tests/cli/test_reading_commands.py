"""Every command that looks, in every form it has: programs get whole, plain text, and people a table."""

import csv
import io
import json
import re
import shlex

import pytest

from tests.cli.console import Desk

FORMS = {
    "status": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "history": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "node list": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "pool list": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "show pc1": ["table", "tsv", "json"],
    "explain pc1": ["table", "tsv", "json"],
    "pool show bad": ["table", "tsv", "json"],
    "stats": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "stats --by site": ["table", "wide", "tsv", "json", "jsonl", "csv"],
    "stats --at 0s": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "rank": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "experiment list": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "inventory show": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "tick --dry-run": ["table", "wide", "tsv", "json", "jsonl", "csv", "name"],
    "config show": ["toml", "tsv", "json"],
}
ALL = [(command, form) for command, forms in FORMS.items() for form in forms]


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with three nodes that have numbers, all of them good."""
    desk = Desk(tmp_path_factory.mktemp("numbered"))
    desk.ok("node", "add", "n10", "n2", "n1", "-q")
    desk.ok("tick")
    return desk


@pytest.mark.parametrize(("command", "form"), ALL)
def test_a_pipe_carries_text_without_escapes(used_desk: Desk, command: str, form: str) -> None:
    said = used_desk.run(*command.split(), "-o", form)

    assert said.code == 0, said
    assert said.err == ""
    assert "\x1b" not in said.out
    assert said.out == "" or said.out.endswith("\n")


@pytest.mark.parametrize(("command", "form"), [pair for pair in ALL if pair[1] in {"json", "jsonl"}])
def test_json_is_json(used_desk: Desk, command: str, form: str) -> None:
    out = used_desk.ok(*command.split(), "-o", form)
    documents = [json.loads(line) for line in out.splitlines()]

    if form == "json":
        (document,) = documents
        assert document["schema_version"] == 1
        assert out == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


@pytest.mark.parametrize("command", ["status", "history", "node list", "pool list"])
def test_tsv_is_the_form_of_a_pipe_and_has_a_header_on_request(used_desk: Desk, command: str) -> None:
    by_default = used_desk.ok(*command.split())
    header, _, body = used_desk.ok(*command.split(), "-o", "tsv", "--header").partition("\n")

    assert len({line.count("\t") for line in [header, *body.splitlines()]}) == 1
    # The clock goes on between the two: once nodes are due their wait grows.
    same = [place for place, title in enumerate(header.split("\t")) if title != "oldest_wait_seconds"]
    shown = [[[line.split("\t")[place] for place in same] for line in text.splitlines()] for text in (by_default, body)]
    assert shown[0] == shown[1] != []


@pytest.mark.parametrize("command", ["history", "node list", "pool list", "stats"])
def test_csv_can_be_read(used_desk: Desk, command: str) -> None:
    rows = list(csv.reader(io.StringIO(used_desk.ok(*command.split(), "-o", "csv"))))

    assert len({len(row) for row in rows}) == 1
    assert len(rows) > 1


@pytest.mark.parametrize("command", ["status", "node list", "stats", "stats --at 0s", "rank"])
@pytest.mark.parametrize("form", ["table", "tsv", "name"])
def test_every_form_of_a_list_has_nodes_in_one_order(numbered: Desk, command: str, form: str) -> None:
    out = numbered.ok(*command.split(), "-o", form)

    assert re.findall(r"\bn\d+\b", "\n".join(dict.fromkeys(out.splitlines()))) == ["n1", "n2", "n10"]


def test_status_selects(used_desk: Desk) -> None:
    assert used_desk.ok("status", "-o", "name") == "pc1\npc2\n"
    assert used_desk.ok("status", "-p", "bad", "-o", "name") == "pc2\n"
    assert used_desk.ok("status", "@good", "-o", "name") == "pc1\n"
    assert used_desk.ok("status", "pc?", "-p", "good", "-o", "name") == "pc1\n"
    assert used_desk.ok("status", "pc1,pc2", "-o", "name") == "pc1\npc2\n"
    assert used_desk.ok("status", "-", "-o", "name", stdin="pc2 # a remark\n") == "pc2\n"


def test_names_from_nowhere_are_no_selection_of_all(used_desk: Desk) -> None:
    said = used_desk.run("status", "-", stdin="# nothing\n")

    assert said.code == 2
    assert "names no node" in said.err


@pytest.mark.parametrize(("pool", "code"), [("bad", 1), ("good", 1)])
def test_fail_on_says_by_the_exit_code_that_a_listed_node_is_there(used_desk: Desk, pool: str, code: int) -> None:
    assert used_desk.run("status", "--fail-on", pool).code == code
    assert used_desk.run("status", "pc1", "--fail-on", "bad").code == 0
    assert used_desk.run("status", "pc2", "--fail-on", "bad").code == 1


def test_fail_on_unusable_knows_more_than_pools(used_desk: Desk) -> None:
    assert used_desk.run("status", "pc1", "--fail-on", "unusable").code == 0
    assert used_desk.run("status", "pc[1-2]", "--fail-on", "unusable").code == 1
    assert used_desk.ok("status", "@usable", "-o", "name") == used_desk.ok("rank", "-o", "nodeset") == "pc1\n"

    used_desk.ok("hold", "pc1", "-r", "repair")

    assert used_desk.run("status", "pc1", "--fail-on", "bad").code == 0
    assert used_desk.run("status", "pc1", "--fail-on", "unusable").code == 1
    assert "no node is usable" in used_desk.run("status", "@usable").err
    assert used_desk.ok("rank", "-o", "nodeset") == ""


def test_any_list_of_nodes_is_had_as_a_set(used_desk: Desk) -> None:
    assert used_desk.ok("status", "-o", "nodeset") == used_desk.ok("node", "list", "-o", "nodeset") == "pc[1-2]\n"
    assert used_desk.ok("status", "-", "-o", "name", stdin="pc[1-2] # both\n") == "pc1\npc2\n"


def test_colour_is_had_on_request(used_desk: Desk) -> None:
    assert "\x1b[" in used_desk.ok("status", "-o", "table", "--color", "always")
    assert "\x1b[" in used_desk.run("status", "-o", "table", environ={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in used_desk.run("status", "-o", "tsv", environ={"FORCE_COLOR": "1"}).out


def test_what_a_node_said_is_no_markup(used_desk: Desk) -> None:
    assert "hello [/x] from pc2" in used_desk.ok("status", "-o", "table")
    assert "│ hello [/x] from pc2" in used_desk.ok("show", "pc2", "-o", "table")
    assert "hello [/x] from pc2" in used_desk.ok("history", "-o", "table")


@pytest.mark.parametrize("command", ["show", "explain"])
def test_a_tab_in_what_a_node_said_makes_no_column(desk: Desk, command: str) -> None:
    desk.config.write_text(desk.config.read_text().replace("echo 'hello", "printf 'a\\tb\\n'; exit 2; echo 'hello"))
    desk.ok("node", "add", "pc1")
    desk.ok("tick")

    assert {line.count("\t") for line in desk.ok(command, "pc1", "-o", "tsv").splitlines()} == {1}
    assert "\t" not in desk.ok("status", "-o", "table")


def test_show_tells_the_stages_of_the_last_test(used_desk: Desk) -> None:
    document = json.loads(used_desk.ok("show", "pc2", "-o", "json"))
    (probe,) = [event for event in document["recent"] if event["kind"] == "probe"]

    assert [stage["stage"] for stage in probe["stages"]] == ["setup", "teardown"]
    assert document["pool"] == "bad"
    assert document["variables"] == {"site": "north"}
    assert "new nodes start here" not in used_desk.ok("show", "pc1")


def test_explain_gives_the_reasons_on_a_page(used_desk: Desk) -> None:
    document = json.loads(used_desk.ok("explain", "pc2", "-o", "json"))
    said = used_desk.ok("explain", "pc1", "-o", "table")

    assert document["pool"] == "bad"
    assert [each["outcome"] for each in document["prospects"]] == ["pass", "fail"]
    assert document["deadlines"]["patience"] == "usual"
    assert document["next"]["why"] == "backoff"
    assert "taken back" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_what_the_machine_moved_is_taken_back_by_the_command_that_is_named(used_desk: Desk) -> None:
    document = json.loads(used_desk.ok("explain", "pc1", "-o", "json"))
    command = shlex.split(document["because"]["take_back"])
    (row,) = [row for row in json.loads(used_desk.ok("history", "pc1", "-o", "json"))["events"] if "take_back" in row]

    assert command[0] == "plabctl"
    assert row["take_back"] == document["because"]["take_back"]
    used_desk.ok(*command[1:])
    used_desk.ok("tick")
    after = json.loads(used_desk.ok("explain", "pc1", "-o", "json"))
    assert (after["pool"], after["held"], after["last"]["outcome"]) == ("bad", True, "pass")


def test_history_goes_back_as_far_as_asked(used_desk: Desk) -> None:
    everything = used_desk.ok("history", "-o", "jsonl").splitlines()

    assert len(used_desk.ok("history", "-n", "1", "-o", "jsonl").splitlines()) == 1
    assert used_desk.ok("history", "--since", "1h", "-o", "jsonl").splitlines() == everything
    assert set(used_desk.ok("history", "pc1", "-o", "name").splitlines()) == {"pc1"}
    assert used_desk.ok("history", "--since", "1ms") == ""


def test_the_history_of_a_node_outlives_it(used_desk: Desk) -> None:
    before = used_desk.ok("history", "pc1").splitlines()
    used_desk.ok("node", "rm", "pc1")

    assert used_desk.ok("history", "pc1").splitlines()[:-1] == before
    assert used_desk.run("history", "pc*x").code == 1


def test_following_the_history_shows_what_happens(used_desk: Desk) -> None:
    # Whichever is faster, the follower or the hold: the hold is among the last few events or comes after them.
    with used_desk.running("history", "--follow", "-n", "3", "-o", "jsonl") as process:
        assert process.stdout
        used_desk.ok("hold", "pc1", "--reason", "look")

        assert any(json.loads(line)["kind"] == "hold" for line in process.stdout)


def test_pools_add_up(used_desk: Desk) -> None:
    pools = json.loads(used_desk.ok("pool", "list", "-o", "json"))["pools"]

    assert {pool["name"]: pool["nodes_count"] for pool in pools} == {"good": 1, "bad": 1}


def test_check_speaks_the_language_of_plug_ins(desk: Desk) -> None:
    assert desk.run("check").code == 2
    desk.ok("node", "add", "pc1")
    desk.ok("tick")
    well = desk.run("check")

    assert well.code == 0
    assert well.out.startswith("PLABCTL OK - 1 node: 1 good, 0 bad; last tick ")
    assert desk.run("check", "--max-age", "1ms").code == 2
    assert desk.run("check", "--crit-bad", "0").code == 2
    assert desk.run("check", "--warn-bad", "0").code == 1


@pytest.mark.parametrize(
    "arguments", [["check", "--nope"], ["check", "--max-age", "x"], ["check", "-c", "no\x1b[2J|x"]]
)
def test_the_plug_ins_own_faults_are_unknown(desk: Desk, arguments: list[str]) -> None:
    said = desk.run(*arguments)

    assert said.code == 3
    assert said.out.startswith("PLABCTL UNKNOWN - ")
    assert said.out.count("\n") == 1
    assert said.out.rstrip("\n").isprintable()


def test_slots_that_cannot_be_looked_at_are_unknown_to_the_plug_in(used_desk: Desk) -> None:
    slots = used_desk.folder / "state/slots"
    slots.rename(slots.with_name("others"))
    slots.symlink_to("others")

    said = used_desk.run("check")

    assert said.code == 3
    assert "cannot look for locks" in said.out
    assert said.out.count("\n") == 1


def test_a_damaged_state_is_critical_as_every_tick_fails_with_it(used_desk: Desk) -> None:
    (used_desk.folder / "state/state.json").write_text("")

    assert used_desk.run("tick").code == 74
    said = used_desk.run("check")
    assert said.code == 2
    assert said.out.startswith("PLABCTL CRITICAL - ticks fail: ")
    assert "is damaged" in said.out


def test_the_status_comes_in_groups_in_every_form(used_desk: Desk) -> None:
    (line,) = used_desk.ok("status", "--by", "reason").splitlines()
    document = json.loads(used_desk.ok("status", "--by", "site", "-o", "json"))

    assert line.split("\t")[4:] == ["pc2", "pc2", ""]
    assert [(group["value"], group["count"], group["usable_count"]) for group in document["groups"]] == [
        ("north", 2, 1)
    ]
    assert used_desk.ok("status", "--by", "site", "-o", "name") == "pc1\npc2\n"
    assert used_desk.ok("status", "--by", "reason", "-o", "table").splitlines()[0].split() == [
        "COUNT", "FOR", "REASON", "NODES",
    ]  # fmt: skip


def test_the_status_is_sorted_and_chosen_by_cause(used_desk: Desk) -> None:
    assert used_desk.ok("status", "--sort", "-name", "-o", "name") == "pc2\npc1\n"
    assert used_desk.ok("status", "--cause", "setup", "-o", "name") == "pc2\n"
    assert used_desk.ok("status", "--cause", "auth") == ""


@pytest.mark.parametrize("wrong", [["--sort", "nmae"], ["--by", "stie"], ["--by", "site", "--sort", "name"]])
def test_what_is_no_field_is_refused(used_desk: Desk, wrong: list[str]) -> None:
    assert used_desk.run("status", *wrong).code == 2


def test_the_last_tests_stand_in_a_strip(used_desk: Desk) -> None:
    (used_desk.folder / "pc2.bad").unlink()
    used_desk.run("retest", "pc2", "--wait")
    (titles, *rows) = used_desk.ok("status", "-o", "wide").splitlines()[:3]
    place = titles.index("LAST TESTS")

    strips = {row.split()[2]: row[place:].split("  ")[0].strip() for row in rows}
    assert strips["pc2"] == "✗✓"
    assert set(strips["pc1"]) == {"✓"}
    assert "✗✓ the last 2, the latest on the right" in used_desk.ok("show", "pc2", "-o", "table")


def test_without_a_history_there_is_no_strip(used_desk: Desk) -> None:
    for path in (used_desk.folder / "state").glob("history.db*"):
        path.unlink()
    assert "LAST TESTS" not in used_desk.ok("status", "-o", "wide")

    (used_desk.folder / "state/history.db").write_text("no database")
    assert "pc2" in used_desk.ok("status", "-o", "wide")
