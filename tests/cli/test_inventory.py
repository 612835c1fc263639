"""`plabctl inventory`, and through it what `plabctl.views.sources` and `plabctl.render.inventory_table` show."""

import json
from typing import Any

import pytest

from tests.cli.console import Desk


@pytest.fixture
def listed(desk: Desk) -> Desk:
    """A desk with a list of twelve nodes that was read."""
    with desk.config.open("a") as file:
        file.write('[[inventory]]\nkind = "file"\npath = "nodes.txt"\nevery = "0"\ngrace = "2d"\n')
    list_nodes(desk, *(f"n{number}" for number in range(12)))
    desk.ok("inventory", "sync")
    return desk


def list_nodes(desk: Desk, *lines: str) -> None:
    (desk.folder / "nodes.txt").write_text("".join(f"{line}\n" for line in lines))


def show(desk: Desk) -> dict[str, Any]:
    (source,) = json.loads(desk.ok("inventory", "show", "-o", "json"))["sources"]
    return dict(source)


def test_a_sync_says_what_changes_and_a_rehearsal_changes_nothing(listed: Desk) -> None:
    list_nodes(listed, "n0 site=oslo", *(f"n{number}" for number in range(1, 10)), "n10.example.org", "new")

    rehearsal = listed.run("inventory", "sync", "--dry-run")

    said = [
        "new: joins (file:nodes.txt)",
        "n10: is n10.example.org from now on (file:nodes.txt)",
        "n0: site unset -> oslo (file:nodes.txt)",
        "n11: is absent, no longer listed (file:nodes.txt)",
    ]
    assert (rehearsal.code, rehearsal.out.splitlines()) == (0, said)
    assert rehearsal.err == "nothing was changed: --dry-run\n"
    assert "n10" in listed.ok("status", "-o", "name").split()
    assert listed.ok("inventory", "sync").splitlines() == said
    assert "n10.example.org" in listed.ok("status", "-o", "name").split()
    again = listed.run("inventory", "sync")
    assert (again.code, again.out, again.err) == (0, "", "file:nodes.txt: nothing new\n")


def test_hosts_that_are_not_reached_by_ssh_are_mentioned_and_are_no_fault(desk: Desk) -> None:
    hosts = {"sw1": {"ansible_connection": "netcommon.network_cli"}, "n1": {}, "win1": {"ansible_connection": "winrm"}}
    program = desk.folder / "bin/ansible-inventory"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'X'\n{json.dumps({'_meta': {'hostvars': hosts}})}\nX\n")
    program.chmod(0o755)
    (desk.folder / "hosts").touch()
    path = f"{program.parent}:/usr/bin:/bin"
    with desk.config.open("a") as file:
        file.write(f'[[inventory]]\nkind = "ansible"\npath = "hosts"\nenvironment = {{ PATH = "{path}" }}\n')

    said = desk.run("inventory", "sync")

    remark = f"2 hosts are no nodes: {desk.folder}/hosts: host 'sw1': it is reached by 'network_cli', not by ssh"
    assert (said.code, said.out, said.err) == (0, "n1: joins (ansible:hosts)\n", f"ansible:hosts: {remark}\n")
    source = show(desk)
    assert source["remark"] == remark
    assert "fault" not in source
    assert remark in " ".join(desk.ok("inventory", "show", "-o", "table").split())
    assert desk.run("inventory", "sync").err == f"ansible:hosts: {remark}\nansible:hosts: nothing new\n"


def test_each_source_is_shown_with_its_absent_nodes_and_their_ends(listed: Desk) -> None:
    list_nodes(listed, *(f"n{number}" for number in range(11) if number != 9))
    listed.ok("inventory", "sync")

    source = show(listed)

    assert (source["name"], source["nodes_count"], source["absent_count"]) == ("file:nodes.txt", 12, 2)
    assert [absent["name"] for absent in source["absent"]] == ["n9", "n11"]
    table = listed.ok("inventory", "show", "-o", "table")
    assert table.splitlines()[0].split() == ["SOURCE", "READ", "EVERY", "NODES", "ABSENT"]
    assert "n11 is absent since" in table
    assert listed.ok("inventory", "show", "-o", "name") == "file:nodes.txt\n"


def test_a_list_that_drops_many_is_believed_when_a_person_says_so(listed: Desk) -> None:
    list_nodes(listed, "n0")

    doubted = listed.run("inventory", "sync")

    assert doubted.code == 1
    assert "file:nodes.txt lists 1 of its 12 nodes, so it is not believed yet (1 of 3 equal readings)" in doubted.err
    assert "plabctl inventory sync file:nodes.txt --accept" in doubted.err
    assert show(listed)["fault_since_at"]
    accepted = listed.ok("inventory", "sync", "file:nodes.txt", "--accept")
    assert accepted.splitlines()[0] == "n1: is absent, no longer listed (file:nodes.txt)"
    assert show(listed)["absent_count"] == 11
    assert "fault" not in show(listed)


def test_a_row_that_cannot_be_read_is_told_and_the_others_count(listed: Desk) -> None:
    list_nodes(listed, *(f"n{number}" for number in range(11)), "n11 ssh_port=x", "new")

    said = listed.run("inventory", "sync")

    assert (said.code, said.out) == (1, "new: joins (file:nodes.txt)\n")
    assert "1 row left out: " in said.err
    assert "1 row left out: " in listed.ok("inventory", "show", "-o", "tsv")


def test_a_source_that_is_no_longer_configured_is_shown_with_its_nodes(listed: Desk) -> None:
    listed.config.write_text(listed.config.read_text().replace('"nodes.txt"', '"other.txt"'))
    (listed.folder / "other.txt").write_text("m1\n")
    listed.ok("inventory", "sync")

    assert [line.split("\t")[0] for line in listed.ok("inventory", "show", "-o", "tsv").splitlines()] == [
        "file:other.txt",
        "file:nodes.txt",
    ]
    (listed.folder / "other.txt").write_text("m1\nn0\n")
    assert listed.ok("inventory", "sync") == "n0: comes from file:nodes.txt until now (file:other.txt)\n"


def test_what_is_not_configured_is_refused(desk: Desk, listed: Desk) -> None:
    said = listed.run("inventory", "sync", "racks")
    assert (said.code, said.err) == (
        2,
        "plabctl: no inventory is named 'racks'\n  hint: they are: file:nodes.txt\n",
    )
    desk.config.write_text(desk.config.read_text().partition("[[inventory]]")[0])
    assert desk.run("inventory", "sync").code == 2
