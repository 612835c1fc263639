"""What the scheduler decides, without a network: above all that no test is begun twice, whatever happens in between."""

from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from plabctl.executors.dask.protocol import PROTOCOL, Message
from plabctl.executors.dask.registry import KEEP_S, NO_WORKER_S, OFFER_S, Registry

NOW = 1000.0


def hello(name: str = "w", site: str = "north", slots: int = 2, **more: Any) -> Message:
    own = {"name": name, "site": site, "slots": slots, "version": "1", "protocol": PROTOCOL}
    return {**own, "running": {}, "reports": {}, **more}


def job(token: str, site: str = "north", away_from: Sequence[str] = (), begin_by: float = NOW + 45) -> Message:
    times = {"begin_by": begin_by, "end_by": begin_by + 100}
    return {"token": token, "site": site, "away_from": list(away_from), "document": f"<{token}>", **times}


def make_registry(*workers: tuple[str, str]) -> Registry:
    registry = Registry(NOW - 100)
    for address, site in workers:
        registry.add_worker(address, hello(address, site), NOW)
    registry.attach("c1", "m", NOW)
    registry.take()
    return registry


def sent(registry: Registry) -> list[tuple[str, str, str]]:
    return [(to, message["op"], message.get("token", "")) for to, message in registry.take()]


def only(registry: Registry) -> Message:
    ((_, message),) = registry.take()
    return message


def begin(registry: Registry, token: str, worker: str = "w1") -> None:
    registry.submit("c1", job(token), NOW)
    registry.accept(worker, token, NOW)
    registry.take()


def test_a_test_goes_to_a_worker_of_its_site_and_its_report_back() -> None:
    registry = make_registry(("w1", "south"), ("w2", "north"))

    registry.submit("c1", job("t"), NOW)
    assert sent(registry) == [("w2", "plabctl-offer", "t")]
    registry.accept("w2", "t", NOW + 1)
    (_, message), (to, begun) = registry.take()
    assert (to, begun["op"]) == ("c1", "begun")
    assert (message["document"], message["begin_in_s"], message["monitor"]) == ("<t>", 5, "m")
    registry.report("w2", "t", "m", "{}", NOW + 2)
    assert sent(registry) == [("w2", "plabctl-ack", "t"), ("c1", "report", "t")]


def test_a_second_look_is_made_from_another_site_where_there_is_one() -> None:
    registry = make_registry(("w1", "south"), ("w2", "north"))

    registry.submit("c1", job("t", away_from=["north"]), NOW)
    assert sent(registry) == [("w1", "plabctl-offer", "t")]
    registry.remove_worker("w1", NOW)
    assert sent(registry) == [("w2", "plabctl-offer", "t")]


def test_of_several_places_that_tell_little_the_last_is_taken_where_there_is_no_other() -> None:
    registry = make_registry(("w1", "east"), ("w2", "north"), ("w3", "south"))

    registry.submit("c1", job("t", away_from=["south", "north"]), NOW)
    assert sent(registry) == [("w1", "plabctl-offer", "t")]
    registry.remove_worker("w1", NOW)
    assert sent(registry) == [("w2", "plabctl-offer", "t")]


def test_what_was_offered_and_not_begun_goes_to_another_worker_and_the_first_may_not_begin_it() -> None:
    registry = make_registry(("w1", "north"), ("w2", "north"))
    registry.submit("c1", job("t"), NOW)
    assert sent(registry) == [("w1", "plabctl-offer", "t")]

    registry.sweep(NOW + OFFER_S + 1)
    assert sent(registry) == [("w2", "plabctl-offer", "t")]
    registry.accept("w1", "t", NOW + 7)
    assert sent(registry) == [("w1", "plabctl-drop", "t")]
    registry.accept("w2", "t", NOW + 7)
    assert sent(registry) == [("w2", "plabctl-run", "t"), ("c1", "begun", "t")]


def test_what_was_begun_waits_for_its_worker() -> None:
    registry = make_registry(("w1", "north"), ("w2", "north"))
    begin(registry, "t")

    registry.remove_worker("w1", NOW + 1)
    assert only(registry)["reason"] == "worker 'w1' at site 'north' was lost while it made this test"
    registry.sweep(NOW + 20)
    assert sent(registry) == []
    registry.add_worker("w1b", hello("w1", reports={"t": ["m", "{}"]}), NOW + 30)
    assert sent(registry) == [("w1b", "plabctl-welcome", ""), ("w1b", "plabctl-ack", "t"), ("c1", "report", "t")]


def test_a_scheduler_that_was_restarted_learns_from_the_workers_what_runs() -> None:
    registry = Registry(NOW)
    registry.attach("c1", "m", NOW + 1)
    registry.adopt("c1", "t", 5.0, NOW + 100, NOW + 1)
    registry.take()
    registry.add_worker("w1", hello(running={"t": ["m", 99.0]}), NOW + 2)
    registry.report("w1", "t", "m", "{}", NOW + 3)

    assert ("c1", "report", "t") in sent(registry)


def test_what_a_dead_tick_never_handed_in_is_refused_for_ever() -> None:
    registry = make_registry(("w1", "north"))

    registry.adopt("c1", "t", 5.0, NOW + 100, NOW)
    assert only(registry)["op"] == "refused"
    registry.acknowledge("t")
    registry.submit("c1", job("t"), NOW + 1)
    assert sent(registry) == []


def test_reports_wait_for_the_next_connection_of_their_monitor_and_for_no_other() -> None:
    registry = make_registry(("w1", "north"))
    begin(registry, "t")
    registry.detach("c1")
    registry.report("w1", "t", "m", "{}", NOW)
    registry.take()

    registry.attach("c2", "other", NOW)
    assert sent(registry) == [("c2", "welcome", "")]
    registry.attach("c3", "m", NOW)
    assert sent(registry) == [("c3", "welcome", ""), ("c3", "report", "t")]
    registry.acknowledge("t")
    registry.detach("c3")
    registry.attach("c4", "m", NOW)
    assert sent(registry) == [("c4", "welcome", "")]


def test_reports_that_nobody_fetches_are_forgotten() -> None:
    registry = make_registry(("w1", "north"))
    begin(registry, "t")
    registry.detach("c1")
    registry.report("w1", "t", "m", "{}", NOW)
    registry.sweep(NOW + KEEP_S + 1)
    registry.take()

    registry.attach("c2", "m", NOW)
    assert sent(registry) == [("c2", "welcome", "")]


def test_a_refusal_names_its_reason() -> None:
    alone = make_registry()
    alone.submit("c1", job("t"), NOW)
    alone.sweep(NOW + NO_WORKER_S - 1)
    assert alone.take() == []
    alone.sweep(NOW + NO_WORKER_S + 1)
    assert only(alone)["reason"] == "no worker is connected to the scheduler"

    other = make_registry()
    other.add_worker("w1", hello("w1", protocol=PROTOCOL + 1, version="9"), NOW)
    assert only(other)["problem"] == "it runs plabctl 9, of another version than the scheduler"
    other.submit("c1", job("t"), NOW)
    other.sweep(NOW + NO_WORKER_S + 1)
    assert "worker 'w1' at site 'north' gets no tests: it runs plabctl 9" in only(other)["reason"]

    full = make_registry(("w1", "north"))
    for token in ("a", "b"):
        begin(full, token)
    full.submit("c1", job("t"), NOW)
    full.sweep(NOW + 46)
    assert only(full)["reason"] == "all slots of the workers at north were taken until it was too late to begin"


def test_a_test_that_is_cancelled_before_it_began_never_begins() -> None:
    registry = make_registry(("w1", "north"))
    registry.submit("c1", job("t"), NOW)
    registry.take()

    registry.cancel("t")
    assert only(registry)["cause"] == "interrupted"
    registry.accept("w1", "t", NOW)
    assert sent(registry) == [("w1", "plabctl-drop", "t")]


def test_a_worker_that_asks_again_for_what_it_runs_gets_no_more_tests_by_that() -> None:
    """As one does whose answer was so late that the test was offered to it a second time."""
    registry = make_registry(("w1", "north"))
    begin(registry, "a")
    begin(registry, "b")

    registry.accept("w1", "a", NOW)
    registry.submit("c1", job("c"), NOW)

    assert sent(registry) == [("w1", "plabctl-drop", "a")]


TOKENS, WORKERS = st.sampled_from(["t1", "t2", "t3"]), st.sampled_from(["w1", "w2", "w3"])


class AtMostOnce(RuleBasedStateMachine):
    """Messages in any order, connections lost at any time: a token is begun once, a full worker begins nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.registry = Registry(self.now)
        self.begun: list[str] = []
        self.running: dict[str, set[str]] = {}
        self.registry.attach("c1", "m", self.now)

    @rule(token=TOKENS, site=st.sampled_from(["north", "south"]))
    def submit(self, token: str, site: str) -> None:
        self.registry.submit("c1", job(token, site, begin_by=self.now + 20), self.now)

    @rule(worker=WORKERS, site=st.sampled_from(["north", "south"]))
    def connect(self, worker: str, site: str) -> None:
        if worker not in self.running:
            self.running[worker] = set()
            self.registry.add_worker(worker, hello(worker, site, 1), self.now)

    @precondition(lambda self: self.running)
    @rule(worker=WORKERS)
    def lose(self, worker: str) -> None:
        self.running.pop(worker, None)
        self.registry.remove_worker(worker, self.now)

    @rule(worker=WORKERS, token=TOKENS)
    def accept(self, worker: str, token: str) -> None:
        self.collect()
        self.registry.accept(worker, token, self.now)

    @rule(worker=WORKERS, token=TOKENS)
    def report(self, worker: str, token: str) -> None:
        if token in self.running.get(worker, ()):
            self.running[worker].discard(token)
            self.registry.report(worker, token, "m", "{}", self.now)

    @rule(token=TOKENS)
    def adopt(self, token: str) -> None:
        self.registry.adopt("c1", token, 1.0, self.now + 50, self.now)

    @rule(seconds=st.sampled_from([0.5, 6.0, 30.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.registry.sweep(self.now)

    @invariant()
    def collect(self) -> None:
        for to, message in self.registry.take():
            if message["op"] == "plabctl-run":
                self.begun.append(message["token"])
                self.running[to].add(message["token"])
                assert message["begin_in_s"] > 0
        assert len(self.begun) == len(set(self.begun))
        assert all(len(tokens) <= 1 for tokens in self.running.values())


AtMostOnce.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


class TestAtMostOnce(AtMostOnce.TestCase):  # type: ignore[valid-type,misc]  # hypothesis makes it
    """The machine, as a test."""
