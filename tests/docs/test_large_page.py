"""The configuration of docs/large.md, as it stands there, tests nodes, and its commands simulate it."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.console import Desk
from tests.docs.pages import DOCS

TEXT = (DOCS / "large.md").read_text()


@pytest.fixture(name="desk")
def configured(tmp_path: Path) -> Desk:
    # The second block is the recipe of the measurements: the nodes need not be there for it.
    config, recipe = re.findall(r"^```(?:toml|ini)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    desk = Desk(tmp_path)
    desk.config.write_text(f'state_dir = "state"\n{config}\n{recipe}')
    return desk


def test_the_configuration_of_the_page_tests_the_nodes_of_its_list(desk: Desk) -> None:
    (count,) = re.findall(r"^    seq -f '(n%05g[.\w]*)' 1 10000 >nodes.txt$", TEXT, re.MULTILINE)
    (desk.folder / "nodes.txt").write_text("".join(f"{count % number}\n" for number in range(1, 41)))

    desk.ok("tick")

    status = json.loads(desk.ok("status", "-o", "json"))
    assert (status["window"]["size"], status["counts"]) == (250, {"good": 40, "bad": 0})


def test_its_commands_simulate_its_configuration(desk: Desk) -> None:
    calls = re.findall(r"^    plabctl (simulate .*)$", TEXT, re.MULTILINE)
    assert len(calls) == 3
    for call in calls:
        words = call.replace("--nodes 1000 --days 8", "--nodes 30 --days 1").split()
        policies = [words[place + 1] for place, word in enumerate(words) if word == "-p"]
        rows = json.loads(desk.ok(*words, "-o", "json"))["policies"]
        assert len(rows) == len(policies)
