"""The figures of docs/scale.md follow from the formula that stands there, and its commands run."""

import json
import re
from pathlib import Path

from plabctl.durations import parse_duration
from tests.cli.console import Desk
from tests.docs.pages import DOCS

TEXT = (DOCS / "scale.md").read_text()
GOOD, BAD, S_GOOD, S_BAD = 970_000, 30_000, 30, 120


def test_the_table_follows_from_the_formula() -> None:
    rows = re.findall(r"^\| `.*\| ([\dhm ]+), ([\dhm ]+) \| (\d+) \| (\d+) \|$", TEXT, re.MULTILINE)

    assert len(rows) == 3
    for good, bad, slots, speed in rows:
        wait_good, wait_bad = (parse_duration(text.replace(" ", "")) for text in (good, bad))
        assert int(slots) == round(GOOD * S_GOOD / (wait_good + S_GOOD) + BAD * S_BAD / (wait_bad + S_BAD))
        assert int(speed) == round(GOOD / (wait_good + S_GOOD) + BAD / (wait_bad + S_BAD))


def test_its_simulation_runs(tmp_path: Path) -> None:
    (call,) = re.findall(r"^    plabctl (simulate .*)$", TEXT, re.MULTILINE)
    words = call.replace("--nodes 1000000 --days 8", "--nodes 30 --days 1").split()

    assert json.loads(Desk(tmp_path).ok(*words, "-o", "json"))["nodes_count"] == 30
