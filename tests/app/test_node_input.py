"""Nodes from a file: read as a whole or refused, and never more of it than a list of nodes can have."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from plabctl.app import node_input
from plabctl.errors import UsageFault

NO_APP: Any = None
"""What is refused here is refused before the configuration is asked."""


def test_a_name_is_given_twice_whatever_its_case() -> None:
    with pytest.raises(UsageFault, match="'pc1' is given twice"):
        node_input.parse_names(NO_APP, ["PC1", "pc1,pc2"], [])


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
