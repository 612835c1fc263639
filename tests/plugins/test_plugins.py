"""Plug-ins of other packages: found by real commands, and when broken a fault of the pools that want them, no more."""

import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.recipe import Become, Recipe, Stage, Transport
from plabctl.plugins.check_value import check_recipe
from plabctl.values import replace
from tests.cli.console import ROOT, Desk, Said
from tests.plugins.packages import place

pytestmark = pytest.mark.xdist_group("plugins")  # the example is installed once for all

CONFIG = """
state_dir = "state"
window = 4

[pool.good]
kind = "patient"
recipe = "ledger"
backoff = { kind = "fibonacci", base = "10s", max = "1h", jitter = "0" }

[pool.bad]
kind = "bad"
recipe = "plain"

[recipe.plain]
transport = "local"
check = { run = "echo {node} >>tested; test ! -e {node}.bad || exit 2", timeout = "10s" }
"""
PLAIN_GOOD = """
[pool.good]
kind = "good"
recipe = "plain"
"""


class Shop(Desk):
    """A desk whose Python finds the packages in `site`."""

    def __init__(self, folder: Path, site: Path, config: str) -> None:
        super().__init__(folder)
        self.config.write_text(config)
        self.use(site)

    def use(self, site: Path) -> None:
        self.environ["PYTHONPATH"] = f"{ROOT}:{site}"

    def node(self, name: str) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.ok("show", name, "-o", "json"))
        return shown

    def pools(self) -> dict[str, str]:
        nodes = json.loads(self.ok("status", "-o", "json"))["nodes"]
        return {node["name"]: node["pool"] for node in nodes}

    def tested(self) -> set[str]:
        path = self.folder / "tested"
        return set(path.read_text().split()) if path.exists() else set()


@pytest.fixture
def shop(tmp_path: Path, site: Path) -> Shop:
    return Shop(tmp_path, site, CONFIG)


class TestTheExample:
    def test_a_real_tick_uses_its_pool_its_back_off_and_its_recipe(self, shop: Shop) -> None:
        shop.ok("node", "add", "pc1")
        assert shop.run("tick") == Said(0, "", "")

        # It passed in bad by the recipe there, went to good, and was tested there by the recipe of the plug-in.
        assert shop.pools() == {"pc1": "good"}
        assert (shop.folder / "pc1.ledger").read_text() == ""
        waits = []
        for _ in range(4):
            node = shop.node("pc1")
            waits.append(_seconds(node["due_at"]) - _seconds(node["last"]["at"]))
            shop.ok("retest", "pc1", "--wait")
        # 1, 1, 2, 3, 5, 8 ... times ten seconds; its streak began with the pass in bad.
        assert waits == pytest.approx([10, 20, 30, 50], abs=2)

    def test_its_pool_is_patient(self, shop: Shop) -> None:
        shop.ok("node", "add", "pc1")
        shop.ok("tick")
        shop.break_node("pc1")
        seen = []
        for _ in range(3):
            shop.run("retest", "pc1", "--wait")
            seen.append(shop.pools()["pc1"])

        assert seen == ["good", "good", "bad"]
        assert "it is bad" in shop.ok("show", "pc1")

    def test_the_commands_name_what_holds(self, shop: Shop) -> None:
        shop.ok("node", "add", "pc1")
        shop.ok("tick")

        shown = {key["key"]: key["value"] for key in json.loads(shop.ok("config", "show", "-o", "json"))["keys"]}
        assert (shown["pool.good.kind"], shown["pool.good.backoff.kind"]) == ('"patient"', '"fibonacci"')
        assert shown["pool.bad.backoff.kind"] == '"additive"'
        assert "what the plug-in fibonacci says" in shop.ok("pool", "show", "good")
        assert "what the plug-in fibonacci says" in shop.ok("explain", "pc1")
        assert "no errors found" in shop.ok("config", "check")
        assert "passed in" in shop.ok("test", "pc1", "--recipe", "ledger")

    def test_what_is_shown_can_be_loaded(self, shop: Shop) -> None:
        before = shop.ok("config", "show", "-o", "json")
        text = shop.ok("config", "show")
        shop.config.write_text(text)
        after = shop.ok("config", "show", "-o", "json")

        assert [(key["key"], key["value"]) for key in json.loads(after)["keys"] if "recipe." not in key["key"]] == [
            (key["key"], key["value"]) for key in json.loads(before)["keys"] if "recipe." not in key["key"]
        ]

    def test_a_recipe_that_no_pool_names_is_listed(self, tmp_path: Path, site: Path) -> None:
        config = CONFIG.replace('kind = "patient"\nrecipe = "ledger"', 'kind = "good"\nrecipe = "plain"')
        shop = Shop(tmp_path, site, config)
        shop.ok("node", "add", "pc1")
        assert shop.run("test", "pc1", "--recipe", "ledger").code == 1
        shop.config.write_text(f'plugin_recipes = ["ledger"]\n{config}')

        assert shop.run("test", "pc1", "--recipe", "ledger").code == 0
        shop.ok("node", "add", "pc2", "--set", "recipe=ledger")
        shop.ok("tick")
        assert (shop.folder / "pc2.ledger").exists()


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


RUN = """
import os, sys
os._exit = sys.exit  # it is in a hurry, but we want to look
from plabctl.cli.entry import main
try:
    code = main()
except SystemExit as error:
    code = error.code
print("modules:", *sys.modules, file=sys.stderr)
sys.exit(code)
"""


def imported(shop: Desk, *arguments: str) -> set[str]:
    """Return the modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=shop.folder,
        env=shop.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("modules:")[2].split())


class TestCost:
    @pytest.mark.parametrize("arguments", [("tick",), ("status", "-o", "json")], ids=" ".join)
    def test_without_plug_ins_nobody_looks_for_them(self, desk: Desk, site: Path, arguments: tuple[str, ...]) -> None:
        desk.environ["PYTHONPATH"] = f"{ROOT}:{site}"
        desk.ok("node", "add", "pc1")
        desk.ok("tick")
        modules = imported(desk, *arguments)

        assert "plabctl.config.load" in modules
        assert not {name for name in modules if name.startswith(("importlib.metadata", "plabctl_example"))}
        assert "plabctl.plugins.check_value" not in modules

    def test_only_what_is_named_is_imported_and_not_by_the_command(self, tmp_path: Path, site: Path) -> None:
        for name in ("named", "other"):
            text = f"open({str(tmp_path / name)!r}, 'w')\nit = lambda *_: 1.0\n"
            place(tmp_path / "site", f"{name}_module", text, {f"plabctl.backoffs {name}": "it"})
        shop = Shop(tmp_path, tmp_path / "site", REST + AS_BACKOFF.replace("broken", "named"))
        modules = imported(shop, "config", "check")

        assert not {"named_module", "other_module", "plabctl.plugins.check_value"} & modules
        assert (tmp_path / "named").exists()
        assert not (tmp_path / "other").exists()


POOLS, BACKOFFS, RECIPES = "plabctl.pools broken", "plabctl.backoffs broken", "plabctl.recipes broken"
AS_KIND = PLAIN_GOOD.replace('kind = "good"', 'kind = "broken"')
AS_BACKOFF = PLAIN_GOOD + 'backoff = { kind = "broken", base = "5m" }\n'
AS_RECIPE = PLAIN_GOOD.replace('recipe = "plain"', 'recipe = "broken"')
LOADED: dict[str, tuple[str, str, str, str]] = {
    "import-error": ("import no_such_module", POOLS, AS_KIND, "No module named 'no_such_module'"),
    "exit": ("raise SystemExit('bye')", RECIPES, AS_RECIPE, "SystemExit: bye"),
    "no-such-object": ("", BACKOFFS, AS_BACKOFF, "has no attribute 'it'"),
    "pool-of-a-wrong-type": ("it = dict", POOLS, AS_KIND, "must be a subclass of plabctl's GoodPool or BadPool"),
    "abstract-pool": (
        (
            "from abc import abstractmethod\nfrom plabctl.core.pools.good import GoodPool\n"
            "class it(GoodPool):\n    @abstractmethod\n    def more(self): ...\n"
        ),
        POOLS,
        AS_KIND,
        "TypeError: Can't instantiate abstract class",
    ),
    "pool-that-raises": (
        (
            "from plabctl.core.pools.good import GoodPool\n"
            "class it(GoodPool):\n    def passed(self, member, reading): raise KeyError('lost')\n"
        ),
        POOLS,
        AS_KIND,
        "KeyError: 'lost'",
    ),
    "pool-that-judges-by-nothing": (
        (
            "from plabctl.core.pools.good import GoodPool\n"
            "class it(GoodPool):\n    def judge(self, member, reading): return None\n"
        ),
        POOLS,
        AS_KIND,
        "judged by NoneType",
    ),
    "back-off-of-a-wrong-type": ("it = 7", BACKOFFS, AS_BACKOFF, "must be a function, not int"),
    "back-off-that-raises": ("it = lambda *_: 1 / 0", BACKOFFS, AS_BACKOFF, "ZeroDivisionError"),
    "back-off-that-says-words": ("it = lambda *_: 'soon'", BACKOFFS, AS_BACKOFF, "it says 'soon', not a number"),
    "back-off-without-end": ("it = lambda *_: float('inf')", BACKOFFS, AS_BACKOFF, "it says inf seconds"),
    "recipe-of-a-wrong-type": ("it = {}", RECIPES, AS_RECIPE, "must be a plabctl.core.recipe.Recipe, not dict"),
    "recipe-that-tests-nothing": (
        "from plabctl.core.recipe import Recipe\nit = Recipe('x')",
        RECIPES,
        AS_RECIPE,
        "tests nothing",
    ),
    "recipe-that-raises": ("def it(): raise OSError('no disk')", RECIPES, AS_RECIPE, "OSError: no disk"),
}
KEYS = {POOLS: "pool.good.kind", BACKOFFS: "pool.good.backoff.kind", RECIPES: "pool.good.recipe"}
REST = CONFIG[: CONFIG.index("[pool.good]")] + CONFIG[CONFIG.index("[pool.bad]") :]


def test_a_recipe_that_runs_here_becomes_nobody_else() -> None:
    recipe = Recipe("x", Transport.LOCAL, check=Stage(run="true"), become=Become.SUDO)

    assert check_recipe("x", replace(recipe, become=Become.NONE)).name == "x"
    with pytest.raises(ValueError, match="become means nothing"):
        check_recipe("x", recipe)


class TestBroken:
    @pytest.mark.parametrize("case", LOADED)
    def test_its_pool_is_disabled_with_one_fault_and_all_else_goes_on(self, tmp_path: Path, case: str) -> None:
        text, point, pool, why = LOADED[case]
        shop = Shop(tmp_path, place(tmp_path / "site", "broken", text, {point: "it"}), REST + PLAIN_GOOD)
        shop.ok("node", "add", "pc1", "pc2")
        shop.break_node("pc2")
        shop.ok("tick")
        assert shop.pools() == {"pc1": "good", "pc2": "bad"}
        (shop.folder / "tested").unlink()
        shop.config.write_text(REST + pool)
        shop.ok("retest", "pc1", "pc2")

        checked, diagnosed = shop.run("config", "check"), shop.run("doctor")
        first, second = shop.run("tick"), shop.run("tick")

        told = f"plabctl.toml: {KEYS[point]}: "
        assert checked.code == 78
        assert [line for line in checked.err.splitlines() if told in line and why in line]
        assert [line for line in diagnosed.out.splitlines() if line.startswith("FAIL  plug-in: ") and why in line]
        assert first.code == 1
        assert len([line for line in first.err.splitlines() if told in line and why in line]) == 1
        assert "nothing is tested in pool 'good'" in first.err
        assert "Traceback" not in first.err
        assert second == Said(1, "", "")
        assert shop.tested() == {"pc2"}
        assert shop.pools() == {"pc1": "good", "pc2": "bad"}
        assert "none: its pool is disabled" in shop.ok("explain", "pc1")
        assert "none: its pool is disabled" in shop.ok("show", "pc1")
        assert "a plug-in cannot be used" in shop.ok("pool", "show", "good")
        assert "disabled" not in shop.ok("pool", "show", "bad")

        shop.config.write_text(REST + PLAIN_GOOD)
        mended = shop.run("tick")
        assert mended.code == 0
        assert "all is well again" in mended.err
        assert shop.tested() == {"pc1", "pc2"}

    @pytest.mark.parametrize(
        ("text", "point", "pool", "why"),
        [
            (
                (
                    "from plabctl.core.pools.good import GoodPool\n"
                    "class it(GoodPool):\n"
                    "    def passed(self, member, reading):\n"
                    "        if member.node == 'pc1': raise KeyError('lost')\n"
                    "        return super().passed(member, reading)\n"
                ),
                POOLS,
                AS_KIND,
                "failed on 'pc1': KeyError: 'lost'",
            ),
            (
                (
                    "from dataclasses import replace\nfrom plabctl.core.pools.base import Judgement\n"
                    "from plabctl.core.pools.good import GoodPool\n"
                    "class it(GoodPool):\n"
                    "    def passed(self, member, reading):\n"
                    "        gone = 'nowhere' if member.node == 'pc1' else member.pool\n"
                    "        return Judgement(replace(member, pool=gone, due_at=9e9))\n"
                ),
                POOLS,
                AS_KIND,
                "no pool is named 'nowhere'",
            ),
            (
                "def it(backoff, streak, age_s):\n    return {0: 1, 1: 1, 2: 1, 50: 1}[streak]\n",
                BACKOFFS,
                AS_BACKOFF,
                "failed for 3 equal results: KeyError: 3",
            ),
        ],
        ids=["kind", "judgement", "back-off"],
    )
    def test_what_fails_only_in_use_moves_nobody(
        self, tmp_path: Path, text: str, point: str, pool: str, why: str
    ) -> None:
        shop = Shop(tmp_path, place(tmp_path / "site", "broken", text, {point: "it"}), REST + pool)
        shop.ok("config", "check")
        shop.ok("node", "add", "pc1", "pc2")
        shop.break_node("pc2")
        said = [shop.run("tick")]
        while said[-1].code == 0 and len(said) < 4:
            shop.ok("retest", "pc1", "pc2")
            said.append(shop.run("tick"))

        assert said[-1].code == 1
        assert len([line for line in said[-1].err.splitlines() if KEYS[point] in line and why in line]) == 1
        assert "Traceback" not in said[-1].err
        assert shop.pools() == {"pc1": "good", "pc2": "bad"}
        node = shop.node("pc1")
        assert not node["testing"]
        assert _seconds(node["due_at"]) > _seconds(node["generated_at"])

    def test_two_packages_with_one_name_are_a_fault(self, tmp_path: Path) -> None:
        place(tmp_path / "site", "one", "it = lambda *_: 1.0", {BACKOFFS: "it"})
        place(tmp_path / "site", "two", "it = lambda *_: 1.0", {BACKOFFS: "it"})
        said = Shop(tmp_path, tmp_path / "site", REST + AS_BACKOFF).run("config", "check")

        assert said.code == 78
        assert "more than one package brings 'broken': one:it, two:it" in said.err

    @pytest.mark.parametrize("pool", [AS_KIND, AS_BACKOFF, AS_RECIPE], ids=["kind", "back-off", "recipe"])
    def test_a_name_that_nobody_brings_is_a_fault_of_the_configuration(self, desk: Desk, pool: str) -> None:
        desk.config.write_text(REST + pool)
        said = desk.run("tick")

        assert said.code == 78
        assert "broken" in said.err

    def test_a_listed_recipe_that_is_broken_disables_no_pool(self, tmp_path: Path) -> None:
        site = place(tmp_path / "site", "broken", "it = {}", {RECIPES: "it"})
        shop = Shop(tmp_path, site, f'plugin_recipes = ["broken"]\n{REST}{PLAIN_GOOD}')
        shop.ok("node", "add", "pc1")
        said = shop.run("tick")

        assert said.code == 1
        assert "plugin_recipes.broken: " in said.err
        assert shop.pools() == {"pc1": "good"}


IN_USE = """
import os, sys, time
from plabctl.core.pools.good import GoodPool

print("imported")

class it(GoodPool):
    def passed(self, member, reading):
        print("asked")
        if member.node != "trial":
            {act}
        return super().passed(member, reading)
"""

SLOW_TO_MAKE = """
import time
from plabctl.core.pools.good import GoodPool

class it(GoodPool):
    def __init__(self, *given):
        time.sleep(1.5)
        super().__init__(*given)
"""


class TestBounded:
    """Each with real commands: what a call may do is tested one by one in tests/config/test_plugincall.py."""

    def shop(self, folder: Path, act: str) -> Shop:
        site = place(folder / "site", "broken", IN_USE.format(act=act), {POOLS: "it"})
        shop = Shop(folder, site, REST + AS_KIND)
        shop.ok("node", "add", "pc1")
        return shop

    def test_what_it_prints_reaches_nobody_but_who_debugs(self, tmp_path: Path) -> None:
        shop = self.shop(tmp_path, "pass")

        assert shop.run("tick") == Said(0, "", "")
        assert json.loads(shop.ok("status", "-o", "json"))["counts"] == {"bad": 0, "good": 1}
        said = shop.run("status", "-o", "json", environ={"PLABCTL_DEBUG": "1"})
        assert "imported" in said.err
        assert json.loads(said.out)["counts"] == {"bad": 0, "good": 1}

    @pytest.mark.parametrize(
        ("act", "why"),
        [
            ("os._exit(0)", "it ended its process with exit code 0"),
            ("sys.exit(0)", "SystemExit: 0"),
            ("time.sleep(600)", "it did not answer within 1 s"),
        ],
    )
    def test_a_tick_says_that_its_pool_was_not_judged(self, tmp_path: Path, act: str, why: str) -> None:
        shop = self.shop(tmp_path, act)
        began = time.monotonic()
        said = shop.run("tick")

        assert (said.code, said.out) == (1, "")
        assert f"pool.good.kind: the plug-in 'broken' failed on 'pc1': {why}" in said.err
        assert shop.pools() == {"pc1": "good"}  # the built-in kind of the bad pool judged it as ever
        assert shop.tested() == {"pc1"}
        assert time.monotonic() - began < 30

    def test_it_does_not_keep_the_state_locked(self, tmp_path: Path) -> None:
        shop = self.shop(tmp_path, "open('asked', 'w'); time.sleep(600)")
        with shop.running("tick") as tick:
            end = time.monotonic() + 30
            while not (tmp_path / "asked").exists() and time.monotonic() < end:
                time.sleep(0.02)
            assert (tmp_path / "asked").exists()
            shop.config.write_text(REST + PLAIN_GOOD)  # what follows asks no plug-in
            began = time.monotonic()
            shop.ok("hold", "pc1", "--reason", "mine")
            assert time.monotonic() - began < 8
            assert tick.wait(30) == 1

    def test_a_pool_has_more_time_to_be_tried_than_to_judge_in_use(self, tmp_path: Path) -> None:
        site = place(tmp_path / "site", "slow", SLOW_TO_MAKE, {"plabctl.pools broken": "it"})
        shop = Shop(tmp_path, site, REST + AS_KIND)

        assert "no errors found" in shop.ok("config", "check")
        assert shop.run("tick") == Said(0, "", "")

    def test_a_plug_in_that_sleeps_when_it_is_imported_is_given_up(self, tmp_path: Path) -> None:
        site = place(tmp_path / "site", "broken", "import time\ntime.sleep(600)\n", {POOLS: "it"})
        shop = Shop(tmp_path, site, REST + AS_KIND)
        began = time.monotonic()
        said = shop.run("config", "check")

        assert said.code == 78
        assert "pool.good.kind: the plug-in 'broken' cannot be used: it did not answer within 10 s" in said.err
        assert time.monotonic() - began < 30
