"""Random deaths under load: what was acknowledged is there, once, and the count of commits has no gap."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plabctl.clock import ManualClock
from plabctl.store.store import Store

WRITER = """
import os, sys
from plabctl.clock import SystemClock
from plabctl.core.state import Changes
from plabctl.store.store import Store
import plabctl.store.session

store = Store(sys.argv[1], SystemClock(), lock_timeout_s=60.0)
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
print("ready", flush=True)
while True:
    with store.session() as session:
        so_far = session.notes.get("count", {}).get("n", 0)
        session.apply(Changes(notes={"count": {"n": so_far + 1}}))
    os.write(log, b"%d\\n" % session.rev)
"""
SECONDS = 5.0
LEAST_KILLS = 5
WRITERS = 4


@pytest.mark.timeout(120)
def test_whatever_moment_a_writer_is_killed_at_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    state_dir, log = tmp_path / "state", tmp_path / "acknowledged"
    dice = random.Random(7)

    def start() -> subprocess.Popen[bytes]:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, state_dir, log], stdout=subprocess.PIPE)
        assert writer.stdout
        writer.stdout.readline()
        return writer

    writers = [start() for _ in range(WRITERS)]
    kills = 0
    try:
        until = time.monotonic() + SECONDS
        # A busy machine starts writers slowly: at least so many kills there have to be, however long they take.
        while time.monotonic() < until or kills < LEAST_KILLS:
            time.sleep(dice.random() * 0.05)
            victim = writers.pop(dice.randrange(len(writers)))
            victim.kill()
            victim.communicate()
            kills += 1
            writers.append(start())
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()

    state = Store(state_dir, ManualClock()).snapshot()
    acknowledged = [int(line) for line in log.read_text().splitlines()]
    assert acknowledged
    assert len(set(acknowledged)) == len(acknowledged), "no count of commits was given twice"
    assert max(acknowledged) <= state.rev <= max(acknowledged) + kills + WRITERS
    assert state.notes["count"]["n"] == state.rev, "every commit is built on the one before"
