import os
import subprocess
import sys
from pathlib import Path

from tests.config.test_load import FULL

NOT_FOR_EVERY_TICK = {
    "csv", "datetime", "difflib", "json", "logging", "pathlib", "pwd", "random", "shutil", "subprocess", "tempfile",
    "textwrap", "tomllib",
    "plabctl.config.key_lines", "plabctl.config.reference", "plabctl.config.sample", "plabctl.config.effective",
    "plabctl.plugins.hosted", "plabctl.probes.plain_recipes", "plabctl.process",
}  # fmt: skip
CODE = """
import sys
before = set(sys.modules)
from plabctl.config.load import load
load(sys.argv[1])
print(*sorted(set(sys.modules) - before), sep="\\n")
"""


def test_loading_a_faultless_file_imports_nothing_it_can_spare(tmp_path: Path) -> None:
    path = tmp_path / "plabctl.toml"
    path.write_text(FULL)

    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": "/"},
    )

    imported = set(done.stdout.split())
    assert "plabctl.config.load" in imported
    assert imported & NOT_FOR_EVERY_TICK == set()
