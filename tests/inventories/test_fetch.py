import os
import time
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.model import Node
from plabctl.core.settings import InventorySettings
from plabctl.inventories.fetch import FetchResult, fetch
from plabctl.inventories.reading import Reading
from plabctl.values import replace
from tests.builders import make_inventory

MARGIN_S = 3.0


def command(*argv: str, timeout_s: float = 20.0, **options: Any) -> InventorySettings:
    return make_inventory("command", command=argv, timeout_s=timeout_s, **options)


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
    found = fetch(make_inventory("file", path=str(path)))
    assert replace(found, reading=replace(found.reading, bad_rows_digest="")) == FetchResult(
        source,
        Reading(
            (Node("a", {}, source), Node("c", {}, source)),
            (f"{path}:2: 'a;b' is neither a host name nor an address",),
            bad_row_count=1,
        ),
    )
    path.write_bytes(b"a\n\xff\0\n")
    assert fault_of(make_inventory("file", path=str(path))) == (
        f"{path}:2: no text: neither UTF-8 nor what Windows writes"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_table_that_windows_wrote_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "nodes.csv"
    path.write_bytes("Name;Standort\r\npc1;Zürich\r\npc2;Köln\r\n".encode(encoding))

    nodes = fetch(make_inventory("file", path=str(path))).reading.nodes
    assert {node.name: dict(node.variables) for node in nodes} == {
        "pc1": {"Standort": "Zürich"},
        "pc2": {"Standort": "Köln"},
    }


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


@pytest.mark.parametrize(
    ("match", "names"),
    [
        (["site=oslo"], ["a", "b"]),
        (["site=oslo", "site=rome"], ["a", "b", "c"]),
        (["site=oslo", "roles=db"], ["b"]),
        (["roles=web,db"], ["b"]),
        (["site="], ["e"]),
        (["rack=1"], []),
    ],
)
def test_only_nodes_whose_labels_match_are_taken(tmp_path: Path, match: list[str], names: list[str]) -> None:
    path = tmp_path / "nodes"
    path.write_text("a site=oslo roles=web\nb site=oslo roles=web,db\nc site=rome\nd\ne site=\n-x\n")
    reading = fetch(make_inventory("file", path=str(path), match=match)).reading

    assert [node.name for node in reading.nodes] == names
    assert reading.bad_row_count == 1


def test_a_command_runs_where_and_with_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "list.sh").write_text("echo a.x site=$SITE\n")

    reading = fetch(command("/bin/sh", "list.sh", directory=str(tmp_path), environment=(("SITE", "oslo"),))).reading

    assert [dict(node.variables) for node in reading.nodes] == [{"site": "oslo"}]


def test_a_program_is_found_by_the_path_that_is_said(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # a folder in it that may not be searched is another answer
    program = programs / "list-nodes"
    program.write_text("#!/bin/sh\necho a.x\n")
    program.chmod(0o755)

    assert fault_of(command("list-nodes")) == "list-nodes: cannot be run: no such file or directory"
    found = fetch(command("list-nodes", environment=(("PATH", f"{programs}:/usr/bin:/bin"),)))
    assert [node.name for node in found.reading.nodes] == ["a.x"]


def test_a_folder_that_others_can_write_to_is_not_run_in(yard: Path) -> None:
    (yard / "shared").mkdir()
    (yard / "shared").chmod(0o777)

    assert fault_of(command("/bin/true", directory=str(yard / "shared"))).startswith(f"{yard}/shared: not read: ")
