"""The configuration and the command of docs/occupancy.md are put in place as they stand there, and nodes are spared."""

import json
import re
from pathlib import Path

from tests.cli.console import CONFIG, Desk
from tests.docs.pages import DOCS

TEXT = (DOCS / "occupancy.md").read_text()


def find_block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_configuration_of_the_page_spares_busy_nodes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.config.write_text(CONFIG + find_block("toml"))
    program = tmp_path / "busy-nodes"
    program.write_text(find_block("sh"))
    program.chmod(0o755)
    (tmp_path / "in-use").mkdir()
    (tmp_path / "in-use" / "pc2").touch()
    desk.ok("node", "add", "pc1", "pc2")

    desk.ok("tick")

    nodes = {node["name"]: node for node in json.loads(desk.ok("status", "-o", "json"))["nodes"]}
    assert ("last" in nodes["pc1"], "last" in nodes["pc2"]) == (True, False)
    assert "busy_since_at" in nodes["pc2"]
