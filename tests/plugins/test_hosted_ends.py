"""Inventories, occupancy sources and sinks of other packages: used by real commands; when broken a fault of theirs."""

import json
from pathlib import Path

import pytest

from plabctl.core.occupancy import OccupancySettings
from plabctl.core.occupancy_changes import OccupancyReading
from plabctl.core.settings import Origin
from plabctl.occupancy import base
from plabctl.plugins.call import PluginHost
from plabctl.plugins.host import Plugin
from plabctl.plugins.hosted_ends import HostedOccupancy, HostedOptions
from plabctl.values import replace
from tests.builders import NOW
from tests.lab.wait_until import wait_until
from tests.plugins.packages import place
from tests.plugins.test_plugins import PLAIN_GOOD, Shop

CONFIG = f"""
state_dir = "state"
{PLAIN_GOOD}
[pool.bad]
kind = "bad"
recipe = "plain"
[recipe.plain]
transport = "local"
check = {{ run = "true", timeout = "10s" }}
"""
BOTH = """
[[inventory]]
kind = "rack"
options = {{ rack = "r1", count = 2 }}
[[sink]]
kind = "diary"
on = ["node-added", "transition"]
options = {{ file = "{folder}/diary" }}
"""
ENDS = """
import time

def read(options):
    if options["way"] == "raise":
        raise ValueError("no list today")
    if options["way"] == "hang":
        time.sleep(60)
    return {
        "name": ["a;b"],
        "type": [("pc1", {"site": 5})],
        "items": ["pc2", 5, ("pc1", 7), ("pc3", {}, 1)],
    }[options["way"]]

def busy(options):
    way = options["way"]
    if way == "raise":
        raise ValueError("no whiteboard today")
    if way == "hang":
        time.sleep(60)
    if way == "exit":
        raise SystemExit(0)
    return {
        "names": ["pc1"],
        "pairs": [("pc1", {"by": "ada", "since": 1000, "until": "2h"}), ("pc2", None)],
        "mapping": {"pc1": {"by": "ada"}, "pc2": None},
        "use": [("pc1", {"by": 5, "since": "x"})],
        "rows": ["a b", "", "c d"],
        "whole": 5,
        "class": [("pc1", {"since": __import__("datetime").datetime.now()})],
    }[way]

def tell(events, options):
    assert options.get("way") != "raise", "nobody listens"
    time.sleep(options.get("seconds", 0))
    if "file" in options:
        with open(options["file"], "a") as file:
            file.write(f"{time.time()}\\n")

number = 5
"""
WANTED = "wanted are names, or pairs of a name and a dictionary"
POINTS = {
    "plabctl.inventories odd": "read",
    "plabctl.occupancy odd": "busy",
    "plabctl.occupancy none": "number",
    "plabctl.sinks odd": "tell",
    "plabctl.sinks none": "number",
}


@pytest.mark.xdist_group("plugins")
def test_a_real_tick_reads_its_inventory_and_tells_its_sink(tmp_path: Path, site: Path) -> None:
    shop = Shop(tmp_path, site, CONFIG + BOTH.format(folder=tmp_path))

    shop.ok("config", "check")
    assert '"rack" = "r1"' in shop.ok("config", "show")
    shop.ok("tick")

    assert shop.pools() == {"r1-0": "good", "r1-1": "good"}
    assert "rack:rack=r1 count=2" in shop.ok("show", "r1-0")
    told = (tmp_path / "diary").read_text().splitlines()
    assert sorted(told) == ["node-added r1-0", "node-added r1-1", "transition r1-0", "transition r1-1"]
    shop.ok("tick")
    assert (tmp_path / "diary").read_text().splitlines() == told


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        ("raise", "ValueError: no list today"),
        ("hang", "it did not answer within 0.5 s"),
        ("name", "'a;b' is neither a host name nor an address"),
        ("type", "the plug-in 'odd': item 1: pc1: 5 among its variables is no text"),
        (
            "items",
            (
                "3 rows left out: the plug-in 'odd': item 2: 5 is neither a name nor a pair of a name and a "
                "dictionary of texts; the plug-in 'odd': item 3: pc1: its variables are 7, not a dictionary of texts; "
                "the plug-in 'odd': item 4: ('pc3', {}, 1) is neither a name nor a pair"
            ),
        ),
    ],
)
def test_an_inventory_that_fails_changes_nothing(tmp_path: Path, way: str, fault: str) -> None:
    config = f'[[inventory]]\nkind = "odd"\ntimeout = "500ms"\noptions = {{ way = "{way}" }}\n'
    shop = Shop(tmp_path, place(tmp_path / "site", "odd_ends", ENDS, POINTS), CONFIG + config)
    shop.ok("node", "add", "pc1")

    said = shop.run("tick")

    assert (said.code, fault in said.err) == (1, True), said
    assert shop.pools() == {"pc1": "good", **({"pc2": "good"} if way == "items" else {})}


@pytest.mark.parametrize(
    ("listed", "items"),
    [
        ([], []),
        (["pc1", ("pc2", None)], [("pc1", None), ("pc2", None)]),
        ({"pc1": {"site": "north"}, "pc2": {}}, [("pc1", {"site": "north"}), ("pc2", {})]),
        ([["pc1", [("site", "north")]], ("pc2", 7)], [("pc1", {"site": "north"}), ("pc2", "7")]),
        ([None, 5, ("pc3", {}, 1), (5, {})], [(None, each) for each in ("None", "5", "('pc3', {}, 1)", "(5, {})")]),
        (["x" * 70, ["x" * 70]], [("x" * 70, None), (None, f"['{'x' * 58}")]),
    ],
)
def test_what_a_plug_in_lists_is_taken_apart(listed: object, items: list[object]) -> None:
    plugin = Plugin()
    plugin._value = lambda _: listed
    assert plugin.list_nodes({}) == items


@pytest.mark.parametrize("value", [5, None, "pc1", b"pc1"])
def test_what_lists_nothing_is_told(value: object) -> None:
    plugin = Plugin()
    plugin._value = lambda _: value
    with pytest.raises(TypeError, match=f"^it returned a value of type {type(value).__name__}, {WANTED}$"):
        plugin.list_nodes({})


@pytest.mark.xdist_group("plugins")
def test_a_real_tick_spares_what_its_occupancy_source_calls_busy(tmp_path: Path, site: Path) -> None:
    source = f'[[occupancy]]\nkind = "whiteboard"\noptions = {{ file = "{tmp_path}/whiteboard" }}\n'
    shop = Shop(tmp_path, site, CONFIG + source)
    (tmp_path / "whiteboard").write_text("PC2 ada and bob\n")
    shop.ok("node", "add", "pc1", "pc2")

    assert f'"file" = "{tmp_path}/whiteboard"' in shop.ok("config", "show")
    assert f"'whiteboard:file={tmp_path}/whiteboard' lists 1 busy node" in shop.run("doctor").out
    shop.ok("tick")

    nodes = {node["name"]: node for node in json.loads(shop.ok("status", "-o", "json"))["nodes"]}
    assert ("last" in nodes["pc1"], "last" in nodes["pc2"], nodes["pc2"]["busy_by"]) == (True, False, "ada and bob")


@pytest.fixture(scope="module", name="odd")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return place(tmp_path_factory.mktemp("odd") / "site", "odd_ends", ENDS, POINTS)


@pytest.mark.parametrize(
    ("way", "busy"),
    [
        ("names", {"pc1": ("", NOW, None)}),
        ("pairs", {"pc1": ("ada", 1000.0, NOW + 7200), "pc2": ("", NOW, None)}),
        ("mapping", {"pc1": ("ada", NOW, None), "pc2": ("", NOW, None)}),
    ],
)
def test_an_occupancy_source_may_give(
    odd: Path, monkeypatch: pytest.MonkeyPatch, way: str, busy: dict[str, object]
) -> None:
    reading = read_odd(odd, monkeypatch, way)

    assert (reading.fault, reading.is_unread) == ("", False)
    assert {name: (use.by, use.since_at or NOW, use.until_at) for name, use in reading.uses.items()} == busy


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        ("raise", "the plug-in 'odd' failed: ValueError: no whiteboard today"),
        ("hang", "the plug-in 'odd' failed: it did not answer within 0.3 s"),
        ("exit", "the plug-in 'odd' failed: SystemExit: 0"),
        ("whole", f"the plug-in 'odd' failed: TypeError: it returned a value of type int, {WANTED}"),
        (
            "class",
            (
                "the plug-in 'odd' failed: its answer cannot be read: "
                "UnpicklingError: datetime.datetime is no value of plabctl"
            ),
        ),
        ("rows", "the plug-in 'odd': item 1: 'a b' can be the name of no node, and 2 more such"),
    ],
)
def test_an_occupancy_source_that_fails_is_not_believed(
    odd: Path, monkeypatch: pytest.MonkeyPatch, way: str, fault: str
) -> None:
    reading = read_odd(odd, monkeypatch, way)

    assert (reading.fault, reading.is_unread, reading.uses) == (fault, True, {})


def test_what_is_wrong_with_a_use_frees_no_node(odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = read_odd(odd, monkeypatch, "use")

    assert list(reading.uses) == ["pc1"]
    assert reading.fault == "the plug-in 'odd': item 1: pc1: `by` is no text, `since` 'x' is no instant"


def read_odd(site: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> OccupancyReading:
    """Return what the source reads in a process that finds the package, as this one does not."""
    monkeypatch.syspath_prepend(str(site))
    host = PluginHost()
    try:
        host.call("load", "occupancy", "odd", limit_s=10.0)
        kind = HostedOccupancy("odd", host)
        monkeypatch.setattr(base, "find", lambda *_: kind)
        own = OccupancySettings("odd", "odd", timeout_s=0.3 if way == "hang" else 10.0)
        return base.read_source(replace(own, options=HostedOptions((("way", way),))), Origin(), NOW)
    finally:
        host.close()


def test_a_sink_that_fails_is_told_again(tmp_path: Path) -> None:
    config = '[[sink]]\nkind = "odd"\non = ["transition"]\noptions = { way = "raise" }\n'
    shop = Shop(tmp_path, place(tmp_path / "site", "odd_ends", ENDS, POINTS), CONFIG + config)
    shop.ok("node", "add", "pc1")

    said = shop.run("tick")

    assert (said.code, "nobody listens" in said.err) == (1, True), said
    assert shop.pools() == {"pc1": "good"}
    shop.config.write_text(CONFIG + config.replace("raise", "listen"))
    assert shop.run("tick").code == 0


def test_two_sinks_of_one_plugin_do_not_wait_for_each_other(tmp_path: Path) -> None:
    sink = '[[sink]]\nkind = "odd"\non = ["transition"]\noptions = {{ seconds = {}, file = "{}" }}\n'
    config = sink.format(2, tmp_path / "slow") + sink.format(0, tmp_path / "quick")
    shop = Shop(tmp_path, place(tmp_path / "site", "odd_ends", ENDS, POINTS), CONFIG + config)
    shop.ok("node", "add", "pc1")

    shop.ok("tick")

    slow, quick = tmp_path / "slow", tmp_path / "quick"
    assert wait_until(lambda: slow.exists() and slow.read_text().endswith("\n")), "the tick is over before"
    assert float(quick.read_text()) < float(slow.read_text()) - 1


def test_a_sink_that_hangs_is_given_up_in_the_background_and_told_of_by_the_next_tick(tmp_path: Path) -> None:
    config = '[[sink]]\nkind = "odd"\non = ["transition"]\ntimeout = "1s"\noptions = { seconds = 60 }\n'
    shop = Shop(tmp_path, place(tmp_path / "site", "odd_ends", ENDS, POINTS), CONFIG + config)
    shop.ok("node", "add", "pc1")

    shop.ok("tick")

    assert wait_until(lambda: "it did not answer within 1 s" in shop.run("check").out)
    assert "it did not answer within 1 s" in shop.run("tick").err


def test_what_is_no_function_is_told_by_config_check(tmp_path: Path) -> None:
    config = '[[sink]]\nkind = "none"\non = ["transition"]\n[[occupancy]]\nkind = "none"\n'
    shop = Shop(tmp_path, place(tmp_path / "site", "odd_ends", ENDS, POINTS), CONFIG + config)

    said = shop.run("config", "check")

    assert said.code == 78
    for key in ("sink[1].kind", "occupancy[1].kind"):
        assert f"{key}: the plug-in 'none' cannot be used: TypeError: it must be a function, not int" in said.err
