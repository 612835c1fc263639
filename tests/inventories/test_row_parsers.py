"""Which form a text has is told as a person would tell it; each form gives the nodes that it lists."""

import time

import pytest

from plabctl.core.model import Node
from plabctl.errors import UsageFault
from plabctl.inventories.node_list import check_rows
from plabctl.inventories.reading import Reading
from plabctl.inventories.row_parsers import parse_rows


def read(text: str) -> Reading:
    return check_rows(parse_rows(text, "F"), "F", "operator")


def variables_of(text: str) -> dict[str, dict[str, str]]:
    reading = read(text)
    assert reading.faults == ()
    return {node.name: dict(node.variables) for node in reading.nodes}


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("n1 roles=web,db\nn2\n", {"n1": {"roles": "web,db"}, "n2": {}}),
        ("n1 note=a;b\nn2\n", {"n1": {"note": "a;b"}, "n2": {}}),
        ("n1\tsite=oslo\nn2\n", {"n1": {"site": "oslo"}, "n2": {}}),
        ("server\nmachine\n", {"server": {}, "machine": {}}),
        ("node rack=3\nhost rack=4\n", {"node": {"rack": "3"}, "host": {"rack": "4"}}),
        ("n1 10.0.0.1 rack=3\n", {"n1": {"ssh_host": "10.0.0.1", "rack": "3"}}),
        ("10.0.0.1 rack=3\n10.0.0.2\n", {"10.0.0.1": {"rack": "3"}, "10.0.0.2": {}}),
        ("n1 # rack 1, row 2\nn2\n", {"n1": {}, "n2": {}}),
        ("; racks 1, 2\nn1 ; new\n// racks 3, 4\nn2\n", {"n1": {}, "n2": {}}),
        ("n1.lab.\nn2 ssh_host=n2.lab.\n", {"n1.lab": {}, "n2": {"ssh_host": "n2.lab"}}),
        ("Hostname   IP\nn1   10.0.0.1\n", {"n1": {"ssh_host": "10.0.0.1"}}),
        (
            "n1:2222\nroot@n2\nada@n3:23 ssh_user=bob\n",
            {
                "n1": {"ssh_port": "2222"},
                "n2": {"ssh_user": "root"},
                "n3": {"ssh_user": "bob", "ssh_port": "23"},
            },
        ),
        (
            "n[1-2].lab rack=3\nroot@m[07-08]\n",
            {
                "n1.lab": {"rack": "3"},
                "n2.lab": {"rack": "3"},
                "m07": {"ssh_user": "root"},
                "m08": {"ssh_user": "root"},
            },
        ),
        ("[2001:db8::1]:22\n2001:db8::2\n", {"2001:db8::1": {"ssh_port": "22"}, "2001:db8::2": {}}),
    ],
)
def test_a_plain_list_is_no_table_for_a_sign_in_it(text: str, nodes: dict[str, dict[str, str]]) -> None:
    assert variables_of(text) == nodes


@pytest.mark.parametrize(
    "title",
    ["name", "Name", "host", "hostname", "Host Name", "HOST_NAME", "host-name", "FQDN", "node", "Node Name", '"name"'],
)
@pytest.mark.parametrize("separator", ["", ",", ";", "\t"])
def test_a_header_is_a_header(title: str, separator: str) -> None:
    more, cell = (f"{separator} Site ", f" {separator} oslo") if separator else ("", "")

    assert variables_of(f"{title}{more}\n\nn1{cell}\n") == {"n1": {"site": "oslo"} if separator else {}}


def test_sets_of_very_many_nodes_are_refused() -> None:
    with pytest.raises(UsageFault, match="F:3: sets of more than 200,000 nodes together"):
        for _ in parse_rows("a[1-90000]\nb[1-90000]\nc[1-90000]\n", "F"):
            pass


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nName;IP\nn1;10.0.0.1\n",
        "Name,IP\nn1,10.0.0.1,,\n",
        'Name, "IP"\n"n1", "10.0.0.1"\n',
        '[{"name": "n1", "ip": "10.0.0.1", "disks": [{"size": 1}], "owner": {"mail": "ada"}}]',
    ],
)
def test_signs_of_the_program_that_wrote_a_table_cost_no_node(text: str) -> None:
    assert variables_of(text) == {"n1": {"ssh_host": "10.0.0.1"}}


def test_the_first_of_several_addresses_counts_and_all_are_kept() -> None:
    given = "10.0.0.1, 10.0.1.1"
    assert variables_of(f'Name,IP\nn1,"{given}"\n') == {"n1": {"ssh_host": "10.0.0.1", "IP": given}}


@pytest.mark.parametrize("separator", [", ", ",", " ", "; "])
def test_of_very_many_addresses_the_first_are_kept(separator: str) -> None:
    given = separator.join(f"10.0.{number // 256}.{number % 256}" for number in range(300))
    variables = variables_of(f'Name,IP\nn1,"{given}"\n')["n1"]

    assert variables["ssh_host"] == "10.0.0.0"
    assert given.startswith(variables["IP"] + separator)
    assert 980 < len(variables["IP"]) <= 1000
    assert variables_of(f'Name,IP,ssh_host\nn1,"{given}",n1.lab\n')["n1"]["IP"] == variables["IP"]


def test_addresses_name_the_nodes_where_nothing_else_does() -> None:
    assert variables_of("IP Address\n10.0.0.1\n") == {"10.0.0.1": {}}
    assert variables_of("Rack;IP Address\n3;10.0.0.1\n") == {"10.0.0.1": {"Rack": "3"}}


@pytest.mark.parametrize("title", ["IP Address", "ip", "IPv4", "primary_ip4", "Address"])
def test_an_address_beside_a_name_is_where_the_node_is_reached(title: str) -> None:
    text = f"Host Name,{title},Rack No.\npc 1,10.0.0.1,3\npc2,10.0.0.2/24,\npc3,,\npc4,Main Street 5,\n"
    rows = {row.name: (dict(row.variables), row.fault) for row in parse_rows(text, "F")}

    assert rows["pc 1"] == ({"ssh_host": "10.0.0.1", "rack_no": "3"}, "")
    assert rows["pc2"] == ({"ssh_host": "10.0.0.2"}, "")
    assert rows["pc3"] == ({}, "")
    assert "ssh_host" not in rows["pc4"][0]
    assert "Main Street 5" in rows["pc4"][0].values()


def test_an_address_that_is_said_outright_goes_before_one_beside_it() -> None:
    assert variables_of("name,ip,SSH_Host,Ssh Port\nn1,10.0.0.1,10.0.0.9,2022\n") == {
        "n1": {"ip": "10.0.0.1", "ssh_host": "10.0.0.9", "ssh_port": "2022"}
    }


def test_columns_without_a_title_are_left_out() -> None:
    assert variables_of("id;Server;;Site;\n7;n1;x;oslo;\n") == {"n1": {"id": "7", "site": "oslo"}}


@pytest.mark.parametrize("header", ["name,rack no,Rack No.", "Name;site;SITE"])
def test_titles_that_mean_the_same_variable_are_refused(header: str) -> None:
    with pytest.raises(UsageFault, match=r"^F:1: two columns are called '"):
        read(header)


def test_an_inventory_of_ansible_is_recognised() -> None:
    with pytest.raises(UsageFault, match="looks like an inventory of Ansible") as caught:
        read("# hosts\n[web]\nn1 ansible_host=10.0.0.1\n")
    assert caught.value.hint == 'read it with kind = "ansible"'


@pytest.mark.parametrize(
    "text",
    [
        '{"nodes": ["n1", {"hostname": "n2", "site": "oslo"}]}',
        '{"count": 2, "results": [{"Host Name": "n1"}, {"name": "n2", "site": "oslo"}]}',
        '{"n1": {"name": "x"}, "n2": {"site": "oslo"}}',
        '{"name": "n1"}\n\n{"name": "n2", "site": "oslo"}\n',
    ],
)
def test_json_in_an_object_or_on_lines_is_read(text: str) -> None:
    assert variables_of(text) == {"n1": {}, "n2": {"site": "oslo"}}


def test_one_object_of_json_is_one_node() -> None:
    assert variables_of('{"name": "n1", "site": "oslo"}\n') == {"n1": {"site": "oslo"}}


def test_a_list_in_json_becomes_a_text_and_one_that_is_too_long_is_left_out() -> None:
    assert variables_of(f'[{{"name": "n1", "roles": ["web", 2, true], "slices": {list(range(999))}}}]') == {
        "n1": {"roles": "web,2,true"}
    }


@pytest.mark.parametrize("name", ["null", "true", "[]", "{}"])
def test_what_is_no_text_in_json_names_no_node(name: str) -> None:
    assert [node.name for node in read(f'["n1", {{"name": {name}, "site": "x"}}]').nodes][:1] == ["n1"]
    if name != "true":
        assert read(f'["n1", {{"name": {name}, "site": "x"}}]').bad_row_count == 1


HOSTS = """\
# Managed by hand. Ask before you edit.
127.0.0.1\tlocalhost
127.0.1.1\tmonitor.example.org\tmonitor
::1     localhost ip6-localhost ip6-loopback
fe00::0 ip6-localnet
ff02::1 ip6-allnodes
fe80::1%lo0 localhost
255.255.255.255 broadcasthost
0.0.0.0 ads.example.com

10.20.0.11\tpc1.example.org pc1   # rack 3
10.20.0.12\tpc2.example.org\tpc2 web
2001:db8::11 pc1.example.org pc1
2001:db8::13 casm_n0
"""


def test_a_hosts_file_lists_machines_once_and_not_this_one() -> None:
    assert variables_of(HOSTS) == {
        "pc1.example.org": {"ssh_host": "10.20.0.11"},
        "pc2.example.org": {"ssh_host": "10.20.0.12"},
        "casm_n0": {"ssh_host": "2001:db8::13"},
    }


SSH_CONFIG = """\
# my machines
AddKeysToAgent yes

Host gate
    HostName gate.example.org
    User = admin
Host pc1 pc2 !pc3
    HostName %h.lab.example.org
    Port 2022
    IdentityFile ~/.ssh/lab
Match host pc1 exec "test -e /tmp/x"
    User nobody
host "n[1]x"
Host pc* !pc2
    User plab
    Port 22
Host *
    User everybody
    ServerAliveInterval 30
"""


def test_an_ssh_config_lists_the_hosts_that_it_names() -> None:
    reading = read(SSH_CONFIG)

    assert {node.name: dict(node.variables) for node in reading.nodes} == {
        "gate": {"ssh_host": "gate.example.org", "ssh_user": "admin"},
        "pc1": {"ssh_host": "pc1.lab.example.org", "ssh_port": "2022", "ssh_user": "plab"},
        "pc2": {"ssh_host": "pc2.lab.example.org", "ssh_port": "2022", "ssh_user": "everybody"},
    }
    assert reading.faults == ("F:13: 'n[1]x' is neither a host name nor an address",)


def test_an_ssh_config_may_have_tabs_and_remarks_behind_words() -> None:
    text = "Host\tn1 # rack 1, row 2\n\tHostName\t10.0.0.1 # new\n"
    assert variables_of(text) == {"n1": {"ssh_host": "10.0.0.1"}}


def test_an_ssh_config_of_many_hosts_and_patterns_is_refused_at_once() -> None:
    text = "Host pc\nUser x\n" + "".join(f"Host pc{number}\nHost *{number}\n" for number in range(5000))
    began = time.process_time()
    with pytest.raises(UsageFault, match="F: 5,001 hosts and 5,001 patterns are too many"):
        read(text)
    assert time.process_time() - began < 5


PLANETLAB = """\
[{"node_id": 12, "hostname": "planetlab-1.cs.example.edu", "site_id": 3, "boot_state": "boot", "model": "Dell 860",
  "key": null, "interface_ids": [12, 14], "slice_ids": [1, 2], "pcu_ids": [], "verified": true,
  "last_contact": 1164700000},
 {"node_id": 13, "hostname": "planetlab-2.cs.example.edu", "site_id": 3, "boot_state": "reinstall", "model": "",
  "key": null, "interface_ids": [], "slice_ids": [], "pcu_ids": [], "verified": false, "last_contact": null}]
"""


def test_the_nodes_of_planetlabs_database_are_read() -> None:
    nodes = variables_of(PLANETLAB)

    assert list(nodes) == ["planetlab-1.cs.example.edu", "planetlab-2.cs.example.edu"]
    assert nodes["planetlab-1.cs.example.edu"]["interface_ids"] == "12,14"
    assert nodes["planetlab-2.cs.example.edu"]["boot_state"] == "reinstall"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("planetlab1.cs.example.edu\nplanetlab2.cs.example.edu\r\n\r\nnode-1.UNI.example\n", 3),
        ("# dsh group\n\nn1\nn2   # spare\n", 2),
        ("node01 slots=16 max_slots=32\nnode02 slots=16\n", 2),  # a hostfile of MPI
        ("Hostname;Status;Rack;U;Serial\nsrv-1;in use;A3;17;X\nsrv-2;spare;;;\n", 2),  # a spreadsheet in Europe
        ("Device Name\tManagement IP\tVendor\nsw-1\t10.0.0.2\tX\n", 1),
        ('"id","Name","Primary IP","Site"\n"1","pc1","10.0.0.1/24","oslo"\n', 1),
        ("ip,mac,hostname\n10.0.0.5,00:11:22:33:44:55,pc5\n", 1),
    ],
)
def test_lists_as_people_keep_them_are_read(text: str, names: int) -> None:
    reading = read(text)

    assert reading.faults == ()
    assert len(reading.nodes) == names
    assert Node("name") not in reading.nodes
