"""The inventory for Ansible: groups under names that it takes, and no text that it takes for a template."""

import json
import re
from typing import Any

import pytest

from plabctl.render.ansible_inventory import format_host, format_list
from plabctl.views.exports import Export, ExportedNode, SshAccess, SshServer
from plabctl.views.node import list_node_views
from tests.render.examples import make_context, make_pair

HOSTILE = ["{{ lookup('pipe', 'id') }}", "{% raw %}", "{# x", "x\u00e9 / y", "all", "a,{{ b }}", "-", " "]


def export(*names: str, variables: dict[str, str] | None = None, **server: Any) -> Export:
    context = make_context(*(make_pair(name, variables=variables) for name in names))
    reached = SshServer("10.0.0.1", 22)._replace(**server)
    views = list_node_views(context, names)
    return Export([ExportedNode(view, {}, reached, (), SshAccess("/k/known", "yes")) for view in views])


def test_a_node_has_its_way_and_its_state() -> None:
    found = json.loads(format_host(export("pc1", variables={"site": "north"}, user="plab", keys=("/k/a", "/k/b"))))

    assert found == {
        "ansible_host": "10.0.0.1",
        "ansible_port": 22,
        "ansible_user": "plab",
        "ansible_ssh_private_key_file": "/k/a",
        "ansible_ssh_common_args": ("-o IdentityFile=/k/b -o UserKnownHostsFile=/k/known -o StrictHostKeyChecking=yes"),
        "plab_pool": "good",
        "plab_usable": True,
        "plab_site": "north",
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_neither_a_template_nor_a_name(text: str) -> None:
    given = export("pc1", variables={"site": text, "note": text, "rack": text}, user=text, keys=(f"/{text}",))

    printed, _ = format_list(given, ["good", "bad"], ["rack"])

    listing = json.loads(printed)
    own = listing["_meta"]["hostvars"]["pc1"]
    for value in (own["plab_site"], own["plab_labels"]["note"], own["ansible_user"]):
        assert value == ({"__ansible_unsafe": text} if "{" in text else text)
    outside = re.sub(r'\{"__ansible_unsafe":"(?:[^"\\]|\\.)*"\}', "", printed)
    assert not re.search(r"\{\{|\{%|\{#", outside.replace('{"', ""))
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in listing)


def test_groups_have_nodes_and_all_are_below_one() -> None:
    printed, remarks = format_list(export("pc1", "pc2", variables={"site": "a-b"}), ["good", "big-mem"], ["row"])

    listing = json.loads(printed)
    assert listing["plab"] == {"children": ["plab_pool_good", "plab_pool_big_mem"]}
    assert listing["plab_pool_big_mem"] == {"hosts": []}
    assert listing["plab_usable"] == listing["plab_site_a_b"] == {"hosts": ["pc1", "pc2"]}
    assert remarks == ["no node has a label 'row'"]


@pytest.mark.parametrize("name", ["all", "ungrouped", "plab", "plab_usable", "plab_site_north"])
def test_a_node_that_ansible_takes_for_a_group_gives_nothing_to_others(name: str) -> None:
    printed, remarks = format_list(export("pc1", name, variables={"site": "north"}), ["good"], [])

    listing = json.loads(printed)
    assert set(listing.pop("_meta")["hostvars"]) == {"pc1"}
    assert {host for group in listing.values() for host in group.get("hosts", [])} == {"pc1"}
    assert remarks == [f"{name}: not in the inventory: Ansible would take it for the group of that name"]
