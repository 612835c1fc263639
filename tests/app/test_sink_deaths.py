"""Wherever a tick dies while it tells a sink: nothing is lost, the order holds, and at most one event is told twice."""

import json
import subprocess
import sys
from pathlib import Path

from tests.app.dying_ticks import STEPS


def test_a_tick_may_die_at_any_step(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.app.dying_ticks", str(tmp_path)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    played = [json.loads(line) for line in done.stdout.splitlines()]

    assert {where for where, _ in played} >= {f"{when} {step}" for _, step in STEPS for when in ("before", "after")}
    for where, told in played:
        assert list(dict.fromkeys(told)) == ["e0", "e1"], where
        assert len(told) <= 2 + ("tell" in where or "advance" in where), where
    assert max(len(told) for _, told in played) == 3, "a test that never sees one told twice looks at nothing"
