"""The figures in docs/policy.md are those that the commands beside them print.

What follows from other numbers of the page is always looked at; for the others the traces are needed, see `traces`.
"""

import json
import re
from math import prod
from pathlib import Path

import pytest
from click.testing import CliRunner

from plabctl.cli.main import plabctl
from tests.docs.commands import calls
from tests.sim.traces import long, needs_traces, path_of

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
NOISE = 0.03
"""The page says that less means nothing."""
EQUAL = ("**Equal tests**", "**Equal slot time**")
CHECKED = "**Checks and neighbours at equal slot time**"
AS_THEY_COME = (
    "**With their defaults**",
    "### When slots are short",
    "**A site that fails as a whole**",
    "**Nodes in use**",
    "**Ways that fail**",
)
QUICK = {("**Equal slot time**", "webfront-2024")}
KEYS = {
    "TESTS": ("tests_per_node_day", 1),
    "SLOT-S": ("slot_seconds_per_node_day", 1),
    "BROKEN %": ("broken_ratio", 100),
    "IDLE %": ("idle_ratio", 100),
    "HARM %": ("harm_ratio", 100),
    "CHECKS": ("checks_per_node_day", 1),
    "HARM OFFERED %": ("offered_harm_ratio", 100),
    "DISTURBING %": ("disturbing_ratio", 100),
    "FALSE MOVES": ("false_moves_per_node_day", 1),
}


def commands_under(title: str) -> list[list[str]]:
    """The words of the indented commands that come first after the title."""
    text = PAGE.partition(title)[2]
    block = text[text.index("    plabctl ") :].partition("\n\n")[0]
    return [words for line in block.splitlines() for words in calls(line.strip())]


def table_under(title: str) -> dict[str, dict[str, float]]:
    """The first table after the title: by policy, then by column."""
    text = PAGE.partition(title)[2]
    lines = text[text.index("| policy |") :].partition("\n\n")[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {name: dict(zip(head[1:], map(float, cells), strict=True)) for name, *cells in rows}


def trace_of(words: list[str]) -> str:
    return words[1].removesuffix(".csv.gz")


def printed(words: list[str]) -> dict[str, dict[str, float]]:
    """The figures that the command prints of each policy."""
    arguments = [path_of(trace_of(words)) if word.endswith(".csv.gz") else word for word in words]
    result = CliRunner().invoke(plabctl, [*arguments, "-o", "json"], catch_exceptions=False)
    assert result.exit_code == 0
    return {row["policy"]: row for row in json.loads(result.stdout)["policies"]}


CASES = [
    pytest.param(
        title,
        words,
        marks=() if (title, trace_of(words)) in QUICK else long,
        id=f"{title.strip('*')}, {trace_of(words)}",
    )
    for title in (*EQUAL, CHECKED)
    for words in commands_under(title)
]


@needs_traces
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("title", "words"), CASES)
def test_the_harm_at_equal_cost_is_what_the_command_prints(title: str, words: list[str]) -> None:
    found, trace = printed(words), trace_of(words)

    for policy, cells in table_under(title).items():
        assert 100 * found[policy]["harm_ratio"] == pytest.approx(cells[trace], rel=NOISE)


@needs_traces
@long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("title", AS_THEY_COME)
def test_the_figures_of_each_policy_are_what_the_command_prints(title: str) -> None:
    (words,) = commands_under(title)
    found = printed(words)

    for policy, cells in table_under(title).items():
        for column, shown in cells.items():
            key, times = KEYS[column]
            assert times * found[policy].get(key, 0.0) == pytest.approx(shown, rel=NOISE)


@pytest.mark.parametrize("title", EQUAL)
def test_the_share_of_fixed_is_the_geometric_mean_over_the_traces(title: str) -> None:
    table = table_under(title)
    traces = [trace_of(words) for words in commands_under(title)]

    assert len(traces) == len(table["fixed"]) - 1 == 5
    for cells in table.values():
        mean = prod(cells[trace] / table["fixed"][trace] for trace in traces) ** (1 / len(traces))
        assert cells["of fixed"] == pytest.approx(mean, abs=0.006)


def test_checks_and_neighbours_do_less_harm_at_equal_slot_time_on_every_trace() -> None:
    table = table_under(CHECKED)
    traces = [trace_of(words) for words in commands_under(CHECKED)]
    shares = [table["age+checks+neighbours"][trace] / table["age"][trace] for trace in traces]
    said = re.search(r"leave (\d+) to (\d+) % of the harm of `age`", " ".join(PAGE.split()))

    assert traces == [trace_of(words) for words in commands_under(EQUAL[0])]
    assert said is not None
    assert [int(number) for number in said.groups()] == [round(100 * share) for share in (min(shares), max(shares))]
    assert all(table["age+checks+neighbours"][trace] <= 1.03 * table["age+checks"][trace] for trace in traces)


def test_the_answer_says_what_the_tables_say() -> None:
    tests, slots = (table_under(title) for title in EQUAL)
    shares = [round(100 * (1 - table["additive"]["of fixed"])) for table in (tests, slots)]
    said = re.search(r"`additive` does (\d+) to (\d+) % less harm", " ".join(PAGE.split()))

    assert said is not None
    assert [int(number) for number in said.groups()] == sorted(shares)
    assert all(table["age"]["of fixed"] < table["additive"]["of fixed"] for table in (tests, slots))
    assert min(slots, key=lambda policy: slots[policy]["of fixed"]) == "adaptive"
    assert tests["2007"]["of fixed"] >= 1 > slots["2007"]["of fixed"]
