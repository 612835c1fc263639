"""Every command that changes says what, from, to, and how to undo it."""

import json
import os
import shlex
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cli.console import Desk, Said
from tests.state_files import read_state_files


def pool_of(desk: Desk, name: str) -> str:
    return str(row_of(desk, name)["pool"])


def row_of(desk: Desk, name: str) -> dict[str, object]:
    (row,) = json.loads(desk.ok("status", name, "-o", "json"))["nodes"]
    return dict(row)


def undo(desk: Desk, said: Said) -> None:
    for line in said.err.splitlines():
        assert line.startswith("undo: plabctl ")
        desk.ok(*shlex.split(line.removeprefix("undo: plabctl ")))


def test_a_move_can_be_undone_by_what_it_says(used_desk: Desk) -> None:
    said = used_desk.run("move", "pc1", "bad", "--reason", "disk")

    assert said.out == "pc1: good -> bad, until released\n"
    assert pool_of(used_desk, "pc1") == "bad"
    undo(used_desk, said)
    assert pool_of(used_desk, "pc1") == "good"
    assert not row_of(used_desk, "pc1")["held"]


def test_names_are_understood_in_any_case(used_desk: Desk) -> None:
    for words in (["move", "PC1", "bad"], ["hold", "Pc1,pc1"], ["release", "PC1"], ["node", "rm", "PC1"]):
        said = used_desk.run(*words, *(["--reason", "disk"] if words[0] != "release" else []))
        assert said.out.startswith("pc1: "), said

    added = used_desk.run("node", "add", "PC2")
    assert added.code == 1
    assert "'pc2' is known already" in added.err
    assert "PC3: variables changed" not in used_desk.ok("node", "add", "PC3")
    assert used_desk.ok("node", "add", "pc3", "--set", "site=oslo", "--replace") == "PC3: variables changed\n"
    assert used_desk.run("retest", "pC3", "--wait").code == used_desk.run("tick", "pc3").code == 0
    used_desk.ok("experiment", "swapin", "e", "--nodes", "pc3,PC3", "--yes")
    assert "PC3" in used_desk.ok("experiment", "show", "e")


def test_a_move_for_a_time_is_a_hold(used_desk: Desk) -> None:
    said = used_desk.run("move", "pc1", "bad", "--reason", "disk", "--for", "2d")

    assert said.out.startswith("pc1: good -> bad, until ")
    assert row_of(used_desk, "pc1")["held"]
    undo(used_desk, said)
    assert not row_of(used_desk, "pc1")["held"]
    assert pool_of(used_desk, "pc1") == "good"


def test_of_several_people_who_saw_the_same_one_gets_his_way(used_desk: Desk) -> None:
    rev = json.loads(used_desk.ok("status", "-o", "json"))["rev"]
    words = [
        *(["move", "pc1", "bad", "-r", f"no {number}", "--if-rev", str(rev)] for number in range(3)),
        ["hold", "pc1", "-r", "being debugged", "--if-rev", str(rev)],
        ["node", "rm", "pc1", "--if-rev", str(rev)],
    ]

    with ThreadPoolExecutor(len(words)) as people:
        said = list(people.map(lambda each: used_desk.run(*each), words))

    assert sorted(each.code for each in said) == [0, 1, 1, 1, 1]
    refused = [each.err for each in said if each.code]
    assert all(f"has changed since rev {rev}, at rev " in text or "no node is named" in text for text in refused), (
        refused
    )
    events = [json.loads(line) for line in used_desk.ok("history", "-o", "jsonl").splitlines()]
    assert [event["kind"] in {"transition", "hold", "node-removed"} for event in events if event["actor"] != "machine"][
        -1
    ]
    assert used_desk.run("move", "pc2", "good", "-r", "another", "--if-rev", str(rev)).code == 0, "it has not changed"


def test_a_hold_and_its_release_undo_each_other(used_desk: Desk) -> None:
    held = used_desk.run("hold", "pc1", "--reason", "it's being debugged")
    assert held.out == "pc1: held in good, until released\n"
    undo(used_desk, held)
    assert not row_of(used_desk, "pc1")["held"]

    used_desk.ok("hold", "pc1", "--reason", "it's being debugged")
    released = used_desk.run("release", "pc1")
    undo(used_desk, released)
    hold = row_of(used_desk, "pc1")["hold"]
    assert isinstance(hold, dict)
    assert hold["reason"] == "it's being debugged"


def test_adding_and_removing_undo_each_other(used_desk: Desk) -> None:
    added = used_desk.run("node", "add", "pc3", "--set", "site=a b", "--set", "rack=3")
    assert added.out == "pc3: added to bad, due now\n"
    undo(used_desk, added)
    assert used_desk.run("show", "pc3").code == 1

    used_desk.ok("node", "add", "pc3", "--set", "site=a b", "--set", "rack=3")
    removed = used_desk.run("node", "rm", "pc3")
    assert removed.out == "pc3: bad -> removed\n"
    undo(used_desk, removed)
    row = row_of(used_desk, "pc3")
    assert (row["site"], row["labels"]) == ("a b", {"rack": "3"})


def test_variables_are_set_one_by_one_and_a_new_port_is_tried_at_once(used_desk: Desk) -> None:
    used_desk.ok("node", "add", "pc3", "--set", "ssh_host=10.0.0.3", "--set", "ssh_port=2222")
    labelled = used_desk.run("node", "set", "pc3", "site=north west", "rack=4")
    assert labelled.out == "pc3: variables changed\n"
    assert row_of(used_desk, "pc3")["labels"] == {"rack": "4"}
    undo(used_desk, labelled)
    variables = {"ssh_host": "10.0.0.3", "ssh_port": "2222"}
    assert json.loads(used_desk.ok("show", "pc3", "-o", "json"))["variables"] == variables

    moved = used_desk.run("node", "set", "pc3", "pc2", "ssh_port=22", "--unset", "ssh_host", "-q")
    assert (moved.code, moved.out) == (0, "")
    assert json.loads(used_desk.ok("show", "pc3", "-o", "json"))["variables"] == {"ssh_port": "22"}
    assert row_of(used_desk, "pc2")["due_at"] <= json.loads(used_desk.ok("status", "-o", "json"))["generated_at"]
    said = used_desk.run("node", "set", "*", "rack=5")
    assert (said.code, "--yes" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["node", "add", "pc9", "--set", "ssh-host=10.0.0.1"], "did you mean ssh_host?"),
        (["node", "set", "pc1", "SSH-Port=22"], "did you mean ssh_port?"),
        (["node", "set", "pc1", "ssh_hots=10.0.0.1"], "did you mean ssh_host?"),
        (["node", "set", "pc1", "--unset", "sshuser"], "did you mean ssh_user?"),
        (["node", "set", "pc1", "Site=north"], "did you mean site?"),
        (["node", "set", "pc1", "ssh_port=http"], "not a port"),
        (["node", "set", "pc1", "ssh_key=id"], "ssh_key is 'id', not an absolute path"),
        (["node", "set", "pc1", "ssh_jump=gate,"], "ssh_jump is 'gate,', neither 'none' nor jump hosts"),
        (["node", "set", "pc1", "recipe=nope"], "no recipe is named 'nope'"),
        (["node", "set", "pc1"], "no variable is named"),
        (["node", "set", "pc1", "a=1", "--unset", "a"], "'a' is both set and unset"),
        (["node", "set", "pc77", "rack=1"], "no node is named 'pc77'"),
    ],
)
def test_a_variable_that_cannot_be_meant_is_refused(used_desk: Desk, words: list[str], told: str) -> None:
    before = used_desk.ok("node", "list", "-o", "json")
    said = used_desk.run(*words)

    assert said.code in {1, 2}
    assert told in said.err
    assert used_desk.ok("node", "list", "-o", "json").partition('"nodes"')[2] == before.partition('"nodes"')[2]


def test_who_did_it_is_kept(used_desk: Desk) -> None:
    used_desk.run("hold", "pc1", "-r", "x", environ={"SUDO_USER": "ann"})

    (event,) = [json.loads(line) for line in used_desk.ok("history", "-n", "1", "-o", "jsonl").splitlines()]
    assert (event["kind"], event["actor"], event["reason"]) == ("hold", "ann", "x")


@pytest.mark.parametrize(
    "arguments",
    [["move", "@good", "bad", "-r", "x"], ["hold", "node*", "-r", "x"], ["retest", "*"], ["node", "rm", "node?"]],
)
def test_many_nodes_need_a_yes(desk: Desk, arguments: list[str]) -> None:
    desk.ok("node", "add", "node1", "node2")
    desk.ok("move", "node1,node2", "good", "-r", "x")
    before = desk.ok("status", "-o", "tsv")
    said = desk.run(*arguments)

    assert said.code == 2
    assert "--yes" in said.err
    assert desk.ok("status", "-o", "tsv") == before
    assert desk.run(*arguments, "--yes").code == 0


def test_many_nodes_that_were_named_need_none(desk: Desk) -> None:
    desk.ok("node", "add", "node1", "node2")

    assert desk.ok("move", "node1", "node2", "good", "-r", "x") == (
        "node1: bad -> good; tests go on deciding\nnode2: bad -> good; tests go on deciding\n"
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["hold", "n[10-12]", "-r", "x", "--yes"], "hold 3 nodes (n[10-12])"),
        (["move", "@bad", "!n[3-12]", "good", "-r", "x", "--yes"], "move 2 nodes (n[1-2]) to good"),
        (["retest", "n2,n4", "n3"], "retest 3 nodes (n[2-4])"),
        (["node", "rm", "rack=1", "!n9", "--yes"], "forget 2 nodes (n[7-8])"),
        (["experiment", "swapin", "e", "--nodes", "n[1-2],n7", "--yes"],
         "set a vnode up on each of 3 nodes (n[1-2,7])"),
    ],
)  # fmt: skip
def test_the_nodes_are_named_before_several_are_changed(desk: Desk, words: list[str], named: str) -> None:
    desk.ok("node", "add", *(f"n{number}" for number in (*range(1, 7), *range(10, 13))))
    desk.ok("node", "add", "n7", "n8", "n9", "--set", "rack=1")

    if "--yes" in words:
        refused = desk.run(*(word for word in words if word != "--yes"))
        assert refused.code == 2
        assert f"plabctl: this changes several nodes: {named}?\n" in refused.err
    said = desk.run(*words)

    assert said.code == 0
    assert said.err.splitlines()[0] == named


def test_one_node_is_not_counted(desk: Desk) -> None:
    desk.ok("node", "add", "n1", "n2")

    assert desk.run("hold", "n[1]", "-r", "x").err == "undo: plabctl release n1\n"


@pytest.mark.parametrize("word", ["n[", "n[3-1]", "n[1-99999999]", "n[1-3]", "n[a-b]", "rack=1", "!n[1-2]", "@usable"])
def test_a_set_that_means_no_node_changes_nothing(desk: Desk, word: str) -> None:
    desk.ok("node", "add", "n1", "n2")
    before = desk.ok("status", "-o", "tsv")

    said = desk.run("hold", word, "-r", "x", "--yes")

    assert (said.code, said.out) == (1, "")
    assert [line[:9] for line in said.err.splitlines()] == ["plabctl: ", "  hint: " + said.err.split("hint: ")[1][0]]
    assert desk.ok("status", "-o", "tsv") == before


def test_names_that_the_shell_put_in_place_of_a_star_are_told(desk: Desk) -> None:
    desk.ok("node", "add", "n1")

    said = desk.run("trust", "plabctl.toml", "state", "--yes")

    assert said.code == 1
    assert "no node is named 'plabctl.toml'" in said.err
    assert (
        "hint: a file here has that name: if the shell put it in place of a pattern such as *, quote that" in said.err
    )


def test_quiet_is_quiet(used_desk: Desk) -> None:
    for arguments in (
        ["hold", "pc1", "-r", "x"],
        ["release", "pc1"],
        ["retest", "pc1"],
        ["move", "pc1", "bad", "-r", "x"],
    ):
        said = used_desk.run(*arguments, "-q")

        assert (said.code, said.out, said.err) == (0, "", "")


@pytest.mark.parametrize(
    "text",
    [
        "pc3 site=north\npc4\n# a remark\n",
        "name,site\npc3,north\npc4,\n",
        "\ufeffsite;x,node\nnorth,pc3\n,pc4\n".replace("site;x", "site"),
    ],
)
def test_an_import_takes_lists_and_csv(desk: Desk, text: str) -> None:
    desk.ok("node", "import", "-", stdin=text)
    nodes = {node["name"]: node for node in json.loads(desk.ok("node", "list", "-o", "json"))["nodes"]}

    assert nodes.keys() == {"pc3", "pc4"}
    assert nodes["pc3"]["site"] == "north"
    assert "site" not in nodes["pc4"]


def test_an_import_with_a_fault_adds_nothing_and_tells_every_one(desk: Desk) -> None:
    (desk.folder / "nodes").write_text("pc1\n-x\npc1 site=oslo\n$(id)\n")
    said = desk.run("node", "import", "nodes")

    assert said.code == 2
    assert all(f"nodes:{line}: " in said.err for line in (2, 3, 4))
    assert desk.ok("node", "list") == ""


def test_an_import_replaces_on_request_only(desk: Desk) -> None:
    desk.ok("node", "add", "pc1", "--set", "site=north")

    assert desk.run("node", "import", "-", stdin="pc1 site=south\n").code == 1
    assert desk.ok("node", "import", "-", "--replace", stdin="pc1 site=south\n") == "pc1: variables changed\n"
    assert row_of(desk, "pc1")["site"] == "south"


def test_a_hook_that_fails_is_told_and_leaves_the_exit_code_to_the_test(used_desk: Desk) -> None:
    with used_desk.config.open("a") as file:
        file.write('\n[[hook]]\ncommand = ["false"]\non = ["probe", "transition", "retest"]\n')

    passed, failed = (used_desk.run("retest", name, "--wait", "-q") for name in ("pc1", "pc2"))

    assert (passed.code, failed.code) == (0, 1)
    assert passed.err == failed.err == "plabctl: hook 'false': exit code 1\n"


def test_a_retest_here_and_now_exits_by_the_verdict(used_desk: Desk) -> None:
    assert used_desk.run("retest", "pc1", "--wait").code == 0
    said = used_desk.run("retest", "pc1", "pc2", "--wait", "-q")

    assert (said.code, said.out, said.err) == (1, "", "")
    assert int(str(row_of(used_desk, "pc2")["fail_streak"])) > 1


def test_a_retest_for_later_is_first_in_the_next_tick(used_desk: Desk) -> None:
    used_desk.ok("retest", "pc1")
    asked = row_of(used_desk, "pc1")

    assert "requested_at" in asked
    assert used_desk.ok("tick", "--dry-run", "-o", "name").splitlines()[0] == "pc1"
    used_desk.ok("tick")
    tested = row_of(used_desk, "pc1")
    assert tested["ok_streak"] == int(str(asked["ok_streak"])) + 1
    assert "requested_at" not in tested


def test_a_tick_of_some_nodes_tests_these_and_no_others(used_desk: Desk) -> None:
    other, failed = row_of(used_desk, "pc1"), row_of(used_desk, "pc2")
    said = used_desk.run("tick", "pc2")

    assert (said.code, said.out, said.err) == (0, "", "")
    assert row_of(used_desk, "pc2")["fail_streak"] == int(str(failed["fail_streak"])) + 1
    assert row_of(used_desk, "pc1") == other


def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    desk.ok("node", "add", "pc1", "pc2")
    before = read_state_files(desk.folder / "state")
    rows = json.loads(desk.ok("tick", "--dry-run", "-o", "json"))["tests"]

    assert [row["name"] for row in rows] == ["pc1", "pc2"]
    assert read_state_files(desk.folder / "state") == before


def test_a_test_in_the_foreground_records_nothing(used_desk: Desk) -> None:
    before = read_state_files(used_desk.folder / "state")
    good, bad = used_desk.run("test", "pc1"), used_desk.run("test", "pc2")

    assert (good.code, bad.code) == (0, 1)
    assert "setup" in good.out
    assert "│ hello [/x] from pc1" in good.out
    assert "passed in" in good.out
    assert "failed (setup)" in bad.out
    assert read_state_files(used_desk.folder / "state") == before
    assert json.loads(used_desk.run("test", "pc2", "-o", "json").out)["outcome"] == "fail"


def test_cron_hears_of_a_lasting_error_once_and_of_its_end(used_desk: Desk) -> None:
    state = used_desk.folder / "state/state.json"
    sound = state.read_bytes()
    state.write_text("")
    first, second = used_desk.run("tick"), used_desk.run("tick")
    state.write_bytes(sound)
    third, fourth = used_desk.run("tick"), used_desk.run("tick")

    assert (first.code, second.code, third.code, fourth.code) == (74, 74, 0, 0)
    assert "damaged" in first.err
    assert second.err == fourth.err == ""
    assert "all is well again" in third.err


def test_the_first_configuration_works_as_it_is(desk: Desk) -> None:
    desk.config.unlink()
    said = desk.ok("init")

    assert "plabctl node add" in said
    assert desk.ok("config", "check").endswith("plabctl.toml: no errors found\n")
    live = [line for line in desk.config.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert live[0] == 'state_dir = "state"'
    assert live[1:] == [line for line in desk.ok("config", "sample").splitlines() if line and not line.startswith("#")]
    assert desk.ok("node", "add", "pc1") == "pc1: added to bad, due now\n"


def test_two_first_configurations_have_two_states(desk: Desk) -> None:
    desk.config.unlink()
    for folder in ("one", "two"):
        (desk.folder / folder).mkdir()
        desk.ok("init", folder)
        desk.ok("node", "add", f"pc-{folder}", "--config", f"{folder}/plabctl.toml")

    assert desk.ok("status", "-o", "name", "--config", "one/plabctl.toml") == "pc-one\n"
    assert (desk.folder / "two/state").is_dir()


def test_the_first_configuration_is_nobody_elses_to_write_whatever_the_umask(desk: Desk) -> None:
    desk.config.unlink()
    before = os.umask(0)
    try:
        desk.ok("init")
    finally:
        os.umask(before)

    assert desk.config.stat().st_mode & 0o777 == 0o644


def test_a_configuration_that_is_there_stays_as_it_is(desk: Desk) -> None:
    before = desk.config.read_bytes()

    assert desk.run("init").code == 1
    assert desk.config.read_bytes() == before


def test_config_show_says_where_each_value_comes_from(desk: Desk) -> None:
    text = desk.ok("config", "show")

    assert "window = 4" in text
    assert "plabctl.toml:3" in text
    assert "# default" in text


def test_a_configuration_may_be_named_before_the_command(desk: Desk) -> None:
    desk.config.rename(desk.folder / "other.toml")

    assert desk.run("status").code == 78
    assert desk.run("--config", "other.toml", "status").code == 0
    assert desk.run("status", "--config", "other.toml").code == 0
    assert desk.run("status", environ={"PLABCTL_CONFIG": "other.toml"}).code == 0


def place_of(desk: Desk, name: str) -> tuple[object, ...]:
    """Where the node is and what a person wants of it, without when that was said."""
    row = row_of(desk, name)
    hold = row.get("hold", {})
    assert isinstance(hold, dict)
    return row["pool"], hold.get("reason"), hold.get("until_at"), hold.get("move")


def test_an_order_over_a_hold_is_undone_with_the_hold(used_desk: Desk) -> None:
    used_desk.ok("hold", "pc1", "--reason", "it's being debugged", "--for", "4h")
    before = place_of(used_desk, "pc1")
    for words in (["bad"], ["good", "--for", "1d"]):
        undo(used_desk, used_desk.run("move", "pc1", *words, "--reason", "mine"))
        assert place_of(used_desk, "pc1") == before


def test_an_order_that_a_longer_hold_outlasts_says_so(used_desk: Desk) -> None:
    used_desk.ok("hold", "pc1", "--reason", "being debugged")
    actor = row_of(used_desk, "pc1")["hold"]["actor"]  # type: ignore[index]

    assert used_desk.ok("move", "pc1", "bad", "--reason", "disk") == f"pc1: good -> bad, still held by {actor}\n"


def test_a_node_moved_to_bad_is_not_brought_back_by_ticks(used_desk: Desk) -> None:
    used_desk.ok("move", "pc1", "bad", "--reason", "fan is broken")
    for _ in range(3):
        used_desk.ok("tick", "pc1")
    assert place_of(used_desk, "pc1") == ("bad", "fan is broken", None, True)
    assert "until released: fan is broken" in used_desk.ok("show", "pc1")
    assert "until somebody releases it" in used_desk.ok("explain", "pc1")
    status = used_desk.ok("status", "pc1", "-o", "table")
    assert "fan is broken" in status
    assert "more pass" not in status, "no number of passes brings it back"
    assert row_of(used_desk, "pc1")["why_not"].startswith("moved to bad by ")  # type: ignore[attr-defined]

    used_desk.ok("release", "pc1")
    used_desk.ok("tick", "pc1")
    assert pool_of(used_desk, "pc1") == "good"


def test_a_move_that_is_made_once_is_undone_by_the_next_test(used_desk: Desk) -> None:
    said = used_desk.ok("move", "pc1", "bad", "--reason", "looks slow", "--once")
    assert said == "pc1: good -> bad; tests go on deciding\n"
    used_desk.ok("tick", "pc1")
    assert pool_of(used_desk, "pc1") == "good"
    said = used_desk.run("move", "pc1", "bad", "--reason", "x", "--once", "--for", "1d").err
    assert "--once and --for exclude each other" in said


def test_an_order_may_end_at_an_instant_and_be_extended(used_desk: Desk) -> None:
    for when, until in [
        ("2099-12-01", "2099-12-01T00:00:00Z"),
        ("2099-12-01T10:00+01:00", "2099-12-01T09:00:00Z"),
        ("2099-12-24 18:00", "2099-12-24T18:00:00Z"),
    ]:
        said = used_desk.run("move", "pc1", "bad", "-r", "disk", "--for", when, environ={"TZ": "UTC0"})
        assert said.code == 0, said
        assert f", until {until[:10]} {until[11:19]}" in said.out
        assert place_of(used_desk, "pc1") == ("bad", "disk", until, True)

    for when, words in [("2020-01-01", "that is in the past"), ("0", "that is in the past"), ("soon", "2026-12-01")]:
        said = used_desk.run("hold", "pc1", "-r", "disk", "--for", when)
        assert said.code == 2
        assert words in said.err
    assert place_of(used_desk, "pc1") == ("bad", "disk", until, True)


def test_moving_a_node_for_a_time_to_where_it_is_holds_it_there(used_desk: Desk) -> None:
    said = used_desk.run("move", "pc1", "good", "--reason", "a demo", "--for", "1d")

    assert said.out.startswith("pc1: held in good, until ")
    undo(used_desk, said)
    assert not row_of(used_desk, "pc1")["held"]


def test_a_test_may_be_by_another_recipe(used_desk: Desk) -> None:
    with used_desk.config.open("a") as file:
        file.write(
            '[recipe.slow]\ntransport = "local"\n'
            'setup = { run = "seq 30" }\n'
            'up = { run = "echo x >>looks; echo booting; [ $(wc -l <looks) -ge 4 ] || exit 2", every = "50ms" }\n'
            'teardown = { run = "rm looks" }\n'
            '[recipe.idle]\nteardown = { run = "true" }\n'
        )
    said = used_desk.run("test", "pc2", "--recipe", "slow")

    lines = [line.strip() for line in said.out.splitlines()]
    assert said.code == 0
    assert lines[0] == "testing pc2 with recipe slow over local; nothing is recorded"
    assert [line.split()[0] for line in lines[1:-1] if not line.startswith("│")] == ["setup", "up", "teardown"]
    assert [line for line in lines if line.startswith("│")][:30] == [f"│ {number}" for number in range(1, 31)]
    assert lines[-1].startswith("passed in")
    typo, idle = used_desk.run("test", "pc1", "-r", "slw"), used_desk.run("test", "pc1", "-r", "idle")
    assert (typo.code, typo.err) == (1, "plabctl: no recipe is named 'slw'\n  hint: the nearest name is 'slow'\n")
    assert (idle.code, idle.err.splitlines()[0]) == (1, "plabctl: recipe 'idle' tests nothing")


def test_nodes_that_are_undone_in_the_same_way_share_a_command(desk: Desk) -> None:
    desk.ok("node", "add", "n[1-30]", "x1", "--set", "rack=1", "-q")

    changed = desk.run("node", "set", "n*", "rack=2", "-y")
    removed = desk.run("node", "rm", "@bad", "-y")

    assert changed.err.splitlines()[-1] == "undo: plabctl node set 'n[1-30]' rack=1"
    assert removed.err.splitlines()[-2:] == [
        "undo: plabctl node add 'n[1-30]' --set=rack=2",
        "undo: plabctl node add x1 --set=rack=1",
    ]
    desk.ok(*shlex.split(removed.err.splitlines()[-2].removeprefix("undo: plabctl ")))
    assert len(desk.ok("status", "-o", "name", "rack=2").split()) == 30


def test_a_move_once_of_a_node_that_was_moved_to_stay_says_how_to_let_tests_decide(used_desk: Desk) -> None:
    used_desk.ok("move", "pc1", "bad", "--reason", "disk")

    refused = used_desk.run("move", "pc1", "bad", "--once", "--reason", "test it")

    assert (refused.code, "to let tests decide: plabctl release pc1" in refused.err) == (1, True)


def test_names_on_standard_input_may_come_from_windows(used_desk: Desk) -> None:
    listed = used_desk.ok("status", "-o", "name", "-", stdin="\ufeffPC1\r\n\r\n# a remark\r\npc2 # another\r\n")

    assert listed.split() == ["pc1", "pc2"]
