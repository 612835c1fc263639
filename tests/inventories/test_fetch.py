import json
import os
import time
from pathlib import Path

import pytest

from plabctl.core.model import Node
from plabctl.core.settings import InventorySettings
from plabctl.errors import UsageFault
from plabctl.inventories.ansible import parse_ansible
from plabctl.inventories.fetch import FetchResult, fetch
from plabctl.inventories.node_list import check_rows
from plabctl.inventories.reading import Reading
from tests.builders import make_inventory

MARGIN_S = 3.0
LISTING = {
    "_meta": {
        "hostvars": {
            "a.x": {"ansible_host": "10.0.0.1", "ansible_port": 2222, "ansible_user": "plab", "ansible_password": "s3"},
            "b.x": {"site": "north", "recipe": "mine", "db_secret": "s3", "nested": {"site": "no"}},
        }
    },
    "all": {"children": ["ungrouped", "web", "lab"]},
    "lab": {"children": ["web"]},
    "web": {"hosts": ["a.x"]},
    "ungrouped": {"hosts": ["b.x", "c.x"]},
}


def command(*argv: str, timeout_s: float = 20.0) -> InventorySettings:
    return make_inventory("command", command=argv, timeout_s=timeout_s)


def fault_of(inventory: InventorySettings) -> str:
    fetched = fetch(inventory)
    assert fetched.reading == Reading()
    return fetched.fault


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "nodes"
    path.write_bytes(b"\xef\xbb\xbfa.x site=north\r\nb.x\r\n")
    source = f"file:{path}"

    assert fetch(make_inventory("file", path=str(path))) == FetchResult(
        source, Reading((Node("a.x", {"site": "north"}, source), Node("b.x", {}, source)))
    )


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "nodes"

    assert fault_of(make_inventory("file", path=str(path))) == f"{path}: cannot be read: no such file or directory"
    path.mkdir()
    assert fault_of(make_inventory("file", path=str(path))) == f"{path}: cannot be read: it is a directory"


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "nodes"
    os.mkfifo(path)

    assert fault_of(make_inventory("file", path=str(path))) == f"{path}: cannot be read: it is no regular file"


def test_faults_in_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "nodes"
    path.write_bytes(b"a\na;b\nc\na\n")
    source = f"file:{path}"
    assert fetch(make_inventory("file", path=str(path))) == FetchResult(
        source,
        Reading(
            (Node("a", {}, source), Node("c", {}, source)),
            (f"{path}:2: 'a;b' is no host name and no address",),
            bad_row_count=1,
        ),
    )
    path.write_bytes(b"a\n\xff\n")
    assert fault_of(make_inventory("file", path=str(path))) == f"{path}:2: not UTF-8"


@pytest.mark.parametrize("printed", ["a.x\nb.x\n", '["a.x", {"name": "b.x"}]', "name,site\na.x,\nb.x,\n"])
def test_what_a_command_prints_is_read(printed: str) -> None:
    inventory = command("/usr/bin/printf", "%s", printed)

    assert [node.name for node in fetch(inventory).reading.nodes] == ["a.x", "b.x"]
    assert fetch(inventory).source == inventory.name


def test_a_command_that_lists_nothing_is_no_fault_by_itself() -> None:
    assert fetch(command("/bin/true")) == FetchResult("command:/bin/true")


def test_a_command_that_fails_is_a_fault_with_its_last_words() -> None:
    assert fault_of(command("/bin/sh", "-c", "echo a.x; echo one >&2; printf 'no \\033[31m db\\n' >&2; exit 3")) == (
        "/bin/sh: exit code 3: no ?[31m db"
    )
    assert fault_of(command("/no/such")) == "/no/such: cannot be run: no such file or directory"


def test_a_command_that_hangs_ends_at_its_deadline() -> None:
    began = time.monotonic()

    assert fault_of(command("/bin/sleep", "60", timeout_s=0.3)) == "/bin/sleep: did not end within 0.3 s"
    assert time.monotonic() - began < 0.3 + MARGIN_S


def test_an_ansible_listing_gives_addresses_and_groups_and_no_secrets() -> None:
    assert check_rows(parse_ansible(json.dumps(LISTING), "F"), "F", "ansible:F").nodes == (
        Node("a.x", {"ssh_host": "10.0.0.1", "ssh_port": "2222", "ssh_user": "plab", "groups": "lab,web"}, "ansible:F"),
        Node("b.x", {"recipe": "mine", "site": "north"}, "ansible:F"),
        Node("c.x", {}, "ansible:F"),
    )


def test_groups_in_a_circle_are_no_trouble() -> None:
    listing = {"a": {"children": ["b"]}, "b": {"children": ["a"], "hosts": ["n"]}}

    assert [dict(row.variables) for row in parse_ansible(json.dumps(listing), "F")] == [{"groups": "a,b"}]


@pytest.mark.parametrize("text", ["", "[]", '{"a": []}', "no", "[" * 100_000])
def test_what_is_no_listing_is_a_fault(text: str) -> None:
    with pytest.raises(UsageFault, match=r"^F: ansible-inventory printed no "):
        list(parse_ansible(text, "F"))


def test_ansible_is_asked_for_its_listing(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = programs / "ansible-inventory"
    stand_in.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/asked\ncat <<'END'\n{json.dumps(LISTING)}\nEND\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    fetched = fetch(make_inventory("ansible", path="/etc/hosts.yml"))

    assert (tmp_path / "asked").read_text() == "-i /etc/hosts.yml --list\n"
    assert [node.name for node in fetched.reading.nodes] == ["a.x", "b.x", "c.x"]


def test_without_ansible_its_inventory_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert fault_of(make_inventory("ansible", path="/h.yml")) == (
        "ansible-inventory: cannot be run: no such file or directory"
    )


def test_groups_in_groups_without_end_are_refused_at_once() -> None:
    chain = {f"g{number}": {"children": [f"g{number + 1}"], "hosts": ["pc1"]} for number in range(20_000)}
    began = time.process_time()
    with pytest.raises(UsageFault, match="F: hosts are in more than 4,000,000 groups together"):
        list(parse_ansible(json.dumps(chain), "F"))
    assert time.process_time() - began < 20


@pytest.mark.parametrize("odd", [5, "pc2", None, {"pc2": 1}, [5, None, ["pc2"], {"pc2": 1}]])
def test_groups_of_another_form_than_ansibles_name_no_host(odd: object) -> None:
    listing = {"a": {"hosts": odd, "children": odd}, "b": {"hosts": ["pc1"]}}

    assert [row.name for row in parse_ansible(json.dumps(listing), "F")] == ["pc1"]
