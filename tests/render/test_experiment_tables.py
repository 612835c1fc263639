"""Experiments as people and programs see them: counts, words, forms, and what is said of each event."""

import json
import shlex
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Event
from plabctl.render import (
    data_formats,
    event_table,
    experiment_tables,
    explanation,
    node_page,
    pool_table,
    rank_table,
    status_table,
    swap_messages,
    table_layout,
)
from plabctl.render.encode import encode_view
from plabctl.views.experiment_rows import ExperimentRow, find_experiment_state, make_experiment_row, make_vnode_row
from plabctl.views.experiments import ExperimentOverview, VnodeView, read_overview
from plabctl.views.node import NODE_COLUMNS, ViewContext, list_node_views
from plabctl.views.node_record import NodeRecord
from plabctl.views.pools import list_pool_views
from tests.builders import NOW
from tests.render.examples import (
    FAILED,
    PASSED,
    make_context,
    make_experiment,
    make_experiment_context,
    make_pair,
    make_vnode_view,
)

PLACES = (
    make_vnode_view("n1", "up", vnode="plabctl-1", last=PASSED, tries=1, up_at=NOW - 60.0),
    make_vnode_view("n2", "failed", last=FAILED, tries=3, fail_streak=3),
    make_vnode_view("n3", "setting-up"),
    make_vnode_view("n4", "pending"),
)


def scene(**fields: object) -> ViewContext:
    return make_experiment_context(make_experiment(nodes=("n1", "n2", "n3", "n4"), **fields), *PLACES)


def picture(context: ViewContext) -> ExperimentOverview:
    return read_overview(context.state, "web")


def table(listing: object, room: int | None = 80) -> list[str]:
    return ["".join(text for text, _ in line) for line in table_layout.draw_listing(listing, room)]  # type: ignore[arg-type]  # a listing


def test_the_list_counts_the_members_by_state() -> None:
    (overview,) = experiment_tables.build_listing(scene()).rows
    row = make_experiment_row(overview)

    assert (row.wanted_count, row.up_count, row.failed_count, row.setting_up_count) == (4, 1, 1, 1)
    assert "1 of 4  1 pending, 1 setting-up, 1 failed  4 nodes" in table(experiment_tables.build_listing(scene()))[1]


@pytest.mark.parametrize(
    ("fields", "places", "state"),
    [
        ({}, PLACES[:1], "incomplete"),
        ({"ready_at": NOW - 1.0}, PLACES[:1], "ready"),
        ({"ready_at": NOW - 1.0, "is_everywhere": True}, PLACES[:2], "incomplete"),
        ({"ready_at": NOW - 1.0, "leaving_at": NOW}, PLACES[:1], "leaving"),
    ],
)
def test_the_state_of_an_experiment(fields: dict[str, object], places: tuple[VnodeView, ...], state: str) -> None:
    assert find_experiment_state(picture(make_experiment_context(make_experiment(**fields), *places))) == state


@pytest.mark.parametrize("form", ["tsv", "csv", "json", "jsonl", "name"])
@pytest.mark.parametrize("which", ["list", "show"])
def test_every_form_has_every_row(form: str, which: str) -> None:
    listing = (
        experiment_tables.build_listing(scene())
        if which == "list"
        else experiment_tables.build_experiment_listing(scene(), "web")
    )
    count = 1 if which == "list" else len(PLACES)
    text = "".join(data_formats.render(listing, form))

    if form == "json":
        assert len(json.loads(text)["experiments" if which == "list" else "vnodes"]) == count
    else:
        assert len(text.splitlines()) == count + (form == "csv")


def test_what_is_not_known_of_a_member_is_absent() -> None:
    row = encode_view(make_vnode_row(make_vnode_view("n4", "pending")))

    assert not {"vnode", "last", "up_at", "node_removed_at"} & row.keys()


def test_a_member_says_why_it_is_not_up() -> None:
    lines = table(experiment_tables.build_experiment_listing(scene(), "web"))

    assert "✗ failed" in lines[2]
    assert "connect: connection refused" in lines[2]
    assert "» setting-up" in lines[3]


@pytest.mark.parametrize("room", [20, 40, 80, 300])
def test_no_node_is_cut_on_any_terminal(room: int) -> None:
    lines = table(experiment_tables.build_experiment_listing(scene(), "web"), room)

    assert [name for name in ("n1", "n2", "n3", "n4") if not any(f" {name}" in line for line in lines)] == []


WISHES = [
    (make_experiment(nodes=("n1",)), "1 node", ["--nodes", "n1"]),
    (make_experiment(count=3), "3 nodes", ["--count", "3"]),
    (
        make_experiment(count=3, spread="site", at_most=True),
        "at most 3 nodes, spread over site",
        ["--count", "3", "--at-most", "--spread", "site"],
    ),
    (make_experiment(is_everywhere=True), "all nodes", ["--all-nodes"]),
    (
        make_experiment(is_everywhere=True, match={"site": "no rth", "rack": "1"}),
        "all nodes with site=no rth and rack=1",
        ["--all-nodes", "--match=site=no rth", "--match=rack=1"],
    ),
    (make_experiment(nodes=("n1",), hook=("logger", "a b")), "1 node", ["--nodes", "n1"]),
]


@pytest.mark.parametrize(("experiment", "words", "options"), WISHES)
def test_a_wish_in_words_and_as_the_command_that_wishes_for_it(
    experiment: Experiment, words: str, options: list[str]
) -> None:
    command = shlex.split(swap_messages.build_swap_in_command(experiment))

    assert experiment_tables.format_wanted(experiment) == words
    assert command[4 : 4 + len(options)] == options
    if experiment.hook:
        assert shlex.split(command[command.index("--hook") + 1]) == list(experiment.hook)


def test_the_command_of_a_wish_is_one_that_the_command_line_takes() -> None:
    from plabctl.app.swap_experiments import parse_experiment
    from plabctl.cli.experiment import swapin

    for experiment, _, _ in WISHES:
        words = shlex.split(swap_messages.build_swap_in_command(experiment))[3:]
        with CliRunner().isolation():
            given = swapin.make_context("swapin", words).params
        names = ("nodes", "count", "spread", "at_most", "all_nodes", "match", "recipe", "hook")
        made = parse_experiment(given["name"], **{name: given[name] for name in names})

        assert (made.nodes, made.count, made.spread, made.at_most) == (
            experiment.nodes,
            experiment.count,
            experiment.spread,
            experiment.at_most,
        )
        assert (made.is_everywhere, dict(made.match), made.hook) == (
            experiment.is_everywhere,
            dict(experiment.match),
            experiment.hook,
        )


def test_nodes_that_were_removed_are_told_until_it_is_swapped_out() -> None:
    wanted = make_experiment_context(make_experiment(nodes=("n1", "n9")), PLACES[0])
    leaving = make_experiment_context(make_experiment(nodes=("n1", "n9"), leaving_at=NOW), PLACES[0])

    assert "removed, so without vnode: n9" in experiment_tables.build_experiment_listing(wanted, "web").footer
    assert "n9" not in experiment_tables.build_experiment_listing(leaving, "web").footer


def test_what_is_said_when_it_is_forgotten_names_every_vnode_that_may_be_left() -> None:
    left = (Vnode("web", "n1", VnodeState.UP, NOW, NOW, vnode="plabctl-1"),)

    assert list(swap_messages.describe_forgotten("web", left)) == [
        "web: forgotten",
        "n1: vnode plabctl-1 may be left there",
    ]


def test_progress_is_told_when_something_changed() -> None:
    told: list[ExperimentRow] = []
    tell = experiment_tables.skip_unchanged(told.append)
    for each in (scene(), scene(), scene(ready_at=NOW)):
        tell(picture(each))

    assert len(told) == 2


EVENTS = [
    ("vnode-up", {"vnode": "v"}, "web: vnode up"),
    ("vnode-up", {"vnode": "v", "tries": 3}, "web: vnode up after 3 tries"),
    ("vnode-failed", {"cause": "setup", "reason": "no [/x]"}, "web: vnode failed (setup): no [/x]"),
    ("vnode-recovered", {}, "web: vnode up again"),
    ("vnode-replaced", {"by": "n7"}, "web: vnode replaced by one on n7"),
    ("vnode-gone", {"vnode": "v"}, "web: vnode gone"),
    ("vnode-gone", {}, "web: left, with nothing to tear down"),
    ("vnode-gone", {"vnode": "v", "reason": "given up"}, "web: vnode gone: given up"),
    ("vnode-probe", {"goal": "setup", "outcome": "pass", "seconds": 1.0}, "web: set-up passed in 1.0 s"),
    (
        "vnode-probe",
        {"goal": "check", "outcome": "fail", "cause": "check", "reason": "dead", "seconds": 1.0},
        "web: check failed in 1.0 s (check): dead",
    ),
    (
        "vnode-probe",
        {"goal": "teardown", "outcome": "unknown", "cause": "local", "reason": "x"},
        "web: teardown: no verdict (local): x",
    ),
    ("void", {"goal": "setup", "reason": "its tick is gone"}, "web: set-up given up: its tick is gone"),
    ("experiment-in", {"nodes": ["n1"], "recipe": "process"}, "web: swapped in on 1 node by recipe process"),
    ("experiment-in", {"count": 5, "recipe": "r", "reason": "x"}, "web: swapped in on 5 nodes by recipe r: x"),
    ("experiment-in", {"all_nodes": True, "recipe": "r"}, "web: swapped in on all nodes by recipe r"),
    ("experiment-ready", {"vnodes": 2}, "web: ready, 2 vnodes up"),
    ("experiment-leaving", {"reason": "done"}, "web: swapped out: done"),
    ("experiment-gone", {}, "web: gone"),
    ("experiment-gone", {"left": ["v on n1"]}, "web: gone, and not torn down: v on n1"),
]


def make_event(kind: str, data: dict[str, object]) -> Event:
    return Event("id", NOW, kind, "n1", "plabctl", {"experiment": "web", **data})


@pytest.mark.parametrize(("kind", "data", "words"), EVENTS)
def test_an_event_is_told_in_words(kind: str, data: dict[str, object], words: str) -> None:
    assert event_table.describe_event(make_event(kind, data)) == words


def test_every_kind_of_event_of_experiments_has_words_here() -> None:
    kinds = {kind for kind in EVENT_KINDS if kind.startswith(("vnode-", "experiment-"))}

    assert kinds == {kind for kind, _, _ in EVENTS} - {"void"}


def test_programs_get_experiment_and_vnode_of_an_event() -> None:
    text = "".join(
        data_formats.render(event_table.build_listing([make_event("vnode-up", {"vnode": "v"})]), "tsv", header=True)
    )
    header, line = (row.split("\t") for row in text.splitlines())

    assert dict(zip(header, line, strict=True)) | {"experiment": "web", "vnode": "v"} == dict(
        zip(header, line, strict=True)
    )


def test_the_pools_of_experiments_stand_below_the_others() -> None:
    good, _, web = list_pool_views(scene())

    assert (web.name, web.kind, web.nodes_count) == ("web", "experiment", 4)
    assert web.testing_count == web.in_use_count == 1
    assert {"weight", "share_ratio", "used_ratio", "oldest_wait_seconds", "reserve_ratio"} <= encode_view(good).keys()
    assert not {"held_count", "suspect_count", "goes_to"} & encode_view(web).keys()


def test_the_oldest_wait_is_that_of_a_member_that_is_due() -> None:
    late = make_experiment_context(make_experiment(), make_vnode_view("n1", "pending", due_at=NOW - 125.0))
    (good, _, web) = list_pool_views(late)

    assert (web.due_count, web.oldest_wait_seconds) == (1, 125.0)
    assert good.due_count == 1
    line = next(line for line in table(pool_table.build_listing(late)) if " web " in line)
    assert "2m5s" in line


def test_the_status_names_experiments_whose_vnode_is_on_the_node() -> None:
    context = scene()
    views = {view.name: view for view in list_node_views(context, ["n1", "n2"])}

    assert views["n1"].experiments == ["web"]
    assert views["n2"].experiments is None
    assert "EXPERIMENTS" in table(status_table.build_listing(context, ["n1", "n2"]), None)[0]
    assert "EXPERIMENTS" not in table(status_table.build_listing(context, ["n2"]), None)[0]


def test_the_status_with_experiments_is_as_the_schema_says() -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs/status.schema.json").read_text())
    document = "".join(data_formats.format_json(status_table.build_data_listing(scene(), ["n1", "n2"], "json")))

    jsonschema.validate(json.loads(document), schema)
    assert json.loads(document)["nodes"][0]["experiments"] == ["web"]


@pytest.mark.parametrize(("name", "experiments"), [("n1", "web"), ("n2", "")])
def test_the_lines_of_the_status_name_the_experiments(name: str, experiments: str) -> None:
    line = "".join(data_formats.render(status_table.build_data_listing(scene(), [name], "tsv"), "tsv"))

    assert line.split("\t")[NODE_COLUMNS.index("experiments")] == experiments


def test_show_and_explain_tell_where_a_node_is_a_member() -> None:
    context = scene()
    node, member = make_pair("n2")
    subject = NodeRecord(node, member, None, vnode_views=(PLACES[1],))

    for tell, format_json in (
        (node_page.build_lines, node_page.format_json),
        (explanation.build_lines, explanation.format_json),
    ):
        (line,) = [cell.text for label, cell in tell(subject, context) if label == "experiments"]
        assert line == "web: failed for 1m: connect: connection refused"
        row = json.loads(format_json(subject, context))
        assert [each["state"] for each in row["vnodes"]] == ["failed"]
        assert "experiments" not in row


def test_rank_puts_the_steadiest_first() -> None:
    context = make_context(
        make_pair("new", since_at=NOW - 60.0),
        make_pair("old", since_at=NOW - 30 * 86400.0),
        make_pair("flops", since_at=NOW - 30 * 86400.0, penalty=3.0, penalty_at=NOW),
        make_pair("bad", "bad"),
    )

    assert [node.name for node in rank_table.build_listing(context, (), None).rows] == ["old", "flops", "new"]
    assert [node.name for node in rank_table.build_listing(context, (), 1).rows] == ["old"]
    assert [node.name for node in rank_table.build_listing(context, ("bad",), None).rows] == ["bad"]
    assert rank_table.build_listing(context, (), 1).footer == "the 1 steadiest of 3 nodes in good"
