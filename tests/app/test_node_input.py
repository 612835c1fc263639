"""Nodes from a file: read as a whole or refused, and never more of it than a list of nodes can have."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plabctl.app import node_input
from plabctl.errors import UsageFault

NO_APP: Any = None
"""What is refused here is refused before the configuration is asked."""


def test_a_name_is_given_twice_whatever_its_case() -> None:
    with pytest.raises(UsageFault, match="'pc1' is given twice"):
        node_input.parse_names(NO_APP, ["PC1", "pc1,pc2"], [])


def test_ranges_are_expanded() -> None:
    app: Any = SimpleNamespace(settings=SimpleNamespace(ssh=SimpleNamespace(user="plab"), recipes={}))

    nodes = node_input.parse_names(app, ["ada@pc[1-2,9].lab", "x7"], ["site=oslo"])

    assert [node.name for node in nodes] == ["pc1.lab", "pc2.lab", "pc9.lab", "x7"]
    assert nodes[2].variables == {"ssh_user": "ada", "site": "oslo"}


def test_a_port_behind_a_name_is_refused_with_the_variable_for_it() -> None:
    with pytest.raises(UsageFault, match=r"'pc1\.lab:2222' is neither") as caught:
        node_input.parse_names(NO_APP, ["pc1.lab:2222"], [])

    assert caught.value.hint == "the port is a variable: plabctl node add pc1.lab --set ssh_port=2222"


def test_what_is_no_range_is_refused() -> None:
    with pytest.raises(UsageFault, match=r"'pc\[a-b\]' is neither"):
        node_input.parse_names(NO_APP, ["pc[a-b]"], [])


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(UsageFault, match="/dev/zero: more than 64 MiB"):
        node_input.read_nodes(NO_APP, "/dev/zero")


def test_a_list_on_standard_input_is_not_cut_off_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_input, "MAX_BYTES", 1024)
    given = tmp_path / "given"
    given.write_bytes(b"pc1\n" * 257)
    with given.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        with pytest.raises(UsageFault, match="standard input: more than"):
            node_input.read_nodes(NO_APP, "-")
