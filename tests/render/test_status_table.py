"""The status as programs get it keeps to its published description."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.model import Cause, Hold, Member, Node, Outcome, Verdict
from plabctl.core.suspicion import Suspicion
from plabctl.render import data_formats, status_table
from plabctl.render.encode import encode_view
from plabctl.views.node import NODE_COLUMNS, ViewContext
from plabctl.views.status import count_totals
from tests.builders import NOW, make_claim, make_member, make_settings, make_state
from tests.render.examples import list_names, make_context, make_every_kind, make_pair

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/status.schema.json").read_text())
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
instants = st.floats(0, 2e9).map(lambda at: round(at, 3))
counts = st.integers(0, 50)
verdicts = st.builds(
    Verdict, st.sampled_from(Outcome), st.none() | st.sampled_from(Cause), texts, instants, st.floats(0, 1e4)
)
members = st.builds(
    Member,
    node=st.just("n1"),
    pool=st.sampled_from(["good", "bad", "lost"]),
    since_at=instants,
    due_at=instants,
    ok_streak=counts,
    fail_streak=counts,
    requested_at=st.none() | instants,
    penalty=st.floats(0, 12),
    penalty_at=instants,
    suspicion=st.none() | st.builds(Suspicion, st.just("good"), instants, counts, instants),
    hold=st.none() | st.builds(Hold, texts, texts, instants, st.none() | instants),
    last=st.none() | verdicts,
)
variables = st.dictionaries(st.sampled_from(["site", "rack", "ssh_host", "os"]), texts)


def document(context: ViewContext, names: list[str] | None = None) -> Any:
    text = "".join(
        data_formats.render(status_table.build_data_listing(context, names or list_names(context), "json"), "json")
    )
    return json.loads(text)


def test_json_is_valid_by_its_schema() -> None:
    jsonschema.validate(document(make_every_kind()), SCHEMA)


def test_an_empty_installation_is_valid_too() -> None:
    jsonschema.validate(document(make_context()), SCHEMA)


@given(members, variables)
def test_whatever_a_node_is_like_its_row_is_valid(member: Member, own: dict[str, str]) -> None:
    VALIDATOR(SCHEMA).validate(document(make_context((Node("n1", own), member))))  # the schema itself is checked above


@given(members, variables)
def test_the_lines_are_those_of_the_objects(member: Member, own: dict[str, str]) -> None:
    context = make_context((Node("n1", own), member), testing=("n1",))
    listing = status_table.build_data_listing(context, ["n1"], "tsv")
    quick = "".join(data_formats.render(listing, "tsv"))

    rows = [encode_view(view) for view in status_table.build_data_listing(context, ["n1"], "tsv").rows]
    slow = "".join(data_formats.render(replace(listing, rows=rows), "tsv"))

    assert quick == slow
    assert quick.count("\n") == 1
    assert quick.count("\t") == len(NODE_COLUMNS) - 1


def test_a_row_says_only_what_is_known() -> None:
    rows = {row["name"]: row for row in document(make_every_kind())["nodes"]}

    assert "last" not in rows["new.example.org"]
    assert "passes_needed" not in rows["good.example.org"]
    assert "hold" not in rows["over.example.org"]
    assert not rows["over.example.org"]["held"]
    assert rows["held.example.org"]["hold"]["actor"] == "ann"
    assert rows["bad.example.org"]["passes_needed"] == 3
    assert rows["suspect.example.org"]["suspect"]
    assert rows["suspect.example.org"]["passes_needed"] == 1
    assert rows["labelled.example.org"]["labels"] == {"rack": "3"}
    assert rows["busy.example.org"]["testing"]
    assert rows["asked.example.org"]["requested_at"] == "2023-11-14T22:13:15Z"


def test_the_totals_count_all_nodes_whatever_is_listed() -> None:
    found = document(make_every_kind(), ["bad.example.org"])

    assert [row["name"] for row in found["nodes"]] == ["bad.example.org"]
    assert found["counts"] == {"good": 6, "bad": 3}
    assert found["window"] == {"size": 40, "in_use": 1}


def test_keys_are_sorted_with_either_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    quick = data_formats.dumps({"b": [1.5, "ä\t"], "a": None})
    monkeypatch.delitem(sys.modules, "orjson", raising=False)
    standard = data_formats.dumps({"b": [1.5, "ä\t"], "a": None})

    assert quick == standard == '{"a":null,"b":[1.5,"ä\\t"]}'


def test_the_footer_tells_the_totals() -> None:
    assert status_table.build_listing(make_every_kind(), []).footer == (
        "9 nodes: 6 good, 3 bad (1 suspect, 1 held) · window 40 (1 in use) · last tick 22s ago · next due now"
    )


def test_the_footer_of_nothing_says_how_to_begin() -> None:
    assert "plabctl node add" in status_table.build_listing(make_context(), []).footer


def test_a_claim_past_its_deadline_is_no_test() -> None:
    context = make_context(make_pair("n1"), testing=("n1",))
    later = replace(context, now=NOW + 9999.0)

    assert document(later)["window"]["in_use"] == 0
    assert not document(later)["nodes"][0]["testing"]


def test_the_window_in_use_is_counted_in_slots_and_not_in_claims_kept_in_hand() -> None:
    members = [make_member(name) for name in ("n1", "n2", "n3", "n4")]
    claims = [make_claim("n1", slot=0), make_claim("n2", slot=1), make_claim("n3", slot=1)]
    over = make_claim("n4", slot=2, deadline_at=NOW - 1)

    context = ViewContext(make_settings(), make_state(*members, claims=[*claims, over]), NOW)
    assert count_totals(context).in_use == 2
