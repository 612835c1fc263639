"""The switch of a rack dies: all of its nodes are found in one round of ticks, and each says why it was asked early."""

import json
from pathlib import Path

from tests.e2e.site import Site

_RECIPE = """
[recipe.rack]
transport = "local"
check = { run = "test ! -e {site}.down || { echo no link; exit 2; }", timeout = "10s" }
"""
_NODES = {**{f"a{number}": "a" for number in range(10)}, "b0": "b", "b1": "b"}
_WHY = "asked early: a1 at the same site failed"


def test_a_rack_whose_switch_dies_is_found_in_one_round(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(key=tmp_path / "none", recipe="rack", more=f"neighbours = 0\n{_RECIPE}")
    site.add({name: {"site": rack} for name, rack in _NODES.items()})
    assert site.run("tick") == ""
    assert set(site.pools().values()) == {"good"}

    (tmp_path / "a.down").touch()
    site.run("tick", "a0")  # the next tests are due in an hour, but for one
    assert site.run("tick") == ""
    assert [name for name, pool in site.pools().items() if pool == "bad"] == ["a0"]

    site.config.write_text(site.config.read_text().replace("neighbours = 0", "neighbours = 2"))
    site.run("tick", "a1")
    plan = json.loads(site.run("tick", "--dry-run", "-o", "json"))["tests"]
    early = {each["name"]: each["asked_early"] for each in plan if each["name"] != "a1"}
    assert [*early.values()] == [_WHY.removeprefix("asked early: ")] * 2
    asked = min(early)
    assert _WHY in site.run("explain", asked)
    assert site.run("tick") == ""

    assert {name for name, pool in site.pools().items() if pool == "bad"} == {name for name in _NODES if name[0] == "a"}
    told = [event for event in site.history() if event["node"] == asked and event.get("asked_early")]
    assert [(event["kind"], event["outcome"], event["asked_early"]) for event in told] == [
        ("probe", "fail", early[asked])
    ]
