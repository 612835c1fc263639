import json
import threading
import time
from pathlib import Path

import pytest

from plabctl.app.record_events import record_events
from plabctl.core.settings import SinkSettings
from plabctl.core.sink_health import SINKS_NOTE
from plabctl.errors import HookFault, StoreError
from tests.app.installation import Installation
from tests.app.test_tick import until
from tests.builders import make_hook
from tests.state_files import read_tables


def record(here: Installation) -> None:
    record_events(here.app, here.store.snapshot().outbox)


def hook(script: str, *on: str, timeout_s: float = 5.0) -> SinkSettings:
    return make_hook(on, ("sh", "-c", script), timeout_s)


def test_a_hook_is_told_of_what_it_asked_for_with_the_event_on_its_input(tmp_path: Path) -> None:
    here = Installation(tmp_path, hooks=(hook(f"cat >> {tmp_path}/told; echo >> {tmp_path}/told", "transition"),))
    here.add("n1")

    here.tick()

    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines() if line.strip()]
    assert [(event["kind"], event["node"]) for event in told] == [("transition", "n1")]


def test_a_hook_that_fails_is_told_again_and_others_are_not(tmp_path: Path) -> None:
    fails = hook(f"echo no >> {tmp_path}/failing; test -e {tmp_path}/go", "transition")
    works = hook(f"echo yes >> {tmp_path}/working", "transition")
    here = Installation(tmp_path, hooks=(fails, works))
    here.add("n1")
    with pytest.raises(HookFault, match="exit code 1"):
        here.tick()
    assert not here.store.snapshot().outbox
    (failing,) = SINKS_NOTE.read(here.store.snapshot().notes).values()
    assert (failing.name, failing.waiting_count, failing.failure_count) == ("hook 'sh'", 1, 1)
    assert failing.last_error == "hook 'sh': exit code 1"

    (tmp_path / "go").touch()
    here.tick()

    assert (tmp_path / "failing").read_text().split() == ["no", "no"]
    assert (tmp_path / "working").read_text().split() == ["yes"]
    here.tick()  # which tells that the hook is well again
    assert set(here.store.snapshot().notes) <= {"deadlines", "use"}, "nothing is left of the delivery"
    assert len(here.history("transition")) == 1


def test_a_history_that_fails_makes_nobody_hear_of_an_event_twice(tmp_path: Path) -> None:
    fails = hook(f"test -e {tmp_path}/go", "transition")
    works = hook(f"echo yes >> {tmp_path}/working", "transition")
    here = Installation(tmp_path, hooks=(works,), sinks=(fails,))
    here.add("n1")
    with pytest.raises(HookFault, match="exit code 1"):
        here.tick()
    history = here.app.state_dir / "history.db"
    whole = history.read_bytes()
    history.write_bytes(b"x" * 4096)
    with pytest.raises(StoreError):
        here.tick()

    history.write_bytes(whole)
    (tmp_path / "go").touch()
    here.tick()

    assert not here.store.snapshot().outbox
    assert (tmp_path / "working").read_text().split() == ["yes"]


def test_without_a_thread_it_is_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plabctl.app.deliver.PAUSE_S", 0.0)
    here = Installation(tmp_path, hooks=(hook(f"echo $PLABCTL_EVENT >> {tmp_path}/told", "transition"),))
    here.add("n1")
    start = threading.Thread.start

    def start_probes_only(thread: threading.Thread) -> None:
        if thread.name.startswith("plabctl-"):
            start(thread)
        else:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start_probes_only)
    here.tick()

    assert (tmp_path / "told").read_text() == "transition\n"
    assert not here.store.snapshot().outbox


def test_a_hook_that_hangs_keeps_no_slot_empty(tmp_path: Path) -> None:
    slow = hook("sleep 6", "probe", timeout_s=6.0)
    here = Installation(tmp_path, setup=f"echo {{node}} >> {tmp_path}/log; sleep 0.2", window=1, hooks=(slow,))
    here.add(*(f"n{number}" for number in range(20)))
    process = here.spawn_tick()
    began = time.monotonic()
    try:
        until(lambda: set(here.pools().values()) == {"good"})
        assert time.monotonic() - began < 20
    finally:
        process.kill()
        process.communicate()


def test_while_another_process_delivers_its_events_are_left_to_it(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    import fcntl

    with (here.app.state_dir / "deliver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record(here)
    assert not (here.app.state_dir / "history.db").exists()

    record(here)

    assert len(here.history("node-added")) == 1
    assert len(here.store.snapshot().outbox) == 1, "the next tick takes it out"
    here.tick()
    assert not here.store.snapshot().outbox
    assert len(here.history("node-added")) == 1


def test_a_lock_that_cannot_be_used_keeps_no_test_from_its_verdict(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    (here.app.state_dir / "deliver.lock").mkdir()

    with pytest.raises(StoreError, match=r"cannot lock .*deliver\.lock': is a directory"):
        here.tick()

    assert here.pools() == {"n1": "good"}
    assert not here.store.snapshot().claims
    with pytest.raises(StoreError, match=r"cannot lock"):
        record(here)
    (here.app.state_dir / "deliver.lock").rmdir()
    record(here)
    assert len(here.history("probe")) == 2
    here.tick()
    assert not here.store.snapshot().outbox
    assert len(here.history("probe")) == 2


def test_a_person_does_not_wait_for_hooks(tmp_path: Path) -> None:
    here = Installation(tmp_path, hooks=(hook(f"echo told >> {tmp_path}/told", "node-added"),))
    here.add("n1")

    record(here)

    assert len(here.history("node-added")) == 1
    assert not (tmp_path / "told").exists()
    here.tick()
    assert (tmp_path / "told").read_text().split() == ["told"]


def test_a_history_that_stays_damaged_keeps_no_node_from_being_tested_and_the_state_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plabctl.core.outbox.MAX_BYTES", 100_000)
    names = [f"n{number}" for number in range(20)]
    here = Installation(tmp_path, setup="yes {node} | head -c 3000")
    here.add(*names)
    record(here)
    history = here.app.state_dir / "history.db"
    whole = history.read_bytes()
    history.write_bytes(b"x" * 4096)
    sizes = []
    for _ in range(6):
        with pytest.raises(StoreError):
            here.tick()
        sizes.append(len(json.dumps(read_tables(here.app.state_dir))))
        here.make_due()
    assert max(sizes) < 200_000

    history.write_bytes(whole)
    here.tick()

    assert not here.store.snapshot().outbox
    assert set(here.pools().values()) == {"good"}
    (dropped,) = here.history("dropped")
    tested = (tmp_path / "torn-down").read_text().count("\n")
    assert len(here.history("probe")) + int(str(dropped.event.data["count"])) == tested >= 7 * len(names)
    assert len(here.history("transition")) == len(names), "what moved a node is never dropped"
