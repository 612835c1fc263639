"""Sinks have queues, deadlines and back-offs of their own: none waits for another, and none loses an event."""

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.core.model import Event
from plabctl.core.notes import Document
from plabctl.core.settings import SinkSettings
from plabctl.core.sink_health import GIVE_UP_AFTER_S, RECEIPTS_NOTE, SINKS_NOTE, SinkHealth
from plabctl.core.state import Changes
from plabctl.errors import HookFault
from plabctl.history.sink_queues import SinkQueues
from plabctl.sinks.command import COMMAND
from tests.app.installation import Installation
from tests.app.test_tick import until
from tests.builders import make_hook


def shell(code: str, *on: str, timeout_s: float = 30.0, batch: bool = False) -> SinkSettings:
    sink = make_hook(on or ("transition",), ("sh", "-c", code), timeout_s)
    return replace(sink, options=replace(sink.options, batch=batch))  # type: ignore[type-var]  # of the command


def logging(path: Path, before: str = ":", *, batch: bool = False) -> SinkSettings:
    return shell(f"{before}; cat >>{path}", batch=batch)


def read_log(path: Path) -> list[str]:
    """The nodes of the events that a sink took, one for each."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line)["node"] for line in text.splitlines()]


def health(here: Installation) -> Sequence[SinkHealth]:
    return list(SINKS_NOTE.read(here.store.snapshot().notes).values())


def put(here: Installation, *events: Event, notes: dict[str, Document | None] | None = None) -> None:
    with here.store.session() as state:
        state.apply(Changes(events=events, notes=notes))


def moved(node: str, at: float) -> Event:
    return Event(f"id-{node}", at, "transition", node, "plabctl", {"from": "bad", "to": "good"})


@pytest.fixture
def now() -> float:
    return time.time()


def test_a_slow_sink_keeps_no_other_waiting_and_runs_to_its_end(tmp_path: Path, now: float) -> None:
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    here = Installation(tmp_path, hooks=(logging(slow, "sleep 1"), logging(quick)))
    put(here, *(moved(f"n{number}", now) for number in range(3)))
    process = here.spawn_tick()
    try:
        began = time.monotonic()
        until(lambda: len(read_log(quick)) == 3)
        assert read_log(slow) == []
        assert process.wait(30) == 0
        assert time.monotonic() - began > 2.5, "the slow one was told of each event, to the end"
    finally:
        process.kill()
        process.communicate()

    assert read_log(slow) == read_log(quick) == ["n0", "n1", "n2"]
    assert not here.store.snapshot().outbox
    assert health(here) == []


def test_while_one_tick_tells_a_slow_sink_others_tell_the_rest(tmp_path: Path, now: float) -> None:
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    here = Installation(tmp_path, hooks=(logging(slow, f"touch {tmp_path}/began; sleep 2"), logging(quick)))
    put(here, moved("n1", now))
    first = here.spawn_tick()
    try:
        until((tmp_path / "began").exists)
        until(lambda: not here.store.snapshot().outbox)
        assert [each.waiting_count for each in health(here)] == [1], "others see that it waits"
        put(here, moved("n2", now))

        began = time.monotonic()
        here.tick()

        assert time.monotonic() - began < 1.8, "it waits for nothing that another tick tells"
        assert read_log(quick) == ["n1", "n2"]
        assert first.wait(30) == 0
    finally:
        first.kill()
        first.communicate()
    here.tick()
    assert read_log(slow) == ["n1", "n2"], "in order, each once"
    assert health(here) == []


def test_a_tick_ends_although_much_waits_and_the_next_tells_the_rest(
    tmp_path: Path, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    here = Installation(tmp_path, hooks=(logging(log, "sleep 0.2"),))
    put(here, *(moved(f"n{number}", now) for number in range(12)))
    with monkeypatch.context() as patch:
        patch.setattr("plabctl.app.deliver.BEGIN_S", 0.3)
        here.tick()

    told = read_log(log)
    assert len(told) < 12
    assert [each.waiting_count for each in health(here)] == [12 - len(told)]
    here.tick()
    assert read_log(log) == [f"n{number}" for number in range(12)]
    assert health(here) == []


def test_a_batch_is_one_run_with_a_list(tmp_path: Path, now: float) -> None:
    log = tmp_path / "log"
    here = Installation(tmp_path, hooks=(logging(log, "echo $PLABCTL_EVENT_COUNT >&2; sleep 0.5", batch=True),))
    put(here, *(moved(f"n{number}", now) for number in range(200)))

    here.tick()

    (line,) = log.read_text().splitlines()
    assert [event["node"] for event in json.loads(line)] == [f"n{number}" for number in range(200)]


def test_a_batch_waits_for_the_end_of_the_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plabctl.app.deliver.PAUSE_S", 0.0)
    log = tmp_path / "log"
    here = Installation(tmp_path, window=1, hooks=(logging(log, batch=True),))
    here.add("n1", "n2", "n3")

    here.tick()

    (line,) = log.read_text().splitlines()
    assert len(json.loads(line)) == 3


def test_a_sink_that_fails_is_left_alone_for_longer_and_longer_and_told_as_a_fault(
    tmp_path: Path, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    here = Installation(tmp_path, hooks=(shell(f"echo x >>{log}; echo no >&2; exit 3"),))
    put(here, moved("n1", now))
    waits = []
    for _ in range(9):
        with pytest.raises(HookFault, match=r"^hook 'sh': exit code 3: no$"):
            here.tick()
        (failing,) = health(here)
        waits.append(round((failing.next_at - here.clock.now()) / 60))
        assert failing.failing_since_at is not None
        assert here.store.head().wake_at == 0.0, "each tick tells of it"  # type: ignore[union-attr]
        later = failing.next_at + 1
        monkeypatch.setattr(type(here.clock), "now", lambda _, at=later: at)

    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert len(log.read_text().splitlines()) == 9
    monkeypatch.setattr(type(here.clock), "now", lambda _, at=later - 10: at)
    with pytest.raises(HookFault):
        here.tick()
    assert len(log.read_text().splitlines()) == 9, "it is not its time yet"


def test_after_a_day_what_a_sink_could_not_be_told_of_is_dropped_and_that_is_told(tmp_path: Path, now: float) -> None:
    here = Installation(tmp_path, hooks=(shell(f"test -e {tmp_path}/go && cat >>{tmp_path}/log"),))
    old = now - GIVE_UP_AFTER_S - 60
    put(here, moved("n1", old), moved("n2", old + 1), moved("n3", now))
    with pytest.raises(HookFault):
        here.tick()

    dropped = here.history("dropped")[0].event
    assert dropped.data["reason"] == "2 events for hook 'sh': it failed for a day"
    assert (dropped.data["count"], dropped.data["since_at"]) == (2, old)
    assert [(each.waiting_count, each.dropped_count) for each in health(here)] == [(1, 2)]

    (tmp_path / "go").touch()
    here.tick()
    assert read_log(tmp_path / "log") == ["n3"]
    assert len(here.history("dropped")) == 1


def test_a_queue_has_a_bound(tmp_path: Path, now: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plabctl.sinks.tell.MAX_WAITING", 8)
    here = Installation(tmp_path, hooks=(logging(tmp_path / "log"),))
    put(here, *(moved(f"n{number}", now) for number in range(10)))

    here.tick()
    here.tick()

    assert read_log(tmp_path / "log") == [f"n{number}" for number in range(4, 10)]
    (dropped,) = here.history("dropped")
    assert dropped.event.data["reason"] == "4 events for hook 'sh': more than 8 events waited"


def test_the_queue_of_a_sink_that_is_gone_goes_with_it_and_that_is_told(tmp_path: Path, now: float) -> None:
    here = Installation(tmp_path, hooks=(shell("exit 1"),))
    put(here, moved("n1", now), moved("n2", now))
    for _ in range(2):
        with pytest.raises(HookFault):
            here.tick()

    there = Installation(tmp_path)
    there.tick()

    (dropped,) = there.history("dropped")
    assert dropped.event.data["reason"] == "2 events for hook 'sh': it is not configured any more"
    assert health(there) == []
    assert SinkQueues(there.app.state_dir).read_queues() == []


@pytest.mark.parametrize("is_anew", [False, True], ids=["told by a tick that died", "a history begun anew"])
def test_what_the_state_says_to_wait_and_does_not_is_forgotten(tmp_path: Path, now: float, is_anew: bool) -> None:
    here = Installation(tmp_path, hooks=(logging(tmp_path / "log"),))
    put(here, moved("n1", now))
    here.tick()
    ((key, place),) = ((each.spec.key, each.seq) for each in SinkQueues(here.app.state_dir).read_queues())
    put(here, notes=SINKS_NOTE.write({key: SinkHealth("hook 'sh'", place, 1, now, 2, "no", now + 60)}))
    if is_anew:
        for path in here.app.state_dir.glob("history.db*"):
            path.unlink()

    here.tick()

    assert health(here) == []
    assert read_log(tmp_path / "log") == ["n1"]


def test_a_sink_whose_command_was_mended_is_told_what_waited_for_it(tmp_path: Path, now: float) -> None:
    here = Installation(tmp_path, hooks=(make_hook(("transition",), ("/no/such/hook",)),))
    put(here, moved("n1", now))
    with pytest.raises(HookFault, match="cannot be run"):
        here.tick()

    Installation(tmp_path, hooks=(logging(tmp_path / "log"),)).tick()

    assert read_log(tmp_path / "log") == ["n1"]
    assert health(here) == []


def test_a_new_sink_is_told_of_nothing_that_others_were_told(tmp_path: Path, now: float) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    here = Installation(tmp_path, hooks=(logging(first),))
    put(here, moved("n1", now))
    here.tick()
    put(here, moved("n2", now))

    Installation(tmp_path, hooks=(logging(first), logging(second))).tick()

    assert read_log(first) == ["n1", "n2"]
    assert read_log(second) == ["n2"]


def test_a_sink_is_not_told_of_what_happened_while_there_was_none(tmp_path: Path, now: float) -> None:
    hooks = (logging(tmp_path / "log"),)
    for name, sinks in (("n1", hooks), ("n2", ()), ("n3", hooks)):
        here = Installation(tmp_path, hooks=sinks)
        put(here, moved(name, now))
        here.tick()

    assert read_log(tmp_path / "log") == ["n1", "n3"]


def test_what_version_0_1_left_in_the_outbox_is_told_to_those_who_do_not_know_it(tmp_path: Path, now: float) -> None:
    knows, other = logging(tmp_path / "knows"), logging(tmp_path / "other")
    here = Installation(tmp_path, hooks=(knows, other))
    events = [moved(name, now) for name in ("n1", "n2", "n3")]
    receipts = [(COMMAND.identify(knows), "id-n1"), (COMMAND.identify(knows), "id-n2")]
    put(here, *events, notes=RECEIPTS_NOTE.write(receipts))

    here.tick()

    assert read_log(tmp_path / "knows") == ["n3"]
    assert read_log(tmp_path / "other") == ["n1", "n2", "n3"]
    assert RECEIPTS_NOTE.topic not in here.store.snapshot().notes


def test_the_sink_of_an_experiment_that_is_gone_is_told_so_later(tmp_path: Path, now: float) -> None:
    here = Installation(tmp_path)
    hook = ["sh", "-c", f"test -e {tmp_path}/go && cat >>{tmp_path}/log"]
    put(here, Event("id-gone", now, "experiment-gone", None, "plabctl", {"experiment": "web", "hook": hook}))
    with pytest.raises(HookFault):
        here.tick()
    assert not here.store.snapshot().outbox

    (tmp_path / "go").touch()
    here.tick()

    assert json.loads((tmp_path / "log").read_text())["text"] == "web: gone"
    put(here, moved("n1", now))
    here.tick()
    assert SinkQueues(here.app.state_dir).read_queues() == []


def test_two_sinks_that_are_the_same_are_both_told(tmp_path: Path, now: float) -> None:
    here = Installation(tmp_path, hooks=(logging(tmp_path / "log"), logging(tmp_path / "log")))
    put(here, moved("n1", now))

    here.tick()

    assert read_log(tmp_path / "log") == ["n1", "n1"]


def test_a_tick_that_is_killed_while_it_tells_loses_nothing(tmp_path: Path, now: float) -> None:
    """A real process, with a hook that it leaves behind; `test_sink_deaths` looks at each step."""
    log = tmp_path / "log"
    for number, pause in enumerate([0.0, 0.1, 0.3]):
        here = Installation(tmp_path, hooks=(logging(log, "sleep 0.05"),))
        put(here, *(moved(f"n{number}.{count}", now) for count in range(4)))
        process = here.spawn_tick()
        until((here.app.state_dir / "deliver.lock").exists)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    here.tick()

    told = read_log(log)
    wanted = [f"n{number}.{count}" for number in range(3) for count in range(4)]
    assert sorted(set(told)) == wanted, "nothing is lost"
    firsts = list(dict.fromkeys(told))
    assert firsts == wanted, "in order"
    assert len(told) <= len(wanted) + 3, "at most what was under way is told again"
    assert health(here) == []


def test_a_tick_that_is_told_to_stop_waits_for_no_sink(tmp_path: Path, now: float) -> None:
    here = Installation(tmp_path, hooks=(logging(tmp_path / "log", f"touch {tmp_path}/began; sleep 5"),))
    put(here, moved("n1", now))
    process = here.spawn_tick()
    try:
        until((tmp_path / "began").exists)
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) == 143
        assert time.monotonic() - began < 2.5
    finally:
        process.kill()
        process.communicate()
    assert [each.waiting_count for each in health(here)] == [1]
