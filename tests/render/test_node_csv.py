"""CSV that our own inventory reads as the nodes that it was written from."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.inventories.node_list import parse_nodes
from plabctl.render.node_csv import format_csv
from plabctl.views.exports import Export, ExportedNode
from tests.render.examples import make_context, make_pair

KEYS = st.sampled_from(
    ["ssh_host", "ssh_port", "ssh_user", "ssh_key", "ssh_jump", "site", "rack", "name", "Row", "a.b"]
)
TEXTS = st.text("aZ0=+-@'\",;#{} é\\", min_size=1, max_size=9).map(lambda text: " ".join(text.split())).filter(bool)
VALUES = {
    "ssh_host": st.sampled_from(["10.0.0.1", "fe80::1%eth0", "pc1.lab"]),
    "ssh_port": st.just("2222"),
    "ssh_user": st.just("plab"),
    "ssh_key": TEXTS.map(lambda text: f"/{text}"),
    "ssh_jump": st.sampled_from(["none", "a@b:2,c"]),
}
VARIABLES = st.sets(KEYS).flatmap(lambda keys: st.fixed_dictionaries({key: VALUES.get(key, TEXTS) for key in keys}))


def write(nodes: dict[str, dict[str, str]]) -> tuple[str, list[str]]:
    context = make_context(*(make_pair(name, variables=variables) for name, variables in nodes.items()))
    from plabctl.views.node import list_node_views

    views = list_node_views(context, nodes)
    lines, remarks = format_csv(Export([ExportedNode(view, nodes[view.name]) for view in views]))
    return "".join(lines), remarks


def read(text: str) -> dict[str, dict[str, str]]:
    return {node.name: dict(node.variables) for node in parse_nodes(text, "F")}


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["pc1.lab", "PC2", "10.0.0.7", "fe80::7"]), VARIABLES, min_size=1))
def test_it_is_read_back(nodes: dict[str, dict[str, str]]) -> None:
    expected = {
        node: {"name_label" if key == "name" else key: value for key, value in variables.items()}
        for node, variables in nodes.items()
    }

    assert read(write(nodes)[0]) == expected


@pytest.mark.parametrize("value", ["=1+1", "@x", "-x", "'=1", "''+1", "-5", "+5.5", "'x"])
def test_no_spreadsheet_takes_a_cell_for_a_formula(value: str) -> None:
    text, _ = write({"pc1": {"x": value}})

    cell = text.splitlines()[1].removeprefix("pc1,")
    assert cell[0] not in "=@+-" or not cell[1:].strip("0123456789."), cell
    assert read(text) == {"pc1": {"x": value}}


def test_a_label_that_would_be_read_as_something_else_has_another_column() -> None:
    text, remarks = write({"pc1": {"name": "x", "Site": "north"}, "pc2": {"site": "south"}})

    assert text == "name,site,name_label\npc1,north,x\npc2,south,\n"
    assert remarks == ["the label 'name' is in the column 'name_label'", "the label 'Site' is in the column 'site'"]
