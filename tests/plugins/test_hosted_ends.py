"""Inventories and sinks of other packages: used by real commands, and when broken a fault of their own."""

from pathlib import Path

import pytest

from tests.plugins.packages import EXAMPLE, install, place
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
    return {"name": ["a;b"], "type": [("pc1", {"site": 5})]}[options["way"]]

def tell(events, options):
    assert options.get("way") != "raise", "nobody listens"
    time.sleep(options.get("seconds", 0))
    if "file" in options:
        with open(options["file"], "a") as file:
            file.write(f"{time.time()}\\n")

number = 5
"""
POINTS = {"plabctl.inventories odd": "read", "plabctl.sinks odd": "tell", "plabctl.sinks none": "number"}


@pytest.fixture(scope="module", name="site")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(EXAMPLE, tmp_path_factory.mktemp("ends"))


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
        ("type", "neither a name nor a name with variables that are texts"),
    ],
)
def test_an_inventory_that_fails_changes_nothing(tmp_path: Path, way: str, fault: str) -> None:
    config = f'[[inventory]]\nkind = "odd"\ntimeout = "500ms"\noptions = {{ way = "{way}" }}\n'
    shop = Shop(tmp_path, place(tmp_path / "site", "odd_ends", ENDS, POINTS), CONFIG + config)
    shop.ok("node", "add", "pc1")

    said = shop.run("tick")

    assert (said.code, fault in said.err) == (1, True), said
    assert shop.pools() == {"pc1": "good"}


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

    slow, quick = (float((tmp_path / name).read_text()) for name in ("slow", "quick"))
    assert quick < slow - 1


def test_what_is_no_function_is_told_by_config_check(tmp_path: Path) -> None:
    config = '[[sink]]\nkind = "none"\non = ["transition"]\n'
    shop = Shop(tmp_path, place(tmp_path / "site", "odd_ends", ENDS, POINTS), CONFIG + config)

    said = shop.run("config", "check")

    assert said.code == 78
    assert "sink[1].kind: the plug-in 'none' cannot be used: TypeError: it must be a function, not int" in said.err
