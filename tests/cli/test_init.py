"""`init`: a configuration to begin with, and a key for plabctl alone."""

import re
import tomllib

import pytest

from tests.cli.console import Desk


@pytest.fixture
def new_desk(desk: Desk) -> Desk:
    """A desk without a configuration."""
    desk.config.unlink()
    return desk


def test_user_and_new_key_stand_in_the_file_and_nothing_is_left_to_edit(new_desk: Desk) -> None:
    out = new_desk.ok("init", "--user", "ops", "--new-key")

    key = new_desk.folder / "id_ed25519"
    ssh = tomllib.loads(new_desk.config.read_text())["ssh"]
    assert ssh == {"user": "ops", "key": "id_ed25519"}
    assert key.stat().st_mode & 0o777 == 0o600
    assert (new_desk.folder / "id_ed25519.pub").read_text().startswith("ssh-ed25519 ")
    assert "made id_ed25519" in out
    assert "ssh-copy-id -i id_ed25519.pub ops@NODE" in out
    assert "ssh-keygen" not in out
    assert "no errors" in new_desk.ok("config", "check")


def test_a_key_that_is_there_stays(new_desk: Desk) -> None:
    (new_desk.folder / "id_ed25519").write_text("mine")

    assert "id_ed25519 is there already and is used" in new_desk.ok("init", "--new-key")
    assert (new_desk.folder / "id_ed25519").read_text() == "mine"


def test_elsewhere_the_commands_name_the_file(new_desk: Desk) -> None:
    (new_desk.folder / "lab").mkdir()

    out = new_desk.ok("init", "lab", "--user", "ops", "--new-key")

    assert "ssh-copy-id -i lab/id_ed25519.pub ops@NODE" in out
    assert "plabctl --config lab/plabctl.toml node add NODE... --trust --test" in out
    assert tomllib.loads((new_desk.folder / "lab/plabctl.toml").read_text())["ssh"]["key"] == "id_ed25519"


def test_without_options_it_says_how_to_make_a_key(new_desk: Desk) -> None:
    out = new_desk.ok("init")

    assert "ssh-keygen -t ed25519 -N '' -f id_ed25519\n" in out
    assert (
        "ssh" not in tomllib.loads(new_desk.config.read_text()) or not tomllib.loads(new_desk.config.read_text())["ssh"]
    )


def test_in_a_folder_the_key_to_make_is_the_one_that_nodes_are_told_of(new_desk: Desk) -> None:
    (new_desk.folder / "my lab").mkdir()
    out = new_desk.ok("init", "my lab")

    assert "ssh-keygen -t ed25519 -N '' -f 'my lab/id_ed25519'\n" in out
    assert "ssh-copy-id -i 'my lab/id_ed25519'.pub USER@NODE\n" in out


def test_the_recommended_policy_stands_in_the_file_and_holds(new_desk: Desk) -> None:
    new_desk.ok("init", "--recommended")

    shown = new_desk.ok("config", "show")
    pools = tomllib.loads(shown)["pool"]
    backoffs = {name: {key: pools[name]["backoff"][key] for key in ("kind", "base", "max")} for name in pools}
    assert backoffs == {
        "good": {"kind": "age", "base": "5m", "max": "1h30m"},
        "bad": {"kind": "age", "base": "15m", "max": "12h"},
    }
    assert [(own["liveness"]["between"], own["liveness"]["silences"]) for own in pools.values()] == [(8, 2), (8, 2)]
    assert "no errors" in new_desk.ok("config", "check")


def test_an_existing_file_is_left_alone_and_no_key_is_made(desk: Desk) -> None:
    said = desk.run("init", "--new-key")

    assert said.code == 1
    assert "exists already" in said.err
    assert not (desk.folder / "id_ed25519").exists()


def test_a_folder_that_is_missing_is_told_with_how_to_make_it(new_desk: Desk) -> None:
    said = new_desk.run("init", "etc/my plabctl")

    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "plabctl: etc/my plabctl/plabctl.toml cannot be written: No such file or directory\n"
        "  hint: make it first: mkdir -p 'etc/my plabctl'\n"
    )


def test_where_no_key_can_be_made_it_says_so(new_desk: Desk) -> None:
    said = new_desk.run("init", "--new-key", environ={"PATH": str(new_desk.folder)})

    assert said.code == 1
    assert re.search("no key could be made: .*ssh-keygen", said.err)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["help"], ["--help"]), (["help", "node", "add"], ["node", "add", "--help"]), (["version"], ["--version"])],
)
def test_words_that_people_type_in_place_of_options_are_understood(
    desk: Desk, typed: list[str], meant: list[str]
) -> None:
    assert desk.ok(*typed) == desk.ok(*meant)


def test_a_node_is_added_with_its_user_and_tested_in_one_command(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text() + '\n[ssh]\nuser = "ops"\n')

    said = desk.run("node", "add", "root@pc1", "ops@pc2", "--test")

    assert said.code == 0, said
    assert "testing 2 nodes" in said.err
    assert [line.split("\t")[:2] for line in said.out.splitlines() if "\t" in line] == [
        ["pc1", "good"],
        ["pc2", "good"],
    ]
    assert [line.split("\t")[5] for line in desk.ok("node", "list").splitlines()] == ["ssh_user=root", ""]


def test_its_exit_code_is_that_of_the_test(desk: Desk) -> None:
    desk.break_node("pc1")

    assert desk.run("node", "add", "pc1", "--test").code == 1


def test_a_user_that_is_none_is_refused(desk: Desk) -> None:
    assert desk.run("node", "add", "a\x07b@pc1").code == 2
