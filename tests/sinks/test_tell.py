from collections.abc import Sequence
from pathlib import Path

import pytest

from plabctl.core.model import Event
from plabctl.core.settings import ANYWHERE, RECORD, SinkSettings
from plabctl.errors import StoreError
from plabctl.history.database import History
from plabctl.history.sink_queues import SinkQueues
from plabctl.sinks import tell
from plabctl.sinks.base import SinkContext, SinkKind, TellResult
from tests.manual_clock import ManualClock
from tests.sinks.test_command import NOW, event, hook, shell


class Recorder(SinkKind):
    """A sink that notes what it is told, and refuses what is in `refused`."""

    name = "recorder"

    def __init__(self, *refused: str, is_batch: bool = False) -> None:
        self.refused = set(refused)
        self.is_batch = is_batch
        self.told: list[list[str]] = []

    def identify(self, own: SinkSettings) -> str:
        return own.kind

    def takes_batches(self, own: SinkSettings) -> bool:
        return self.is_batch

    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        self.told.append([each.id for each in events])
        is_refused = not self.refused.isdisjoint(self.told[-1])
        return TellResult(ok=not is_refused, error="no" * is_refused)


class Desk:
    """One sink with a queue in a history."""

    def __init__(self, folder: Path, kind: SinkKind | None = None, sink: SinkSettings | None = None) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.sink = sink or SinkSettings("recorder", ("transition",))
        self.queues = SinkQueues(folder)
        self.queues.record([event(0)])
        ((spec, _),) = tell.build_specs([self.sink]).values()
        self.queues.read_queues()
        self.queues.change([(spec, 1)], [])

    def record(self, *events: Event) -> None:
        self.queues.record(events)

    def tell(self, may_begin: int = 99) -> tell.TellSummary:
        left = iter([True] * may_begin)
        (queue,) = self.queues.read_queues()
        context = SinkContext(str(self.folder), ANYWHERE)
        return tell.tell_sink(self.sink, queue, self.queues, self.clock, context, lambda: next(left, False))


def use(kind: SinkKind, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tell, "find", lambda _point, _name: kind)


def test_the_record_takes_every_event(tmp_path: Path) -> None:
    events = [event(1), event(2, "probe")]

    tell.tell_records([RECORD], events, SinkContext(str(tmp_path), ANYWHERE))

    assert [record.event.id for record in History(tmp_path).read()] == ["id1", "id2"]


def test_a_record_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()

    with pytest.raises(StoreError):
        tell.tell_records([RECORD], [event(1)], SinkContext(str(tmp_path), ANYWHERE))


def test_a_sink_hears_of_the_kinds_it_wants_in_order_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Recorder()
    use(kind, monkeypatch)
    desk = Desk(tmp_path)
    desk.record(event(1), event(2, "hold"), event(3))

    first = desk.tell()
    desk.record(event(4))
    second = desk.tell()

    assert kind.told == [["id1"], ["id3"], ["id4"]]
    assert (first, second) == (tell.TellSummary(4), tell.TellSummary(5))


def test_a_sink_that_fails_keeps_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Recorder("id2")
    use(kind, monkeypatch)
    desk = Desk(tmp_path)
    desk.record(event(1), event(2), event(3))

    assert desk.tell() == tell.TellSummary(2, 2, "no")
    kind.refused.clear()
    assert desk.tell() == tell.TellSummary(4)

    assert kind.told == [["id1"], ["id2"], ["id2"], ["id3"]]


def test_nothing_more_is_begun_when_there_is_no_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Recorder()
    use(kind, monkeypatch)
    desk = Desk(tmp_path)
    desk.record(event(1), event(2), event(3))

    assert desk.tell(may_begin=1) == tell.TellSummary(2, 2)
    assert desk.tell() == tell.TellSummary(4)
    assert kind.told == [["id1"], ["id2"], ["id3"]]


def test_a_sink_that_takes_batches_is_told_of_all_events_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = Recorder("id3", is_batch=True)
    use(kind, monkeypatch)
    desk = Desk(tmp_path)
    desk.record(event(1), event(2, "hold"), event(3))

    assert desk.tell() == tell.TellSummary(1, 2, "no")
    kind.refused.clear()
    desk.tell()

    assert kind.told == [["id1", "id3"]] * 2


def test_a_batch_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Recorder(is_batch=True)
    use(kind, monkeypatch)
    monkeypatch.setattr("plabctl.history.sink_queues.MAX_BATCH", 2)
    desk = Desk(tmp_path)
    desk.record(*(event(number) for number in range(1, 6)))

    desk.tell()

    assert kind.told == [["id1", "id2"], ["id3", "id4"], ["id5"]]


def test_a_batch_of_much_output_has_fewer_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Recorder(is_batch=True)
    use(kind, monkeypatch)
    desk = Desk(tmp_path)
    loud = [{"stage": "setup", "seconds": 1.0, "exit_code": 0, "output": "x" * 3 * 1024**2}]
    desk.record(*(event(number, stages=loud) for number in range(1, 6)))

    desk.tell()

    assert kind.told == [["id1", "id2", "id3"], ["id4", "id5"]]


def test_a_row_that_is_none_of_ours_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Recorder()
    use(kind, monkeypatch)
    desk = Desk(tmp_path)
    desk.record(event(1, seconds="many"))

    assert desk.tell() == tell.TellSummary(2)
    desk.record(event(2))
    desk.tell()

    assert kind.told == [["id2"]]


def test_what_is_too_many_is_dropped_though_none_of_it_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Recorder(), monkeypatch)
    monkeypatch.setattr("plabctl.sinks.tell.MAX_WAITING", 4)
    desk = Desk(tmp_path)
    desk.record(*(event(number, seconds="many") for number in range(1, 6)))

    assert desk.tell().drop == tell.Drop(2, 3, 0.0, "more than 4 events waited")


def test_a_sink_whose_kind_is_broken_keeps_its_events_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Recorder()
    kind.fault = "the plug-in cannot be used"
    use(kind, monkeypatch)
    desk = Desk(tmp_path)
    desk.record(event(1))

    assert desk.tell() == tell.TellSummary(1, 1, kind.fault)
    assert kind.told == []


def test_a_hook_that_cannot_be_run_is_tried_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path, sink=hook("/no/such/hook"))
    desk.record(event(1), event(2))

    summary = desk.tell()

    assert (summary.seq, summary.waiting_count) == (1, 2)
    assert summary.error == "hook '/no/such/hook': cannot be run: no such file or directory"


def test_the_sink_of_an_experiment_hears_of_that_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    sink = shell(f"echo $PLABCTL_EVENT_ID >>{log}")
    sink = SinkSettings("command", ("vnode-up",), 20.0, sink.options, "web")
    desk = Desk(tmp_path, sink=sink)
    desk.record(event(1, "vnode-up", experiment="db"), event(2, "vnode-up", experiment="web"), event(3, "vnode-up"))

    assert not desk.tell().error

    assert log.read_text() == "id2\n"


def test_what_is_dropped_is_what_is_a_day_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Recorder("id1")
    use(kind, monkeypatch)
    desk = Desk(tmp_path)
    desk.record(event(1), event(2, "hold"), event(3))
    young = Event("id4", NOW + 7200, "transition", "pc1.x", "alice")
    desk.record(young)
    assert desk.tell().drop is None

    desk.clock.advance(86_400.0 + 3600)

    assert desk.tell().drop == tell.Drop(2, 4, NOW, "it failed for a day")
