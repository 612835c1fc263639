"""Other systems are kept in line beside the tick: at its end at the latest, also by two ticks at once."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.app import due_sources
from plabctl.app.invocation import is_idle
from plabctl.app.sink_sync import sync_now
from plabctl.core.keys.table import Table
from plabctl.core.model import Hold
from plabctl.core.notes import Document
from plabctl.core.settings import SinkSettings
from plabctl.core.sink_health import SINKS_NOTE
from plabctl.core.state import Changes
from plabctl.core.tick_errors import find_sink_problems
from plabctl.errors import HookFault
from plabctl.kinds import find
from plabctl.sinks import tell
from plabctl.sinks.base import Scene, SinkContext, SyncResult, SyncSinkKind, TakenOut
from tests.app.installation import Installation


class Mirror(SyncSinkKind):
    """Remembers what it was told, and answers as the test says."""

    name = "mirror"
    keys = Table("sink.mirror", None)

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        self.answer = SyncResult()
        self.pause_s = 0.0
        self.found: list[Document] = []
        self.interval_s: float | None = None

    def find_interval(self, own: SinkSettings) -> float | None:
        return self.interval_s

    def identify(self, own: SinkSettings) -> str:
        return ""

    def sync(
        self,
        own: SinkSettings,
        scene: Scene,
        timeout_s: float,
        context: SinkContext,
        *,
        is_rehearsal: bool = False,
    ) -> SyncResult:
        time.sleep(self.pause_s)
        self.told.append({each.node: each.why_not for each in scene.list_standings(self.actor_prefix)})
        self.found.append(scene.memory)
        return self.answer


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Mirror:
    kind = Mirror()
    for module in (tell, due_sources):
        monkeypatch.setattr(module, "find", lambda point, name: kind if name == kind.name else find(point, name))
    return kind


def install(folder: Path, *names: str) -> Installation:
    here = Installation(folder, sinks=(SinkSettings("mirror", (), 5.0),))
    here.add(*names)
    return here


def test_it_is_told_how_nodes_stand_when_the_tick_ends(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1", "n2")
    here.break_node("n2")
    here.tick()

    assert mirror.told[-1] == {"n1": "", "n2": "setup: exit code 2, without output"}
    assert is_idle(here.app), "nothing is due, and what is so is told"
    before = len(mirror.told)
    here.tick()
    assert len(mirror.told) == before + 1, "once is enough when no node moves"


def test_it_is_told_again_after_its_interval_though_nothing_happened(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1")
    mirror.interval_s = 3600.0
    here.tick()
    told = len(mirror.told)
    assert is_idle(here.app)
    here.tick()
    assert len(mirror.told) == told, "not before that"
    mirror.interval_s = 0.0
    assert not is_idle(here.app)
    here.tick()
    assert len(mirror.told) == told + 1

    mirror.answer = SyncResult(error="mirror: it is broken")
    with pytest.raises(HookFault):
        here.tick()
    mirror.interval_s = 3600.0
    assert not is_idle(here.app)
    mirror.answer = SyncResult()
    here.tick()
    assert len(mirror.told) == told + 3, "what failed is not put off until then"


def test_it_is_asked_again_when_its_memory_says_so(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1")
    mirror.answer = SyncResult(memory={"told": "n1", "due_at": here.clock.now() + 3600})
    here.tick()
    here.tick()
    assert mirror.found[-1].get("told") == "n1"
    assert is_idle(here.app)
    mirror.answer = SyncResult(memory={"told": "n2", "due_at": here.clock.now()})
    here.tick()
    assert not is_idle(here.app)
    mirror.answer = SyncResult(error="mirror: it is broken")
    with pytest.raises(HookFault):
        here.tick()
    with pytest.raises(HookFault):
        here.tick()
    assert mirror.found[-1].get("told") == "n2", "a failure forgets nothing"

    gone = Installation(tmp_path)
    gone.tick()
    gone.tick()
    assert is_idle(gone.app), "nobody looks for a sink that is gone"


def test_a_failure_is_told_like_that_of_any_sink_until_it_is_over(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1")
    mirror.answer = SyncResult(error="mirror: it is broken")
    for _ in range(2):
        with pytest.raises(HookFault, match="mirror: it is broken") as raised:
            here.tick()
        assert raised.value.hint == "the next tick tries again"
    assert len(mirror.told) == 2, "once in each tick, however much moves"
    [problem] = find_sink_problems(here.store.snapshot(), here.clock.now() + 300)
    assert problem.reason.startswith("mirror: it is broken; it has failed for 5m")
    assert "wait" not in problem.reason
    mirror.answer = SyncResult()
    here.tick()

    assert not SINKS_NOTE.read(here.store.snapshot().notes)
    here.tick()
    assert [record.event.kind for record in here.history("fault", "fault-over")] == ["fault", "fault-over"]


def test_one_that_fails_keeps_no_other_from_looking_again(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[float, str]] = []

    def sync(own: SinkSettings, scene: Scene, *_arguments: object, **_options: object) -> SyncResult:
        member = scene.state.member("n1")
        told.append((own.timeout_s, member.pool if member else ""))
        return SyncResult(error="mirror: it is broken" if own.timeout_s == 5.0 else "")

    monkeypatch.setattr(mirror, "sync", sync)
    here = Installation(tmp_path, sinks=tuple(SinkSettings("mirror", (), timeout_s) for timeout_s in (5.0, 6.0)))
    here.add("n1")
    with pytest.raises(HookFault, match="mirror: it is broken"):
        here.tick()

    assert len([timeout_s for timeout_s, _ in told if timeout_s == 5.0]) == 1
    looks = [pool for timeout_s, pool in told if timeout_s == 6.0]
    assert looks[-1] == "good", "when the node had moved"
    assert len(looks) <= 2


def test_one_that_hangs_keeps_no_other_from_looking_again(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    has_looked_twice = threading.Event()

    def sync(own: SinkSettings, *_arguments: object, **_options: object) -> SyncResult:
        told.append(own.timeout_s)
        if told.count(6.0) == 2:
            has_looked_twice.set()
        assert own.timeout_s == 6.0 or has_looked_twice.wait(20)
        return SyncResult()

    monkeypatch.setattr(mirror, "sync", sync)
    here = Installation(tmp_path, sinks=tuple(SinkSettings("mirror", (), timeout_s) for timeout_s in (5.0, 6.0)))
    here.add("n1")
    here.tick()

    assert (told.count(5.0), told.count(6.0)) == (2, 2)


def test_a_kind_may_look_less_often_while_a_tick_runs(tmp_path: Path, mirror: Mirror) -> None:
    counts = []
    for pause_s in (0.0, 60.0):
        folder = tmp_path / str(pause_s)
        folder.mkdir()
        here = Installation(folder, sinks=(SinkSettings("mirror", (), 5.0),), window=1)
        here.add(*(f"n{n}" for n in range(8)))
        mirror.told.clear()
        mirror.least_pause_s = pause_s
        here.tick()
        counts.append(len(mirror.told))
        assert len(mirror.told[-1]) == 8
        assert set(mirror.told[-1].values()) == {""}
    assert counts[0] > 2
    assert counts[1] == 2, "when it began and when it ended"


def test_a_kind_may_wait_for_what_the_tick_finds(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1", "n2")
    mirror.begins_with_tick, mirror.least_pause_s = False, 60.0
    here.break_node("n2")
    here.tick()

    assert mirror.told == [{"n1": "", "n2": "setup: exit code 2, without output"}]
    here.tick()
    assert len(mirror.told) == 2, "each tick looks when it ends, though nothing happened"


def test_a_bug_in_it_harms_nothing_else(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)
    here = install(tmp_path, "n1")
    monkeypatch.setattr(mirror, "sync", lambda *_args, **_options: 1 / 0)
    with pytest.raises(HookFault, match="plabctl failed"):
        here.tick()

    assert here.pools() == {"n1": "good"}


def test_names_that_differ_are_told_once(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1")
    for remark in ("n7 not there", "n7 not there", "", "n7 not there"):
        mirror.answer = SyncResult(remark=remark)
        here.tick()
    here.tick()

    reasons = [record.event.data["reason"] for record in here.history("names-differ")]
    assert reasons == ["sink 'mirror': n7 not there"] * 2


def test_holds_follow_and_those_of_people_stay(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1", "n2")
    here.tick()
    own = Hold("ada", "mine", here.clock.now())
    with here.store.session() as state:
        state.apply(Changes(members=(replace(here.member("n2"), hold=own),)))
    taken = TakenOut("bob", "broken\x1b fan")
    mirror.answer = SyncResult(holds={"n1": taken, "n2": taken, "gone": taken})
    here.tick()
    hold = here.member("n1").hold
    assert hold
    assert (hold.actor, hold.reason, hold.until_at) == ("mirror:bob", "broken? fan", None)
    assert here.member("n2").hold == own

    mirror.answer = SyncResult(releases=("n1", "n2", "gone"))
    here.tick()
    assert here.member("n1").hold is None
    assert here.member("n2").hold == own
    assert mirror.told[-1] == {"n1": "", "n2": "held by ada: mine"}


def test_two_at_once_wait_for_each_other(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1")
    here.tick()
    mirror.told.clear()
    mirror.pause_s = 0.3
    thread = threading.Thread(target=sync_now, args=(here.app,), kwargs={"is_rehearsal": True})
    thread.start()
    began = time.monotonic()
    here.tick()
    thread.join()

    assert time.monotonic() - began > 0.5
    assert len(mirror.told) == 2


def test_a_rehearsal_changes_nothing(tmp_path: Path, mirror: Mirror) -> None:
    here = install(tmp_path, "n1")
    here.tick()
    rev = here.store.snapshot().rev
    mirror.answer = SyncResult(("drain n1",), "", "n7 not there", {"n1": TakenOut("bob", "fan")})
    [ended] = sync_now(here.app, is_rehearsal=True)

    assert ended.result == mirror.answer
    assert here.store.snapshot().rev == rev
