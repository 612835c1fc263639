"""The rows of a long list are written as those of a short one, by other means."""

import json
from types import MappingProxyType
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.model import Cause, Hold, Outcome, Verdict
from plabctl.render import data_formats
from plabctl.render.compiled_rows import make_line_writer, make_object_writer
from plabctl.render.listing import Listing
from plabctl.values import dataclass
from plabctl.views.node import NODE_COLUMNS, NodeView

# Values are given their real constructors, which hypothesis reads, at their first use.
_ = (Verdict(Outcome.PASS, None, "", 0.0, 0.0), Hold("", "", 0.0))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NUMBERS = st.floats(0, 2**40) | st.integers(0, 2**40)
COUNTS = st.integers(0, 2**40)
FEW = 3


def build(cls: type, **given: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.builds(cls, **given)


VERDICTS = build(
    Verdict,
    outcome=st.sampled_from(Outcome),
    cause=st.none() | st.sampled_from(Cause),
    reason=TEXTS,
    at=NUMBERS,
    seconds=NUMBERS,
)
HOLDS = build(Hold, actor=TEXTS, reason=TEXTS, since_at=NUMBERS, until_at=st.none() | NUMBERS)
VIEWS: st.SearchStrategy[NodeView] = st.builds(
    NodeView,
    name=TEXTS,
    pool=TEXTS,
    since_at=NUMBERS,
    due_at=NUMBERS,
    ok_streak=COUNTS,
    fail_streak=COUNTS,
    passes_needed=st.none() | COUNTS,
    penalty=NUMBERS,
    last=st.none() | VERDICTS,
    hold=st.none() | HOLDS,
    requested_at=st.none() | NUMBERS,
    site=st.none() | TEXTS,
    labels=st.none() | st.dictionaries(TEXTS, TEXTS, max_size=2),
    experiments=st.none() | st.lists(TEXTS, max_size=2),
    absent_since_at=st.none() | NUMBERS,
    why_not=st.none() | TEXTS,
    stuck_since_at=st.none() | NUMBERS,
    busy_by=st.none() | TEXTS,
    busy_since_at=st.none() | NUMBERS,
    answered_at=st.none() | NUMBERS,
    monitor=st.none() | TEXTS,
    steadiness_ratio=st.none() | NUMBERS,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers of which one is worth more places than usual."""

    DIGITS = MappingProxyType({"ratio": 5})

    name: str
    ratio: float
    share: float | None


class Other(NamedTuple):
    name: str
    rows: tuple[Outcome, ...]


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_formats, "_FEW", FEW)


def write(form: str, rows: list[NodeView], head: dict[str, object] | None = None) -> str:
    return "".join(data_formats.render(Listing("nodes", rows, NODE_COLUMNS, head=head or {}), form))


@given(VIEWS)
def test_an_object_is_the_same_for_one_row_and_for_many(view: NodeView) -> None:
    alone = write("jsonl", [view])
    written = make_object_writer(NodeView, data_formats.dumps)(view)

    assert json.loads(written) == json.loads(alone)
    assert list(json.loads(written)) == list(json.loads(alone))


@given(VIEWS)
def test_a_line_is_the_same_for_one_row_and_for_many(view: NodeView) -> None:
    assert make_line_writer(NodeView, NODE_COLUMNS)(view) + "\n" == write("tsv", [view])


def test_a_field_of_another_type_is_written_too() -> None:
    view = Other("n1", (Outcome.PASS, Outcome.FAIL))

    assert make_object_writer(Other, data_formats.dumps)(view) == '{"name":"n1","rows":["pass","fail"]}'
    assert make_line_writer(Other, ("rows", "name"))(view) == "pass fail\tn1"


@pytest.mark.usefixtures("_few")
def test_a_number_keeps_the_places_that_its_class_asks_for() -> None:
    rows = [Figures(f"n{number}", 0.012345678, 0.012345678) for number in range(FEW + 1)]
    rows.append(Figures("last", 1.0, None))

    def shown(form: str) -> list[str]:
        return "".join(data_formats.render(Listing("nodes", rows, ("name", "ratio", "share")), form)).splitlines()

    assert {(row["ratio"], row.get("share")) for row in map(json.loads, shown("jsonl"))} == {
        (0.01235, 0.012),
        (1, None),
    }
    assert {tuple(line.split("\t")[1:]) for line in shown("tsv")} == {("0.01235", "0.012"), ("1", "")}


def test_a_column_without_a_field_is_refused() -> None:
    with pytest.raises(KeyError):
        make_line_writer(Other, ("mood",))


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW, FEW + 1, 2000])
@pytest.mark.parametrize("head", [{}, {"counts": {"good": 1}}, {"zones": 1}])
def test_a_list_of_any_length_is_one_document(count: int, head: dict[str, object]) -> None:
    rows = [VIEW._replace(name=f"n{number}") for number in range(count)]

    found = json.loads(write("json", rows, head))

    assert [row["name"] for row in found.pop("nodes")] == [row.name for row in rows]
    assert found == {"schema_version": 1, **head}
    assert write("tsv", rows).count("\n") == count
    assert [json.loads(line)["name"] for line in write("jsonl", rows).splitlines()] == [row.name for row in rows]


VIEW = NodeView(
    name="n1",
    pool="good",
    since_at=1.5,
    due_at=2.0,
    is_testing=False,
    is_held=False,
    is_suspect=False,
    ok_streak=0,
    fail_streak=0,
    passes_needed=None,
    penalty=0.0,
    last=None,
    hold=None,
    requested_at=None,
    site=None,
    labels=None,
    experiments=None,
    absent_since_at=None,
    is_usable=True,
    why_not=None,
    stuck_since_at=None,
    answered_at=None,
    monitor=None,
    steadiness_ratio=None,
)
