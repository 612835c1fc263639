"""`plabctl metrics`: what Prometheus' own tools and another parser make of it, and that counters only grow."""

import json
import subprocess
from collections.abc import Mapping

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families

from plabctl.core.problems import ProblemKind
from tests.cli.console import CONFIG, Desk

Labels = frozenset[tuple[str, str]]


def read_samples(text: str) -> Mapping[tuple[str, Labels], float]:
    """Every sample by name and labels, as prometheus-client reads it; none may be there twice."""
    found: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, key
            assert sample.timestamp is None
            found[key] = sample.value
    return found


def find(text: str, name: str, **labels: str) -> float:
    return read_samples(text)[name, frozenset(labels.items())]


def test_the_figures_are_those_of_the_status(used_desk: Desk) -> None:
    """pc1 is good, pc2 is bad; pc3 is held and has never been tested."""
    used_desk.ok("node", "add", "pc3", "--set", "site=nor\\th")
    used_desk.ok("hold", "pc3", "--reason", "mine")
    text = used_desk.ok("metrics")

    assert find(text, "plabctl_nodes_usable", pool="good", site="north") == 1
    assert find(text, "plabctl_nodes_usable", pool="bad", site="north") == 0
    assert find(text, "plabctl_nodes_held", pool="bad", site="nor\\th") == 1
    assert find(text, "plabctl_nodes_untested", pool="bad", site="nor\\th") == 1
    assert find(text, "plabctl_window_size") == 4
    assert find(text, "plabctl_guard_frozen") == 0
    status = json.loads(used_desk.ok("status", "-o", "json"))
    assert find(text, "plabctl_last_tick_timestamp_seconds") > 1.7e9
    assert find(text, "plabctl_history_size_bytes") > 4096
    assert 0 < find(text, "plabctl_tick_duration_seconds") < 60
    counted = [value for (name, _), value in read_samples(text).items() if name == "plabctl_nodes"]
    assert sum(counted) == len(status["nodes"])
    told = [value for (name, _), value in read_samples(text).items() if name == "plabctl_faults"]
    assert len(told) == 2 * len(ProblemKind)
    assert sum(told) == len(status.get("problems", ()))
    passed = find(text, "plabctl_probes_total", outcome="pass", cause="", goal="test")
    assert passed >= 1
    assert find(text, "plabctl_probe_duration_seconds_count", outcome="pass") == passed
    assert find(text, "plabctl_probe_duration_seconds_bucket", outcome="pass", le="+Inf") == passed


def test_series_of_nodes_are_asked_for_and_bounded(used_desk: Desk) -> None:
    assert "plabctl_node_usable" not in used_desk.ok("metrics")
    text = used_desk.ok("metrics", "--per-node")
    assert find(text, "plabctl_node_usable", node="pc1", pool="good", site="north") == 1
    assert find(text, "plabctl_node_info", node="pc2", pool="bad", site="north", cause="setup") == 1
    said = used_desk.run("metrics", "--per-node", "--max-nodes", "1")

    assert said.err == "1 node has no series: --max-nodes is 1\n"
    assert find(said.out, "plabctl_nodes_without_series") == 1
    assert '"pc2"' not in said.out


def test_openmetrics_is_accepted_by_a_strict_parser_and_says_the_same(used_desk: Desk) -> None:
    plain = read_samples(used_desk.ok("metrics", "--per-node"))
    text = used_desk.ok("metrics", "--per-node", "-o", "openmetrics")
    families = list(read_open(text))  # type: ignore[no-untyped-call]  # prometheus-client has no types there

    assert {sample.name for family in families for sample in family.samples} == {name for name, _ in plain}
    assert {family.name: family.type for family in families}["plabctl_probes"] == "counter"


@pytest.mark.prometheus
def test_promtool_has_nothing_to_say(used_desk: Desk) -> None:
    text = used_desk.ok("metrics", "--per-node")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_counters_go_on_when_an_older_state_is_put_back(used_desk: Desk) -> None:
    passed = {"outcome": "pass", "cause": "", "goal": "test"}
    used_desk.ok("retest", "pc1", "--wait")
    before = find(used_desk.ok("metrics"), "plabctl_probes_total", **passed)
    (used_desk.folder / "state" / "state.json").write_text("{")
    used_desk.run("doctor", "--restore")
    used_desk.ok("status")
    assert find(used_desk.ok("metrics"), "plabctl_probes_total", **passed) == before
    used_desk.ok("retest", "pc1", "--wait")

    assert find(used_desk.ok("metrics"), "plabctl_probes_total", **passed) == before + 1


def test_nothing_is_needed_to_begin_with(desk: Desk) -> None:
    text = desk.ok("metrics", "--per-node")

    assert find(text, "plabctl_nodes", pool="good", site="") == 0
    assert ("plabctl_last_tick_timestamp_seconds", frozenset()) not in read_samples(text)


def test_without_a_history_that_can_be_read_there_is_all_but_counters(used_desk: Desk) -> None:
    (used_desk.folder / "texts").mkdir()
    used_desk.config.write_text(CONFIG + '\n[[sink]]\nkind = "textfile"\npath = "texts/plabctl.prom"\n')
    for found in (used_desk.folder / "state").glob("history.db*"):
        found.write_text("no database")
    used_desk.run("retest", "pc1", "-q")
    assert used_desk.run("tick").code == 74
    text = (used_desk.folder / "texts" / "plabctl.prom").read_text()
    assert find(text, "plabctl_faults", kind="state", severity="critical") == 1
    assert find(text, "plabctl_nodes_usable", pool="good", site="north") == 1
    assert "_total" not in text
    assert "plabctl_probe_duration" not in text
    said = used_desk.run("metrics", "-o", "openmetrics")
    assert said.code == 0
    assert said.err == "plabctl: without counters: the history cannot be read; see: plabctl doctor\n"
    assert list(read_open(said.out))  # type: ignore[no-untyped-call]  # prometheus-client has no types there
    assert "textfile" not in used_desk.run("check").out
