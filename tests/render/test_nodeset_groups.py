"""Groups for ClusterShell, which puts their names into a shell."""

import re

import pytest

from plabctl.errors import NoSuchNode
from plabctl.nodesets import fold_nodeset
from plabctl.render import nodeset_groups
from plabctl.render.nodeset_groups import build_groups, format_file, format_group, format_section, list_groups_of
from plabctl.views.exports import Export, ExportedNode
from plabctl.views.node import list_node_views
from tests.builders import make_settings
from tests.render.examples import make_context, make_pair


def export(**sites: str) -> Export:
    context = make_context(*(make_pair(name, variables={"site": site, "rack": site}) for name, site in sites.items()))
    return Export([ExportedNode(view, {}) for view in list_node_views(context, sites)])


def test_groups_are_folded_and_a_node_has_some() -> None:
    groups = build_groups(export(pc1="north", pc2="north", X3="south"), make_settings().pools, ["rack"])

    assert format_group(groups, "all") == "X3,pc[1-2]\n"
    assert format_group(groups, "site=north") == format_group(groups, "rack=north") == "pc[1-2]\n"
    assert format_group(groups, "bad") == ""
    assert list_groups_of(groups, "x3") == ["usable", "good", "rack=south", "site=south"]
    assert list_groups_of(groups, "x4") == []
    assert '  "site=north": "pc[1-2]"\n' in format_file(groups)
    with pytest.raises(NoSuchNode, match="no group is called 'sit=north'"):
        format_group(groups, "sit=north")


def test_nodes_that_several_groups_have_are_folded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names with two numbers take a tenth of a second for a thousand nodes."""
    asked: list[tuple[str, ...]] = []

    def fold(names: tuple[str, ...]) -> str:
        asked.append(tuple(names))
        return fold_nodeset(names)

    monkeypatch.setattr(nodeset_groups, "fold_nodeset", fold)
    written = format_file(build_groups(export(pc1="north", pc2="north", X3="south"), make_settings().pools, ["rack"]))

    assert written.count('"X3,pc[1-2]"') == 3, "all, usable, good"
    assert sorted(asked) == [(), ("X3",), ("pc1", "pc2"), ("pc1", "pc2", "X3")]


def test_a_pool_goes_before_a_state_and_never_before_all() -> None:
    groups = build_groups(export(pc1="x"), ["usable", "all", "good"], [])

    assert groups.nodes["usable"] == [], "the pool, in which is no node"
    assert groups.nodes["all"] == ["pc1"]
    assert groups.remarks == [f"named {next(name for name in groups.nodes if name.startswith('all_'))} for pool all"]


@pytest.mark.parametrize("site", ["$(id)", "a;b", "`id`", "a b", "@plab:all", "x'y\"", "a&b", "é", "\\n", "a*b", "["])
def test_no_name_of_a_group_means_anything_to_a_shell(site: str) -> None:
    groups = build_groups(export(pc1=site, pc2="b"), ["good"], ["rack"])

    assert all(re.fullmatch(r"[A-Za-z0-9_.=-]+", name) for name in groups.nodes)


def test_the_section_calls_us_with_what_clustershell_fills_in() -> None:
    lines = format_section(["/opt/p x/plabctl", "export", "nodeset", "--config", "/etc/a$b.toml"]).splitlines()

    assert lines[0] == "[plab]"
    assert lines[1] == "map: '/opt/p x/plabctl' export nodeset --config '/etc/a$$b.toml' --group $GROUP"
    assert [line.partition(":")[0] for line in lines[1:]] == ["map", "all", "list", "reverse", "cache_time"]
