"""What `ansible-inventory --list` prints, taken apart: hosts of SSH with what reaches them, and no secrets."""

import json
import time

import pytest

from plabctl.core.model import Node
from plabctl.errors import UsageFault
from plabctl.inventories.ansible_listing import parse_ansible
from plabctl.inventories.node_list import check_rows
from plabctl.inventories.reading import MAX_VALUE, Reading

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


def read(listing: object, *groups: str) -> Reading:
    return check_rows(parse_ansible(json.dumps(listing), "F", groups), "F", "ansible:F")


def read_host(**variables: object) -> Reading:
    return read({"_meta": {"hostvars": {"a.x": variables}}, "web": {"hosts": ["a.x"]}})


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


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (["web"], ["a.x"]),
        (["lab"], ["a.x"]),
        (["ungrouped"], ["b.x", "c.x"]),
        (["web", "ungrouped"], ["a.x", "b.x", "c.x"]),
        (["all", "web"], ["a.x", "b.x", "c.x"]),
    ],
)
def test_only_hosts_of_the_groups_that_are_named_are_nodes(groups: list[str], names: list[str]) -> None:
    assert [node.name for node in read(LISTING, *groups).nodes] == names


def test_a_group_that_is_not_there_is_a_fault_and_no_empty_list() -> None:
    with pytest.raises(UsageFault, match=r"^F: no group is called 'webb'$"):
        read(LISTING, "webb", "lab")


def test_old_names_of_variables_count_and_new_ones_go_before_them() -> None:
    old = {"ansible_ssh_host": "10.0.0.1", "ansible_ssh_port": 22, "ansible_ssh_user": "old"}

    (node,) = read_host(**old).nodes
    assert node.variables == {"ssh_host": "10.0.0.1", "ssh_port": "22", "ssh_user": "old", "groups": "web"}
    (node,) = read_host(**old, ansible_host="10.0.0.9", ansible_user="").nodes
    assert node.variables == {"ssh_host": "10.0.0.9", "ssh_port": "22", "ssh_user": "old", "groups": "web"}


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        (
            {"ansible_host": "{{ inventory_hostname }}.lab"},
            "ansible_host is '{{ inventory_hostname }}.lab', a template that ansible-inventory does not fill in",
        ),
        ({"ansible_user": {"__ansible_vault": "$ANSIBLE_VAULT;"}}, "ansible_user is encrypted by ansible-vault"),
        ({"ansible_ssh_port": [22]}, "ansible_ssh_port is neither text nor number"),
        ({"ansible_port": True}, "ansible_port is neither text nor number"),
    ],
)
def test_what_is_wrong_with_a_host_costs_that_host(variables: dict[str, object], fault: str) -> None:
    listing = {"_meta": {"hostvars": {"a.x": variables}}, "web": {"hosts": ["a.x", "b.x"]}}

    assert [node.name for node in read(listing).nodes] == ["b.x"]
    assert read(listing).faults == (f"F: host 'a.x': {fault}",)
    assert read(listing).bad_names == {"a.x"}, "it is still listed"


@pytest.mark.parametrize("connection", ["winrm", "ns.net.network_cli", "community.docker.docker", "local"])
def test_a_host_that_is_not_reached_by_ssh_is_no_node_and_no_fault(connection: str) -> None:
    listing = {"_meta": {"hostvars": {"a.x": {"ansible_connection": connection}}}, "web": {"hosts": ["a.x", "b.x"]}}
    found = read(listing)

    assert [node.name for node in found.nodes] == ["b.x"]
    assert not found.faults
    assert not found.bad_names
    word = connection.rpartition(".")[2]
    assert (found.notes, found.note_count) == ((f"F: host 'a.x': it is reached by '{word}', not by ssh",), 1)


def test_of_many_notes_the_first_are_kept() -> None:
    hosts = {f"sw{number}": {"ansible_connection": "network_cli"} for number in range(300)}

    assert (len(read({"_meta": {"hostvars": hosts}}).notes), read({"_meta": {"hostvars": hosts}}).note_count) == (
        20,
        300,
    )


@pytest.mark.parametrize("connection", ["ssh", "smart", "paramiko", "ansible.builtin.paramiko_ssh", None, ""])
def test_hosts_of_ssh_are_nodes(connection: str | None) -> None:
    assert len(read_host(ansible_connection=connection).nodes) == 1


def test_the_machine_that_ansible_runs_on_is_no_node() -> None:
    hosts = {"localhost": {"ansible_connection": "local"}, "LocalHost": {"ansible_connection": "ansible.builtin.local"}}

    assert read({"_meta": {"hostvars": hosts}, "web": {"hosts": [*hosts]}}) == Reading()
    assert len(read({"web": {"hosts": ["localhost"]}}).nodes) == 1


def test_texts_from_outside_are_texts() -> None:
    """As versions before 2.19 print them."""
    (node,) = read_host(ansible_host={"__ansible_unsafe": "10.0.0.1"}).nodes
    assert node.variables["ssh_host"] == "10.0.0.1"


def test_groups_that_are_too_many_for_a_label_are_cut_between_two() -> None:
    groups = {f"service-group-{number:03}": {"hosts": ["a.x"]} for number in range(90)}
    reading = read(groups)

    assert reading.faults == ()
    label = reading.nodes[0].variables["groups"]
    assert MAX_VALUE - 20 < len(label) <= MAX_VALUE
    assert set(label.split(",")) < set(groups)
