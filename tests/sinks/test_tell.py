import time
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from plabctl.clock import Clock, SystemClock
from plabctl.core.model import Event
from plabctl.core.settings import ANYWHERE, RECORD, SinkSettings
from plabctl.errors import StoreError
from plabctl.history.database import History
from plabctl.sinks.base import SinkContext, SinkKind, TellResult
from plabctl.sinks.tell import GIVE_UP_AFTER_S, BatchResult, Receipt, tell_sinks
from tests.manual_clock import ManualClock
from tests.sinks.test_command import MARGIN_S, NOW, event, hook, shell


def clock() -> ManualClock:
    return ManualClock(NOW)


def tell_all(
    sinks: Sequence[SinkSettings],
    events: Sequence[Event],
    time_source: Clock,
    budget_s: float,
    receipts: Collection[Receipt] = (),
    state_dir: str = "/nowhere",
) -> BatchResult:
    return tell_sinks(sinks, events, time_source, budget_s, SinkContext(state_dir, ANYWHERE), receipts)


def test_the_record_takes_every_event_before_the_others_and_whatever_the_budget(tmp_path: Path) -> None:
    events = [event(1), event(2, "probe")]
    sink = shell(f"echo told >{tmp_path}/told")

    delivery = tell_all([sink, RECORD], events, clock(), 0, state_dir=str(tmp_path))

    assert [record.event.id for record in History(tmp_path).read()] == ["id1", "id2"]
    assert delivery.delivered == {"id2"}
    assert not (tmp_path / "told").exists()


def test_nobody_is_told_what_is_not_on_record(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()

    with pytest.raises(StoreError):
        tell_all([RECORD, shell(f"echo told >{tmp_path}/told")], [event(1)], clock(), 60, state_dir=str(tmp_path))

    assert not (tmp_path / "told").exists()


class _Batches(SinkKind):
    """A sink that takes batches, and refuses the first `failures` of them."""

    name = "batches"
    takes_batches = True

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.told: list[list[str]] = []

    def identify(self, own: SinkSettings) -> str:
        return own.kind

    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        self.told.append([each.id for each in events])
        return TellResult(ok=len(self.told) > self.failures, error="no" * (len(self.told) <= self.failures))


def test_a_sink_that_takes_batches_is_told_of_all_events_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = _Batches(failures=1)
    monkeypatch.setattr("plabctl.sinks.tell.find", lambda _point, _name: kind)
    sink, events = SinkSettings("batches", ("transition",)), [event(1), event(2, "hold"), event(3)]

    first = tell_all([sink], events, clock(), 60)
    second = tell_all([sink], [event(1), event(3), event(4)], clock(), 60, first.receipts)
    third = tell_all([sink], [event(5, "hold")], clock(), 60)

    assert kind.told == [["id1", "id3"], ["id1", "id3", "id4"]]
    assert (first.delivered, first.faults) == (frozenset({"id2"}), ("no",))
    assert (second.delivered, second.faults) == (frozenset({"id1", "id3", "id4"}), ())
    assert third.delivered == {"id5"}


def test_a_sink_whose_kind_is_broken_keeps_its_events_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = _Batches(failures=0)
    kind.fault = "the plug-in cannot be used"
    monkeypatch.setattr("plabctl.sinks.tell.find", lambda _point, _name: kind)

    delivery = tell_all([SinkSettings("batches", ("transition",))], [event(1)], clock(), 60)

    assert (delivery.delivered, delivery.faults) == (frozenset(), (kind.fault,))
    assert kind.told == []


def test_each_hook_hears_of_the_kinds_it_wants_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    moves = shell(f"echo moves $PLABCTL_EVENT_ID >>{log}")
    holds = shell(f"echo holds $PLABCTL_EVENT_ID >>{log}", on=("hold", "release"))
    events = [event(1), event(2, "hold"), event(3, "probe"), event(4)]

    delivery = tell_all([moves, holds], events, clock(), 60)

    assert log.read_text().split("\n") == ["moves id1", "moves id4", "holds id2", ""]
    assert delivery.delivered == {"id1", "id2", "id3", "id4"}
    assert (delivery.receipts, delivery.faults) == (frozenset(), ())


def test_without_hooks_everybody_was_told() -> None:
    assert tell_all([], [event(1)], clock(), 60).delivered == {"id1"}


def test_a_hook_that_fails_is_tried_once_and_the_others_are_not_told_twice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    good = shell(f"echo good $PLABCTL_EVENT_ID >>{log}")
    broken = shell(f"echo broken $PLABCTL_EVENT_ID >>{log}; test -e {tmp_path}/mended")
    events = [event(1), event(2), event(3, "hold")]

    first = tell_all([good, broken], events, clock(), 60)

    assert log.read_text().split() == ["good", "id1", "good", "id2", "broken", "id1"]
    assert first.delivered == {"id3"}
    assert len(first.faults) == 1

    (tmp_path / "mended").touch()
    log.unlink()
    second = tell_all([good, broken], events[:2], clock(), 60, first.receipts)

    assert log.read_text().split() == ["broken", "id1", "broken", "id2"]
    assert second.delivered == {"id1", "id2"}
    assert (second.receipts, second.faults) == (frozenset(), ())


def test_a_hook_that_cannot_be_run_holds_nothing_up() -> None:
    delivery = tell_all([hook("/no/such/hook")], [event(1), event(2)], clock(), 60)

    assert delivery.delivered == {"id1", "id2"}
    assert delivery.faults == ("hook '/no/such/hook': cannot be run: no such file or directory",)


def test_old_news_is_dropped() -> None:
    later = clock()
    later.advance(GIVE_UP_AFTER_S)

    assert tell_all([hook("/bin/false")], [event(1)], clock(), 60).delivered == frozenset()
    assert tell_all([hook("/bin/false")], [event(1)], later, 60).delivered == {"id1"}


def test_a_delivery_keeps_to_its_budget() -> None:
    began = time.monotonic()
    events = [event(number) for number in range(20)]

    delivery = tell_all([shell("sleep 0.2"), hook("/bin/sleep", "60")], events, SystemClock(), 1.0)

    assert time.monotonic() - began < 1.0 + MARGIN_S
    assert delivery.delivered == frozenset()
    assert len(delivery.receipts) <= 5
