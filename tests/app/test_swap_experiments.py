"""Experiments over real ticks: the vnodes are directories, so that what stands where can be looked up."""

import json
import random
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.app import swap_experiments as use
from plabctl.clock import SystemClock
from plabctl.core import enrolment, node_orders
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.experiments.model import Experiment
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import ExperimentSettings
from plabctl.errors import Refused
from plabctl.store.store import Store
from plabctl.views.experiments import find_overview, read_overview
from tests.app.installation import Installation
from tests.app.test_tick import until
from tests.builders import make_order

DAY_S = 86400.0
QUICK = Backoff(ADDITIVE, base_s=0.2, step_s=0.0, max_s=0.2, jitter_s=0.0)


def substrate(folder: Path, *, pause: str = "0.05") -> Recipe:
    """A vnode is a directory `vnodes/NODE/VNODE`; a second set-up where one stands is written down as a crime.

    A file `NODE.bad` makes all stages fail, as when a node is dead.
    """
    vnode = f"{folder}/vnodes/$PLABCTL_NODE/$PLABCTL_VNODE"
    alive = f"test ! -e {folder}/$PLABCTL_NODE.bad || exit 2; "
    setup = (
        f"{alive}mkdir -p {folder}/vnodes/$PLABCTL_NODE; sleep {pause};"
        f" mkdir {vnode} 2>/dev/null || {{ echo $PLABCTL_NODE >> {folder}/crimes; exit 2; }}"
    )
    return Recipe(
        "place",
        transport=Transport.LOCAL,
        setup=Stage(run=setup, timeout_s=20.0),
        check=Stage(run=f"{alive}test -d {vnode} || exit 2", timeout_s=5.0),
        teardown=Stage(run=f"{alive}rm -rf {vnode}; echo $PLABCTL_VNODE >> {folder}/torn-down", timeout_s=5.0),
    )


class LeapingClock(SystemClock):
    """The machine's clocks, of which the wall clock is set a day ahead as soon as `by` exists."""

    def __init__(self, by: Path) -> None:
        super().__init__()
        self._by = by

    def now(self) -> float:
        return super().now() + self._by.exists() * DAY_S


class Site(Installation):
    """An installation with the recipe `place` for experiments, and a health test that takes no time."""

    def __init__(self, folder: Path, *names: str, pause: str = "0.05", **own: object) -> None:
        place = substrate(folder, pause=pause)
        super().__init__(folder)
        recipes = {**self.settings.recipes, "place": place}
        experiment = replace(ExperimentSettings(recipe="place", retry=QUICK, grace_s=0.3), **own)  # type: ignore[arg-type]  # any field of it
        self.settings = replace(self.settings, recipes=recipes, experiment=experiment, window=4)
        self.app = replace(self.app, settings=self.settings)
        if names:
            self.add(*names)
            self.tick()

    def order(self) -> node_orders.Order:
        return make_order(now=self.clock.now(), seed=random.randrange(10**9))

    def swap_in(self, name: str = "exp", **wanted: object) -> use.SwapResult:
        experiment = replace(Experiment(name, "", "", 0.0), **wanted)  # type: ignore[arg-type]  # any field of it
        return use.swap_in(self.app, experiment, self.order())

    def swap_out(self, name: str = "exp", *, force: bool = False) -> use.SwapResult:
        return use.swap_out(self.app, name, self.order(), force=force)

    def remove(self, *names: str) -> None:
        with self.store.session() as state:
            state.apply(enrolment.remove_nodes(state, names, self.order()))

    def states(self, name: str = "exp") -> dict[str, str]:
        return {place.vnode.node: place.state.value for place in read_overview(self.store.snapshot(), name).vnode_views}

    def placement(self) -> dict[str, int]:
        """How many vnodes stand on each node that has any."""
        folder = self.folder / "vnodes"
        found = {path.name: len(list(path.iterdir())) for path in folder.iterdir()} if folder.exists() else {}
        return {name: count for name, count in found.items() if count}

    def crimes(self) -> list[str]:
        path = self.folder / "crimes"
        return path.read_text().split() if path.exists() else []

    def delivered(self, *kinds: str) -> list[str]:
        return [f"{record.event.kind} {record.event.node or ''}".strip() for record in self.history(*kinds)]

    def ticks_until(self, true: object, *, seconds: float = 30.0) -> None:
        """Let ticks come until `true()`."""
        assert callable(true)
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it never came true"
            self.tick()
            time.sleep(0.05)


def test_a_swap_in_is_carried_out_by_ticks_and_a_swap_out_leaves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2", "n3")

    ordered = site.swap_in(nodes=("n1", "n2"))
    assert ordered.overview is not None
    assert ordered.overview.counts == {"pending": 2}
    site.tick()

    assert site.states() == {"n1": "up", "n2": "up"}
    assert site.placement() == {"n1": 1, "n2": 1}
    told = site.delivered("vnode-up", "experiment-in", "experiment-ready")
    assert (told[0], sorted(told[1:3]), told[3]) == (
        "experiment-in", ["vnode-up n1", "vnode-up n2"], "experiment-ready",
    )  # fmt: skip
    site.swap_out()
    site.tick()
    assert find_overview(site.store.snapshot(), "exp") is None
    assert site.placement() == {}
    assert site.delivered("experiment-leaving", "experiment-gone") == ["experiment-leaving", "experiment-gone"]


def test_waiting_sets_up_here_and_now_and_says_how_it_went(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2")
    site.swap_in(nodes=("n1", "n2"))
    seen: list[dict[str, int]] = []

    waited = use.wait_for_up(site.app, "exp", on_progress=lambda overview: seen.append(overview.counts))

    assert waited.exit_code == 0
    assert waited.overview is not None
    assert waited.overview.counts == {"up": 2}
    assert seen[0] == {"pending": 2}
    site.swap_out()
    assert use.wait_for_gone(site.app, "exp").exit_code == 0
    assert site.placement() == {}


def test_waiting_without_an_end_stops_when_each_was_tried(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2")
    site.break_node("n2")
    site.swap_in(nodes=("n1", "n2"))

    waited = use.wait_for_up(site.app, "exp")

    assert waited.exit_code == 1
    assert waited.overview is not None
    assert [place.vnode.node for place in waited.overview.not_up] == ["n2"]
    assert site.states() == {"n1": "up", "n2": "failed"}


def test_waiting_with_an_end_goes_on_trying_until_then(tmp_path: Path) -> None:
    import threading

    site = Site(tmp_path, "n1")
    site.break_node("n1")
    site.swap_in(nodes=("n1",))
    threading.Timer(1.0, site.mend_node, ["n1"]).start()

    assert use.wait_for_up(site.app, "exp", timeout_s=20).exit_code == 0
    assert site.states() == {"n1": "up"}
    tries = read_overview(site.store.snapshot(), "exp").vnode_views[0].vnode.tries
    assert tries > 1


def test_waiting_ends_at_its_end_also_when_a_set_up_runs(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", pause="15")
    site.swap_in(nodes=("n1",))
    began = time.monotonic()

    waited = use.wait_for_up(site.app, "exp", timeout_s=0.5)

    assert time.monotonic() - began < 5
    assert waited.exit_code == 1
    assert not site.store.snapshot().claims


def test_who_waits_for_an_experiment_that_is_swapped_out_is_told(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1")
    site.break_node("n1")
    site.swap_in(nodes=("n1",))
    site.tick()
    site.swap_out()

    assert use.wait_for_up(site.app, "exp", timeout_s=20).exit_code == 1


def test_a_dead_vnode_is_set_up_again(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", check=QUICK)
    site.swap_in(nodes=("n1",))
    site.tick()
    (path,) = (tmp_path / "vnodes" / "n1").iterdir()
    path.rmdir()

    site.ticks_until(lambda: site.delivered("vnode-recovered"))

    assert site.placement() == {"n1": 1}
    assert site.crimes() == []


def test_what_was_failed_is_up_when_the_node_is_back(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2")
    site.break_node("n2")
    site.swap_in(nodes=("n1", "n2"))
    site.tick()
    assert site.states() == {"n1": "up", "n2": "failed"}

    site.mend_node("n2")
    site.ticks_until(lambda: site.states() == {"n1": "up", "n2": "up"})


def test_swap_out_goes_on_until_all_is_torn_down(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2")
    site.swap_in(nodes=("n1", "n2"))
    site.tick()
    site.break_node("n2")
    site.swap_out()

    waited = use.wait_for_gone(site.app, "exp")
    assert waited.exit_code == 1
    assert site.states() == {"n2": "leaving"}
    assert site.placement() == {"n2": 1}
    with pytest.raises(Refused, match="still being swapped out"):
        site.swap_in(nodes=("n1",))

    site.mend_node("n2")
    site.ticks_until(lambda: not site.store.snapshot().experiments)
    assert site.placement() == {}


def test_a_recipe_that_is_gone_is_said_and_what_was_never_set_up_can_leave(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1")
    site.swap_in(nodes=("n1",))
    recipes = {name: recipe for name, recipe in site.settings.recipes.items() if name != "place"}
    site.app = replace(site.app, settings=replace(site.settings, recipes=recipes))

    site.tick()
    last = read_overview(site.store.snapshot(), "exp").vnode_views[0].vnode.last
    assert last is not None
    assert (last.outcome, last.reason) == ("unknown", "recipe 'place' is not configured")
    site.swap_out()
    assert find_overview(site.store.snapshot(), "exp") is None


def test_force_forgets_and_says_what_is_left(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2")
    site.swap_in(nodes=("n1", "n2"))
    site.tick()
    site.break_node("n1")

    ordered = site.swap_out(force=True)

    assert ordered.overview is None
    assert sorted(vnode.node for vnode in ordered.leftovers) == ["n1", "n2"]
    assert not list(site.store.snapshot().vnodes())
    assert site.tick() == 0


def test_the_command_of_an_experiment_is_told_of_its_own_events_to_the_last(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2")
    for name in ("one", "two"):
        site.swap_in(name, nodes=("n1",), hook=("sh", "-c", f"cat >> {tmp_path}/{name}.jsonl"))
    site.tick()
    site.swap_out("one")
    site.tick()

    events = [json.loads(line) for line in (tmp_path / "one.jsonl").read_text().splitlines()]
    assert [event["kind"] for event in events] == [
        "vnode-up", "experiment-ready", "experiment-leaving", "vnode-gone", "experiment-gone",
    ]  # fmt: skip
    assert {event["data"]["experiment"] for event in events} == {"one"}
    assert len((tmp_path / "two.jsonl").read_text().splitlines()) == 2


def test_a_count_replaces_members_whose_node_stays_bad(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2", "n3")
    site.swap_in(count=2)
    site.tick()
    name = min(site.states())
    site.break_node(name)
    site.make_due(name)
    site.tick()

    site.ticks_until(lambda: sorted(site.states().values()) == ["leaving", "up", "up"])
    assert site.delivered("vnode-replaced") == [f"vnode-replaced {name}"]
    site.mend_node(name)
    site.ticks_until(lambda: name not in site.states())
    assert sum(site.placement().values()) == 2


def test_an_experiment_on_all_nodes_follows_them(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", "n2")
    site.swap_in(is_everywhere=True)
    site.add("n3")
    site.tick()
    assert site.states() == {"n1": "up", "n2": "up", "n3": "up"}

    site.remove("n1")
    site.tick()
    assert site.states() == {"n2": "up", "n3": "up"}
    site.break_node("n2")
    site.make_due("n2")
    site.ticks_until(lambda: site.states().get("n2") == "leaving")
    site.mend_node("n2")
    site.make_due("n2")
    site.ticks_until(lambda: site.states() == {"n2": "up", "n3": "up"})
    assert site.placement() == {"n2": 1, "n3": 1}
    assert site.crimes() == []


def test_a_tick_told_to_stop_leaves_what_the_next_one_cleans(tmp_path: Path) -> None:
    site = Site(tmp_path, *(f"n{number}" for number in range(6)), pause="0.7")
    site.swap_in(nodes=tuple(f"n{number}" for number in range(6)))
    process = site.spawn_tick()
    until(lambda: len(site.store.snapshot().claims) >= 4)
    process.terminate()
    output, _ = process.communicate(timeout=10)
    assert (process.returncode, output) == (143, "")
    assert not site.store.snapshot().claims

    site.ticks_until(lambda: set(site.states().values()) == {"up"})

    assert site.placement() == {f"n{number}": 1 for number in range(6)}
    assert site.crimes() == []


def test_the_vnodes_of_killed_ticks_are_set_up_exactly_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    names = [f"n{number}" for number in range(10)]
    site = Site(tmp_path, *names, pause="0.2", check=QUICK)
    site.swap_in("list", nodes=tuple(names[:6]))
    site.swap_in("count", count=4)
    site.swap_in("all", is_everywhere=True)
    end = time.monotonic() + 12
    running = [site.spawn_tick()]
    while time.monotonic() < end:
        time.sleep(rng.uniform(0.3, 0.9))
        running.append(site.spawn_tick())
        victim = rng.choice(running)
        (victim.kill if rng.random() < 0.7 else victim.terminate)()
        name = rng.choice(names)
        path = tmp_path / f"{name}.bad"
        (path.unlink if path.exists() else path.touch)()
    for process in running:
        process.kill()
        process.communicate()
    for path in tmp_path.glob("*.bad"):
        path.unlink()

    def is_settled() -> bool:
        overviews = [read_overview(site.store.snapshot(), name) for name in ("list", "count", "all")]
        # What was in bad has to prove itself again, and waits for that.
        site.make_due()
        return all(
            {place.state.value for place in overview.vnode_views} == {"up"}
            and len(overview.vnode_views) == {"list": 6, "count": 4, "all": 10}[overview.experiment.name]
            for overview in overviews
        )

    site.ticks_until(is_settled, seconds=60)
    wanted = {vnode.vnode: vnode.node for vnode in site.store.snapshot().vnodes()}
    assert on_disk(tmp_path, names) == wanted
    for name in ("list", "count", "all"):
        site.swap_out(name)
    site.ticks_until(lambda: not site.store.snapshot().experiments)
    assert site.placement() == {}


def on_disk(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The node of each vnode that stands anywhere."""
    places = ((folder / "vnodes" / name, name) for name in names)
    return {path.name: name for place, name in places if place.exists() for path in place.iterdir()}


def test_a_time_out_is_not_shortened_by_a_clock_that_is_set_ahead(tmp_path: Path) -> None:
    site = Site(tmp_path, "n1", pause="0.5")
    site.swap_in(nodes=("n1",))
    clock = LeapingClock(tmp_path / "vnodes" / "n1")
    app = replace(site.app, clock=clock, store=Store(site.settings.state_dir, clock))

    waited = use.wait_for_up(app, "exp", timeout_s=60)

    assert clock.now() > SystemClock().now() + DAY_S / 2
    assert waited.exit_code == 0
    assert site.states() == {"n1": "up"}
