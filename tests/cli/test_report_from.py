"""`plabctl report --from SOURCE -O DIR`: one page over several monitors."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from plabctl.files.page_folder import MARKER
from tests.cli.console import Desk
from tests.cli.monitors import BOTH, WITH_MONITORS, alter, document, iso
from tests.lab.web_pages import WebPages

pytestmark = WITH_MONITORS


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def read_text(page: Path) -> str:
    """The words of a page, without tags."""
    text = re.sub(r"(?s)<(style|script)>.*?</\1>|<[^>]+>", " ", (page / "index.html").read_text())
    return " ".join(unescape(text).split())


def test_it_has_the_nodes_of_all_and_how_each_monitor_is(far: Desk, web: WebPages) -> None:
    said = far.run("report", "--from", "lyon", "--from", f"nancy={web.url}/nancy/", "-O", "all")

    page = far.folder / "all"
    text = read_text(page)
    assert (said.code, said.out, said.err) == (0, f"{page}/index.html\n", "")
    assert list_files(page) == {MARKER, "index.html", "status.json", "badge/good.svg", "badge/bad.svg"}
    assert text.startswith("Nodes of lyon, nancy: 2 of 4 usable")
    assert [name for name in ("pc1 lyon", "pc2 lyon", "a1 nancy", "a2 nancy") if name not in text] == []
    links = set(re.findall(r'href="([^"#]+)"', (page / "index.html").read_text()))
    assert {link for link in links if not link.startswith("data:")} == {
        f"{web.url}/nancy/", "status.json", "badge/good.svg", "badge/bad.svg",
    }, "each monitor has pages of its nodes itself"  # fmt: skip


@pytest.mark.parametrize(
    ("given", "named"), [(BOTH, BOTH), (("--from", "lyon"), ("--from", "lyon=lyon"))], ids=["several", "one"]
)
def test_it_is_a_source_again_and_so_are_its_statistics(
    far: Desk, given: tuple[str, ...], named: tuple[str, ...]
) -> None:
    far.ok("report", *given, "-O", "all", "--stats")

    for command in ("status", "stats"):
        page, monitors = (far.ok(command, *sources, "-o", "tsv") for sources in (("--from", "all"), named))
        assert sorted(page.splitlines()) == sorted(monitors.splitlines())


def test_what_is_old_or_cannot_be_read_stands_at_its_top_and_hides_no_other(far: Desk) -> None:
    alter(far, "nancy", generated_at=iso(1e9))
    far.ok("report", *BOTH, "-O", "all")

    said = far.run("report", "--from", "gone", *BOTH, "-O", "all", "--stats")

    text = read_text(far.folder / "all")
    assert said.code == 1
    assert said.err.startswith("plabctl: gone: cannot read 'gone': No such file or directory; ")
    fault = "Fault gone : cannot read 'gone': No such file or directory ."
    assert fault in text
    places = [text.index(words) for words in (fault, "Fault nancy : the status is ", "Monitors 3", "Nodes 4")]
    assert places == sorted(places)
    assert "gone not read cannot read 'gone'" in text
    before = (far.folder / "all/index.html").read_bytes()
    lost = far.run("report", "--from", "a=gone", "--from", "b=lost", "-O", "all")
    assert (lost.code, lost.out) == (74, "")
    assert (far.folder / "all/index.html").read_bytes() == before


def test_the_nodes_of_a_source_of_several_count_for_it(far: Desk) -> None:
    (far.folder / "region.json").write_text(far.ok("status", *BOTH, "-o", "json"))

    far.ok("report", "--from", "region.json", "--from", "lyon", "-O", "all")

    text = read_text(far.folder / "all")
    assert [words for words in ("region 4 2 ", "lyon 2 1 ") if words not in text] == [], text


def test_what_others_call_a_pool_is_no_path(far: Desk) -> None:
    rows = document(far, "nancy")["nodes"]
    name = "../../../evil"
    alter(far, "nancy", nodes=[{**rows[0], "pool": name}], counts={name: 1})

    far.ok("report", *BOTH, "-O", "all")

    assert list_files(far.folder / "all") == {MARKER, "index.html", "status.json", "badge/good.svg", "badge/bad.svg"}
    assert not list(far.folder.parent.rglob("*evil*"))
    assert "evil.svg" not in (far.folder / "all/index.html").read_text(), "and no link"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "no directory is named"),
        (["-O", "lyon"], 2, "'lyon' is to be the page itself"),
        (["-O", "own"], 1, "it has the page of one monitor"),
        (["-O", "."], 1, "there are other files in it"),
    ],
)
def test_what_is_no_place_for_it_is_left_as_it_is(
    far: Desk, sites: Path, arguments: list[str], code: int, words: str
) -> None:
    (far.folder / "own").symlink_to(sites / "lyon/page")
    before = {path: path.stat().st_mtime_ns for path in (sites / "lyon/page").rglob("*")}

    said = far.run("report", *BOTH, *arguments)

    assert (said.code, said.out, words in said.err) == (code, "", True), said
    assert {path: path.stat().st_mtime_ns for path in (sites / "lyon/page").rglob("*")} == before


def test_a_page_that_is_among_its_own_sources_is_refused(far: Desk) -> None:
    """Else each time all nodes would be claimed by one more."""
    far.ok("report", *BOTH, "-O", "all")

    said = far.run("report", "--from", "*", "-O", "all")

    assert (said.code, "'all' is to be the page itself" in said.err) == (2, True)
    assert len(json.loads((far.folder / "all/status.json").read_text())["nodes"]) == 4
