"""Adding a column to the status takes what docs/tour.md says: the view of a node, and the columns."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from plabctl.clock import SystemClock
from plabctl.core.state import Changes
from plabctl.store.store import Store
from tests.builders import make_member, make_node

ROOT = Path(__file__).parents[2]
CONFIG = """\
state_dir = "state"
[ssh]
user = "nobody"
key = "key"
[pool.good]
kind = "good"
on_fail = "bad"
recipe = "ping"
[pool.bad]
kind = "bad"
on_pass = "good"
recipe = "ping"
[recipe.ping]
check = { run = "true", timeout = "9s" }
"""
VIEW = (
    ("    last: Verdict | None\n\n    @property", "    last: Verdict | None\n    good_ratio: float\n\n    @property"),
    ("requested_at, last = node", "requested_at, last, good_ratio = node"),
    ("        experiments,\n", "        experiments,\n        good_ratio,\n"),
    ('have, or may have, a vnode on it."""\n', 'have, or may have, a vnode on it."""\n    good_ratio: float\n'),
    ('    "experiments",\n)', '    "experiments",\n    "good_ratio",\n)'),
)
COLUMNS = (('Column("NEXT"', 'Column("GOOD", lambda node: Cell(f"{node.good_ratio:.0%}")),\n        Column("NEXT"'),)


def change(path: Path, replacements: tuple[tuple[str, str], ...]) -> None:
    text = path.read_text()
    for old, new in replacements:
        assert text.count(old) == 1, f"{old!r} in {path.name}"
        text = text.replace(old, new)
    path.write_text(text)


def test_a_new_column_takes_two_files(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "plabctl", tmp_path / "plabctl", ignore=shutil.ignore_patterns("__pycache__"))
    change(tmp_path / "plabctl/views/node.py", VIEW)
    change(tmp_path / "plabctl/render/status_columns.py", COLUMNS)
    (tmp_path / "plabctl.toml").write_text(CONFIG)
    with Store(tmp_path / "state", SystemClock()).session() as session:
        session.apply(Changes(nodes=(make_node("n1"),), members=(make_member("n1", good_ratio=0.75),)))

    def status(form: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "plabctl", "status", "-o", form],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip

    assert json.loads(status("json"))["nodes"][0]["good_ratio"] == 0.75
    assert json.loads(status("jsonl"))["good_ratio"] == 0.75
    assert status("tsv").rstrip("\n").split("\t")[-1] == "0.75"
    assert "GOOD" in status("table")
    assert " 75% " in status("table")
