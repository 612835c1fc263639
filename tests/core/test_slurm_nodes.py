import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.slurm_nodes import SlurmNode, build_call, match_names, parse_nodes

SLURM = {"n1": None, "n2": None, "Rack.n3": None}


@pytest.mark.parametrize(
    ("line", "node"),
    [
        ("n1|idle|Unknown|none", SlurmNode("n1", "idle", "Unknown", "")),
        ("n1|IDLE*|root|Not responding", SlurmNode("n1", "idle", "root", "Not responding")),
        ("n1|drained~|ada|plabctl: connect: a | b", SlurmNode("n1", "drained", "ada", "plabctl: connect: a | b")),
        ("n1|power_down%|slurm(64030)|x", SlurmNode("n1", "power_down", "slurm(64030)", "x")),
        ("n1|draining@|root|", SlurmNode("n1", "draining", "root", "")),
    ],
)
def test_what_sinfo_prints_is_read(line: str, node: SlurmNode) -> None:
    assert parse_nodes(f"{line}\n{line}\n") == {"n1": node}, "a node in two partitions is one"


def test_a_reason_of_several_lines_is_one_reason() -> None:
    text = "n1|drained|ada|fan\n\n  a | b\nn2|idle|Unknown|none\n"

    assert parse_nodes(text) == {
        "n1": SlurmNode("n1", "drained", "ada", "fan a | b"),
        "n2": SlurmNode("n2", "idle", "Unknown", ""),
    }


@pytest.mark.parametrize(
    "text", ["", "hello\n", "n1|idle\n", "|idle|root|none\n", "n1||root|none\n", "n1|7|root|none\n", "\n"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it printed"):
        parse_nodes(text)
    with pytest.raises(ValueError, match="it printed"):
        parse_nodes(f"n1|idle|root|none\n{text or '?'}")


@settings(max_examples=40)
@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        nodes = parse_nodes(text)
    except ValueError:
        return
    assert nodes


def test_names_match_in_any_case_or_by_the_variable() -> None:
    variables = {
        "N1": {},
        "pc2": {"slurm_name": "n2"},
        "pc3": {"slurm_name": "rack.N3"},
        "pc4": {"slurm_name": "n4"},
        "pc5": {},
    }
    found = match_names(variables, SLURM)

    assert found.pairs == {"N1": "n1", "pc2": "n2", "pc3": "Rack.n3"}
    assert found.not_in_slurm == ("pc4", "pc5")
    assert found.not_in_plabctl == ()


def test_of_two_that_claim_to_be_one_neither_is() -> None:
    found = match_names({"n1": {}, "pc1": {"slurm_name": "n1"}}, SLURM)

    assert found.pairs == {}
    assert found.ambiguous == ("n1",)
    assert found.not_in_plabctl == ("n2", "Rack.n3")


def test_a_command_is_run_from_its_folder_with_its_configuration() -> None:
    assert build_call("sinfo", "", "") == ("sinfo", {})
    assert build_call("sinfo", "/opt/bin", "/c") == ("/opt/bin/sinfo", {"SLURM_CONF": "/c"})
