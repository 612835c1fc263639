"""What a second look is worth where ways are cut, at once, later or from another vantage: as in an independent study.

The study drew 100 sites of ten nodes from the same trace; docs/policy.md has every tenth node. How many nodes were down
differs, so what the cuts add is compared, in percent of node-time, and how many moves were false.
"""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from plabctl.cli.main import plabctl
from tests.sim.traces import long, needs_traces, path_of

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
TITLE = "**A second look, later or from elsewhere**"
BASE = 0.1235
"""The harm of `age` without cuts in the study, in percent; its other figures are relative to that."""
STUDY = {
    "age, bare": {0: (1.00, 0.0), 0.1: (1.02, 0.014), 0.3: (1.10, 0.049), 1: (1.46, 0.20)},
    "age+checks": {0: (0.32, 0.0), 0.1: (0.55, 0.054), 0.3: (1.07, 0.17), 1: (3.04, 0.62)},
    "age+checks+apart": {0: (0.53, 0.0), 0.1: (0.64, 0.021), 0.3: (0.86, 0.064), 1: (1.65, 0.22)},
    "two vantages": {0: (0.32, 0.0), 0.1: (0.32, 0.0001), 0.3: (0.33, 0.0007), 1: (0.37, 0.005)},
}
"""By policy and cuts a day and site: harm relative to `BASE`, and false moves per node and day."""
MARGIN, NOISE_HARM, NOISE_MOVES = 0.12, 0.009, 0.003
FLAGS = {"age, bare": ("--bare", "-p", "age"), "two vantages": ("--vantages", "2", "-p", "age+checks")}
CASES = [(policy, cuts) for policy, rows in STUDY.items() for cuts in rows]


def read_table() -> dict[str, dict[float, tuple[float, float]]]:
    """The harm in percent and the false moves that the page shows, by policy and cuts."""
    text = PAGE.partition(TITLE)[2]
    lines = text[text.index("| cuts") :].partition("\n\n")[0].splitlines()
    found: dict[str, dict[float, tuple[float, float]]] = {policy: {} for policy in STUDY}
    for line in lines[2:]:
        cuts, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for policy, cell in zip(STUDY, cells, strict=True):
            harm, _, moves = cell.partition(", ")
            found[policy][float(cuts)] = float(harm), float(moves or 0)
    return found


def simulated(*words: str) -> tuple[float, float]:
    """The harm in percent and the false moves of the one policy that is simulated on the trace."""
    arguments = ["simulate", path_of("tor-2020"), "--shift", "1h", "--one-pass", *words, "-o", "json"]
    result = CliRunner().invoke(plabctl, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)["policies"]
    return 100 * row["harm_ratio"], row.get("false_moves_per_node_day", 0.0)


@pytest.mark.parametrize(("policy", "cuts"), CASES)
def test_the_page_agrees_with_the_study(policy: str, cuts: float) -> None:
    rows, (ratio, moves) = read_table()[policy], STUDY[policy][cuts]
    added = BASE * (ratio - STUDY[policy][0][0])

    assert rows[cuts][0] - rows[0][0] == pytest.approx(added, rel=MARGIN, abs=NOISE_HARM)
    assert rows[cuts][1] == pytest.approx(moves, rel=MARGIN, abs=NOISE_MOVES)


@needs_traces
@long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("policy", "cuts"), CASES)
def test_the_page_has_what_the_command_prints(policy: str, cuts: float) -> None:
    flags = FLAGS.get(policy, ("-p", policy))
    flags = flags[2:] if policy == "two vantages" and not cuts else flags  # which makes no difference then
    harm, moves = simulated("--every", "10", "--site-nodes", "10", "--cuts", str(cuts), *flags)

    assert harm == pytest.approx(read_table()[policy][cuts][0], rel=0.01)
    assert moves == pytest.approx(read_table()[policy][cuts][1], rel=0.01, abs=0.0006)


@needs_traces
def test_from_another_vantage_cuts_do_next_to_no_harm() -> None:
    few = ("--every", "60", "--site-nodes", "5", "--cuts", "1", "-p", "age+checks")
    (one_harm, one_moves), (two_harm, two_moves) = simulated(*few), simulated(*few, "--vantages", "2")

    assert one_moves == pytest.approx(0.62, rel=MARGIN)
    assert two_moves < 0.01
    assert two_harm < 0.12 * one_harm


def test_the_page_says_how_to_simulate_it() -> None:
    text = PAGE.partition(TITLE)[2].partition("| cuts")[0]

    assert len(re.findall(r"^ {4}plabctl simulate ", text, re.MULTILINE)) == 3
