"""`plabctl rank --from SOURCE`: the nodes of several monitors in one order."""

import json
import time
from pathlib import Path
from typing import Any

from tests.cli.console import Desk
from tests.cli.monitors import BOTH, WITH_MONITORS, alter, document, iso

pytestmark = WITH_MONITORS


def test_the_usable_nodes_of_all_are_ranked_together(far: Any) -> None:
    lines = [line.split("\t") for line in far.ok("rank", *BOTH, "-o", "tsv").splitlines()]
    told = json.loads(far.ok("rank", *BOTH, "-p", "bad", "-p", "good", "-o", "json"))

    assert {(line[1], line[-1]) for line in lines} == {("pc1", "lyon"), ("a1", "nancy")}
    assert [line[0] for line in lines] == ["1", "2"]
    assert len(told["nodes"]) == 4
    assert far.ok("rank", *BOTH, "--top", "1", "-o", "name") in {"pc1\n", "a1\n"}
    assert "MONITOR" in far.ok("rank", *BOTH, "-o", "table")


def test_a_steady_one_is_before_one_that_is_not(far: Any) -> None:
    rows = document(far, "nancy")["nodes"]
    rows[0].update(steadiness_ratio=0.9, penalty=0.5)
    alter(far, "nancy", nodes=rows)
    rows = document(far, "lyon")["nodes"]
    rows[0].update(steadiness_ratio=0.7)
    alter(far, "lyon", nodes=rows)

    (first, second) = json.loads(far.ok("rank", *BOTH, "-o", "json"))["nodes"]

    assert (first["name"], first["score"], second["name"], second["score"]) == ("pc1", 0.7, "a1", 0.6)
    assert second["because"].startswith("good 90% of the last week, in good for ")
    assert second["because"].endswith(", flap penalty 0.5")


def test_a_page_says_the_same_as_the_machine_itself(far: Any, sites: Path) -> None:
    own = Desk(sites / "lyon").ok("rank", "-o", "name", "-p", "good", "-p", "bad")

    assert far.ok("rank", "--from", "lyon", "-o", "name", "-p", "good", "-p", "bad") == own
    assert far.ok("rank", "--from", f"{sites}/lyon/plabctl.toml", "-o", "name", "-p", "good", "-p", "bad") == own


def test_what_does_not_say_enough_is_told(far: Any) -> None:
    rows = [
        {key: value for key, value in row.items() if key != "steadiness_ratio"}
        for row in document(far, "nancy")["nodes"]
    ]
    alter(far, "nancy", nodes=rows)

    said = far.run("rank", *BOTH, "-o", "name")
    alone = far.run("rank", "--from", "nancy", "-o", "name")

    assert (said.code, said.out) == (1, "pc1\n")
    assert said.err == "plabctl: nancy: its status does not say how steady nodes were: name its page\n"
    assert (alone.code, alone.out) == (74, "")
    assert far.run("rank", *BOTH, "--from", "gone", "-o", "table").out.startswith("! gone: cannot read 'gone'")
    assert far.run("rank", *BOTH, "-p", "ugly").code == 1


def test_what_is_old_and_what_two_claim_is_told(far: Any) -> None:
    alter(far, "lyon", generated_at=iso(time.time() - 3600))
    alter(far, "nancy", nodes=[*document(far, "nancy")["nodes"], document(far, "lyon")["nodes"][0]])

    said = far.run("rank", *BOTH, "-o", "tsv")

    assert said.code == 0
    assert said.err.splitlines()[1] == "plabctl: 1 node is claimed by lyon and nancy: pc1"
    assert said.err.startswith("plabctl: lyon: the status is 1h")
    assert "! 1 node is claimed by lyon and nancy: pc1\n" in far.ok("rank", *BOTH, "-o", "table")
