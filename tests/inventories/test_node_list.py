import re
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import plabctl
from plabctl.core.model import Node
from plabctl.core.names import RESERVED, is_host, is_label_name
from plabctl.errors import UsageFault
from plabctl.inventories.ansible_listing import parse_ansible
from plabctl.inventories.node_list import (
    MAX_FAULTS,
    check_rows,
    find_name_fault,
    find_variables_fault,
    parse_nodes,
    parse_settings,
)
from plabctl.inventories.reading import Reading, Row
from plabctl.inventories.row_parsers import parse_rows
from plabctl.values import replace

LINEAR_LINES = 100_000
LINEAR_S = 5.0
"""What 100,000 lines may take on a slow and busy machine; a quiet one needs half a second."""


def read(text: str) -> tuple[list[Node], str]:
    """The nodes in the text, or what is said of it."""
    try:
        return parse_nodes(text, "F"), ""
    except UsageFault as fault:
        return [], str(fault)


def faults_of(text: str) -> list[str]:
    with pytest.raises(UsageFault) as caught:
        parse_nodes(text, "F")
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    "text",
    [
        "a.x\nb.x site=north rack=7\n",
        "# remark\n\n  a.x   # the first\r\nb.x site=north rack=7\r\n",
        "\ufeffa.x\nb.x\tsite=north rack=7",
        "name,site,rack\na.x,,\nb.x,north,7\n",
        '# remark\nsite, Node ,rack\r\n"",a.x\r\n"north","b.x","7"\r\n\r\n',
        '["a.x", {"name": "b.x", "site": "north", "rack": 7, "spare": null}]',
        ' [{"node": "a.x"},\n {"node": "b.x", "site": "north", "rack": "7"}]',
    ],
    ids=["plain", "remarks", "mark", "csv", "csv-quoted", "json", "json-objects"],
)
def test_each_form_lists_the_same_nodes(text: str) -> None:
    assert parse_nodes(text, "F", "file:F") == [
        Node("a.x", {}, "file:F"),
        Node("b.x", {"site": "north", "rack": "7"}, "file:F"),
    ]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("-oProxyCommand=x\na;b\n$(id)\na\x00b\n" + "a" * 300 + "\nb-", [
            "F:1: '-oProxyCommand=x' is neither a host name nor an address",
            "F:2: 'a;b' is neither a host name nor an address",
            "F:3: '$(id)' is neither a host name nor an address",
            "F:4: 'a\\x00b' is neither a host name nor an address",
            "F:5: '" + "a" * 60 + "...' is neither a host name nor an address",
            "F:6: 'b-' is neither a host name nor an address: ssh_host must say its address",
        ]),
        ("a\nb\na x=1\na\nb x=2\n", [
            "F:3: 'a' is there 2 times, each time with other variables: lines 1, 3",
            "F:5: 'b' is there 2 times, each time with other variables: lines 2, 5",
        ]),
        ("a b", ["F:1: 'b' is not key=value"]),
        ("a x=1 x=2", ["F:1: 'x' is set twice"]),
        ("a 1x=2", ["F:1: '1x' cannot name a variable: letters, digits, '_', '-' and '.', a letter first"]),
        ("a State-Dir=/", [
            "F:1: 'State-Dir' cannot name a variable: plabctl itself uses PLABCTL_STATE_DIR, take another name",
        ]),
        ("a rack-no=1 rack_no=2", [
            "F:1: 'rack-no' and 'rack_no' are both PLABCTL_RACK_NO in recipes: rename one of them",
        ]),
        ("a x=\x1b[31m", ["F:1: the value of 'x' must be at most 1000 printable characters"]),
        ("a ssh_port=0", ["F:1: ssh_port is '0', not a port from 1 to 65535"]),
        ("a ssh_host=-x", ["F:1: ssh_host is '-x', neither a host name nor an address"]),
        ("a ssh_user=-x", ["F:1: ssh_user is '-x', no user name"]),
        ("", ["F names no node"]),
        ("# nothing\n\n", ["F names no node"]),
        ("nam,site\na,b", ["F:1: no column is called 'name' or 'node', there are 'nam', 'site'"]),
        ("name,x,x\na,1,2", ["F:1: two columns are called 'x'"]),
        ("name,site\na,b,c\n,north\n", [
            "F:2: 3 cells, but the header has 2",
            "F:3: '' is neither a host name nor an address",
        ]),
        ('name,site\na,"b\n', ["F:3: no CSV: unexpected end of data"]),
        ('["a", 3, {"site": "x"}, {"name": "b", "site": [[1]]}, "a"]', [
            "F: item 2: neither a name nor an object with a name",
            "F: item 3: '' is neither a host name nor an address",
            "F: item 4: the value of 'site' is neither text nor number",
        ]),
        ('["a",\n"b"', ["F:2: no JSON: expecting ',' delimiter (column 4)"]),
        ('{"a": 1}', ["F: JSON must be a list of names, or of objects with a name"]),
        ("[" * 100_000, ["F: no JSON: nested too deeply or a number too long"]),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_its_line(text: str, faults: list[str]) -> None:
    assert faults_of(text) == faults


@pytest.mark.parametrize("text", ["a x=1\nb\na x=1\n", "PC1.lab x=1\nb\npc1.LAB x=1\n"])
def test_equal_repeats_of_a_node_are_one_node_whatever_their_case(text: str) -> None:
    first = text.split(maxsplit=1)[0]

    assert parse_nodes(text, "F") == [Node(first, {"x": "1"}), Node("b")]


def test_a_name_that_is_no_host_name_is_fine_where_the_address_is_said() -> None:
    text = "casm_n0\nrack.7- ssh_host=web_1.lab\n-x ssh_host=10.0.0.1\nweb- ssh_host=-x\n"

    assert rows_of(text).nodes == (
        Node("casm_n0", {}, "file:F"),
        Node("rack.7-", {"ssh_host": "web_1.lab"}, "file:F"),
    )
    assert rows_of(text).faults == (
        "F:3: '-x' is neither a host name nor an address",
        "F:4: ssh_host is '-x', neither a host name nor an address",
    )
    assert rows_of(text).bad_names == {"web-"}


def rows_of(text: str) -> Reading:
    return check_rows(parse_rows(text, "F"), "F", "file:F")


def test_one_bad_row_costs_one_node() -> None:
    assert replace(rows_of("a\nb ssh_port=0\na;b\nc\n"), bad_rows_digest="") == Reading(
        (Node("a", {}, "file:F"), Node("c", {}, "file:F")),
        ("F:2: ssh_port is '0', not a port from 1 to 65535", "F:3: 'a;b' is neither a host name nor an address"),
        frozenset({"b"}),
        2,
    )


def test_one_set_of_bad_rows_is_told_from_another_wherever_they_are() -> None:
    def digest(text: str) -> str:
        return rows_of(text).bad_rows_digest

    assert digest("a\nb\n") == ""
    assert digest("b ssh_port=0\na;b\n") == digest("c\na;b\n\nb ssh_port=0\n") != ""
    texts = ["b ssh_port=0\n", "a ssh_port=0\n", "b ssh_port=x\n", "b ssh_port=0\na;b\n", "b x=1\nb x=2\n"]
    assert len({digest(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("text", ["A x=1\nb\na x=2\n", "a ssh_port=0\nb\nA x=2\n", "a x=2\nb\nA ssh_port=0\n"])
def test_rows_that_differ_cost_the_node_that_they_are_about(text: str) -> None:
    reading = rows_of(text)

    assert reading.nodes == (Node("b", {}, "file:F"),)
    assert len(reading.faults) == 1
    assert reading.bad_names == {"a"}


@pytest.mark.parametrize(
    "text",
    [
        "Name,IP Address,Pool,Stage\npc1,10.0.0.1,blue,prod\n",
        'Name;IP Address;POOL;stage\r\npc1;10.0.0.1;blue;"prod"\r\n',
        '[{"name": "pc1", "ip": "10.0.0.1", "pool": "blue", "Stage": "prod", "ssh_host": "10.0.0.1"}]',
        "pc1 ssh_host=10.0.0.1 pool=blue stage=prod",
        "pc1 ansible_host=10.0.0.1 pool=blue stage=prod",
    ],
)
def test_a_title_that_is_a_name_of_our_own_costs_no_node(text: str) -> None:
    found = rows_of(text)

    assert not found.faults
    (node,) = found.nodes
    assert {"ssh_host": "10.0.0.1", "pool_label": "blue", "stage_label": "prod"}.items() <= dict(node.variables).items()


def test_names_of_ansible_are_understood_in_any_list_and_ours_count_more() -> None:
    (one, two) = rows_of(
        "a ansible_ssh_host=10.0.0.1 ansible_port=22 ansible_user=me\nb ansible_host=x ssh_host=y"
    ).nodes

    assert dict(one.variables) == {"ssh_host": "10.0.0.1", "ssh_port": "22", "ssh_user": "me"}
    assert dict(two.variables) == {"ssh_host": "y"}
    with pytest.raises(UsageFault, match="looks like an inventory of Ansible"):
        rows_of("pc1 ansible_host=10.0.0.1\n[web]\npc2\n")


def test_a_port_out_of_a_spreadsheet_is_a_port() -> None:
    assert [dict(node.variables) for node in rows_of("name,ssh_port\npc1,22.0\n").nodes] == [{"ssh_port": "22"}]
    assert rows_of("name,ssh_port\npc1,22.5\n").bad_row_count == 1


def test_a_cell_of_several_lines_and_lines_that_end_as_on_old_machines() -> None:
    assert dict(rows_of('name,notes\npc1,"two\nlines"\n').nodes[0].variables) == {"notes": "two lines"}
    assert [node.name for node in rows_of("name,site\rpc1,oslo\rpc2,rome\r").nodes] == ["pc1", "pc2"]


def test_a_bad_row_of_a_node_that_is_not_asked_for_is_no_fault() -> None:
    text = "a! site=rome\nb! site=oslo\nc!\nd site=oslo ssh_port=x\ne site=rome ssh_port=x\nf x site=rome\n"
    found = check_rows(parse_rows(text, "F"), "F", "s", match=["site=oslo", "site=bonn"])

    assert [fault.partition(": ")[0] for fault in found.faults] == ["F:2", "F:3", "F:4", "F:6"]
    assert found.bad_names == {"b", "c", "d", "f"}, "of c and f, no label is known"


def test_of_many_bad_rows_a_few_are_told_and_all_are_counted() -> None:
    text = "".join(f"n{number} ssh_port=x\n" for number in range(30)) + "a x=1\na x=2\na x=3\n"
    reading = rows_of(text + "good\n")

    assert [node.name for node in reading.nodes] == ["good"]
    assert reading.faults[MAX_FAULTS - 1 :] == ("F:20: ssh_port is 'x', not a port from 1 to 65535", "... and 11 more")
    assert reading.bad_row_count == 33
    assert len(reading.bad_names) == 31


def test_a_file_that_is_wrong_everywhere_is_told_briefly() -> None:
    faults = faults_of("a;b\n" * 1000)

    assert len(faults) == MAX_FAULTS + 1
    assert faults[-1] == "... and 980 more"


@pytest.mark.parametrize("line", ["n{}.x site=s{} rack=3", "n{}.x", "same.x", "same.x x={}", "n;{}"])
@pytest.mark.parametrize("head", ["", "name,site\n"])
def test_a_long_list_is_read_in_linear_time(head: str, line: str) -> None:
    text = head + "\n".join(line.format(number, number % 50) for number in range(LINEAR_LINES))
    began = time.process_time()

    nodes, fault = read(text)

    assert time.process_time() - began < LINEAR_S
    assert len(nodes) == (0 if fault else 1 if line.startswith("same") else LINEAR_LINES)
    assert len(fault) < 10_000


BOMBS = {
    "lists": "[" + "[]," * 5_000_000 + "[]]",
    "objects": "[" + "{}," * 5_000_000 + "{}]",
    "numbers": "[" + "0," * 5_000_000 + "0]",
    "lines": "\n" * 5_000_000,
    "columns": "name," + "x," * 5_000_000,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_listing_of_very_many_items_is_refused_before_it_is_taken_apart(text: str) -> None:
    tracemalloc.start()
    try:
        for read_it in (parse_nodes, lambda *given: list(parse_ansible(*given))):
            with pytest.raises(UsageFault, match="F: more than 4,000,000 items are not a list of nodes"):
                read_it(text, "F")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000 + 2 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (",".join(f"x{number}" for number in range(200_000)), "F:1: no column is called 'name' or 'node', there are"),
        ("name," + ",".join(f"x{number}" for number in range(200_000)) + ",x7", "F:1: two columns are called 'x7'"),
    ],
)
def test_a_header_of_very_many_columns_is_judged_in_linear_time(header: str, fault: str) -> None:
    began = time.process_time()
    (said,) = faults_of(f"{header}\npc1\n")

    assert said.startswith(fault)
    assert len(said) < 1000
    assert time.process_time() - began < LINEAR_S


def test_a_remark_needs_a_blank_before_it_so_that_values_may_hold_its_sign() -> None:
    assert parse_nodes("a x=1#2 #b", "F") == [Node("a", {"x": "1#2"})]


@pytest.mark.parametrize(("words", "variables"), [(["a=b=c", "d="], {"a": "b=c", "d": ""}), ([], {})])
def test_settings_are_split_at_the_first_sign(words: list[str], variables: dict[str, str]) -> None:
    assert parse_settings(words) == variables


@pytest.mark.parametrize("word", ["site", "=x", "a b=c", "ssh_port=x"])
def test_a_setting_that_sets_nothing_is_refused(word: str) -> None:
    with pytest.raises(UsageFault):
        parse_settings([word])


@given(st.text())
def test_no_text_breaks_the_reading_and_what_passes_is_clean(text: str) -> None:
    nodes, fault = read(text)

    assert all(line.isprintable() for line in fault.split("\n"))
    assert all(is_host(node.name) for node in nodes)
    assert all(is_label_name(key) and value.isprintable() for node in nodes for key, value in node.variables.items())


names = st.from_regex(r"[a-z]{1,8}[0-9]{0,3}", fullmatch=True)
labels = st.dictionaries(
    st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.from_regex(r"[a-zA-Z0-9#=.]{1,6}", fullmatch=True), max_size=3
)


@given(st.dictionaries(names, labels, min_size=1, max_size=5))
def test_what_is_written_down_comes_back(nodes: dict[str, dict[str, str]]) -> None:
    text = "\n".join(
        " ".join([name, *(f"{key}={value}" for key, value in labels.items())]) for name, labels in nodes.items()
    )

    assert {node.name: node.variables for node in parse_nodes(text, "F")} == nodes


def test_the_variables_of_a_node_have_an_end() -> None:
    assert find_variables_fault({f"label{number}": "v" * 1000 for number in range(150)}) == ""
    fault = find_variables_fault({f"label{number}": "é" * 1000 for number in range(150)})
    assert fault == "its variables have 301090 bytes together, allowed: at most 262144"


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_no_variable_of_our_own_can_be_a_label(word: str) -> None:
    for key in {word, word.lower(), word.lower().replace("_", "-"), word.replace("_", ".")}:
        assert "cannot name a variable" in find_variables_fault({key: "x"})
        with pytest.raises(UsageFault, match="cannot name a variable"):
            parse_settings([f"{key}=x"])


def test_every_variable_that_we_read_or_set_is_reserved() -> None:
    """Those of built-in recipes, such as PLABCTL_IMAGE, are there to be set by labels; those of hooks meet no label."""
    found = set()
    for path in (Path(plabctl.__file__).parent).rglob("*.py"):
        if path.parent.name not in {"sinks", "embedded"} and path.name not in {"container.py", "netns.py"}:
            found |= set(re.findall(r"\bPLABCTL_([A-Z][A-Z_]*)\b", path.read_text()))
    assert found - {"IMAGE", "EVENT", "EVENT_ID"} <= RESERVED
    assert {"STAGE", "CONFIG"} <= found


def test_the_single_checks_say_nothing_of_what_is_right() -> None:
    assert find_name_fault("node-1.example.org", {}) == find_name_fault("2001:db8::1", {}) == ""
    assert find_variables_fault({"ssh_port": "22", "ssh_host": "10.0.0.1", "ssh_user": "plab", "site": "a b"}) == ""


def test_a_node_whose_name_can_still_be_told_from_a_bad_row_is_listed() -> None:
    rows = [Row("1", "pc1,site=x", {}), Row("2", "pc2;", {}), Row("3", "-pc3", {})]

    assert check_rows(rows, "F", "lab").bad_names == {"pc1", "pc2"}
