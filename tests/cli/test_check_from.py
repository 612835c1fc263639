"""`plabctl check --from SOURCE --from SOURCE`: the one alarm over several monitors."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.monitors import BOTH, WITH_MONITORS, alter, document, iso

pytestmark = WITH_MONITORS


def check(desk: Any, *arguments: str) -> tuple[int, str, str]:
    """The exit code, the words, and the performance data."""
    said = desk.run("check", *BOTH, "--max-age", "1h", *arguments)
    words, _, performance = said.out.partition(" | ")
    return said.code, words.strip(), performance


def test_when_all_are_well_it_is_ok_and_figures_are_sums(far: Any) -> None:
    code, words, performance = check(far)

    assert (code, words.partition("; last tick")[0]) == (0, "PLABCTL OK - 4 nodes: 2 good, 2 bad")
    assert performance.startswith("'good'=2;;;0;4 'bad'=2;;;0;4 held=0;;;0;4 suspect=0;;;0;4 in_use=0;;;0;8 ")
    assert "unusable=2;;;0;4" in performance


def test_limits_are_over_all(far: Any) -> None:
    code, words, _ = check(far, "-w", "1", "-c", "60%")

    assert (code, words.partition("; 4 nodes")[0]) == (1, "PLABCTL WARNING - 2 of 4 nodes are bad (a2,pc2)")
    assert check(far, "--crit-unusable", "1")[0] == 2


def test_what_is_wrong_with_one_is_wrong_with_all_and_says_where(far: Any) -> None:
    problem = {"kind": "no-tick", "severity": "critical", "reason": "no tick for 9m", "remedy": "look"}
    alter(far, "nancy", problems=[problem])

    code, words, _ = check(far)

    assert (code, words.partition(";")[0]) == (2, "PLABCTL CRITICAL - nancy: no tick for 9m")


def test_an_old_status_is_critical(far: Any) -> None:
    alter(far, "lyon", generated_at=iso(time.time() - 7200))

    code, words, _ = check(far)

    assert code == 2
    assert words.startswith("PLABCTL CRITICAL - lyon: the status is 2h")


def test_one_that_never_ticked_is_critical(far: Any) -> None:
    path: Path = far.folder / "lyon/status.json"
    path.write_text(path.read_text().replace('"last_tick_at"', '"another_at"'))

    code, words, _ = check(far)

    assert (code, words.partition(";")[0]) == (2, "PLABCTL CRITICAL - lyon: there has been no tick yet")


def test_nodes_that_two_claim_are_a_warning(far: Any) -> None:
    alter(far, "nancy", nodes=[*document(far, "nancy")["nodes"], document(far, "lyon")["nodes"][0]])

    code, words, _ = check(far)

    assert (code, words.partition(";")[0]) == (1, "PLABCTL WARNING - 1 node is claimed by lyon and nancy: pc1")


@pytest.mark.parametrize(("limit", "code", "name"), [("9", 3, "UNKNOWN"), ("1", 2, "CRITICAL")])
def test_one_that_cannot_be_read_is_unknown_unless_it_is_worse(far: Any, limit: str, code: int, name: str) -> None:
    found = far.run("check", *BOTH, "--from", "gone=none.json", "--max-age", "1h", "-c", limit)

    assert found.code == code
    assert found.out.startswith(f"PLABCTL {name} - ")
    assert "gone: cannot read 'none.json': No such file or directory" in found.out
    assert "4 nodes: 2 good, 2 bad" in found.out


def test_what_a_source_of_several_says_of_each_is_told_with_the_name_of_each(far: Any) -> None:
    region = far.run("status", "--from", "lyon", "--from", "gone", "-o", "json")
    (far.folder / "region.json").write_text(region.out)

    several = far.run("check", "--from", "region.json", "--from", "nancy", "--max-age", "1h")
    alone = far.run("check", "--from", "region.json", "--max-age", "1h")

    words = "gone: cannot read 'gone': No such file or directory; "
    assert (several.code, several.out.startswith(f"PLABCTL UNKNOWN - region/{words}")) == (3, True), several
    assert (alone.code, alone.out.startswith(f"PLABCTL CRITICAL - {words}")) == (2, True), alone


def test_when_none_can_be_read_it_is_unknown(far: Any) -> None:
    found = far.run("check", "--from", "a=none", "--from", "b=none.json")

    assert found.code == 3
    assert found.out.startswith("PLABCTL UNKNOWN - a: cannot read 'none': ")
    assert "; b: cannot read 'none.json': " in found.out
