"""Several monitors in one view: `--from SOURCE` more than once."""

import json
import os
import shutil
import signal
import socket
import time
from contextlib import ExitStack, closing, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from plabctl.app import several_export, several_page, several_ranking
from plabctl.app.export_nodes import Wanted
from plabctl.app.monitors import Monitors
from plabctl.app.several import Asked, Several
from plabctl.app.status_source import ToldStatus
from plabctl.views.node import ViewContext
from tests.cli.console import Desk, Said
from tests.cli.monitors import BOTH, WITH_MONITORS, alter, document, iso
from tests.lab.dask_cluster import Authority
from tests.lab.second_user import SECOND_USER, as_user
from tests.lab.web_pages import WebPages, serving_pages

pytestmark = WITH_MONITORS
HOUR_S = 3600.0


def names_of(said: str) -> list[str]:
    return [line.split("\t")[0] for line in said.splitlines()]


def test_the_nodes_of_all_are_there_each_with_its_monitor(far: Desk) -> None:
    lines = far.ok("status", *BOTH, "-o", "tsv", "--header").splitlines()
    table = far.ok("status", *BOTH, "-o", "table")
    told = json.loads(far.ok("status", *BOTH, "-o", "json"))

    assert lines[0].split("\t")[-1] == "monitor"
    assert [(line.split("\t")[0], line.split("\t")[-1]) for line in lines[1:]] == [
        ("pc1", "lyon"), ("pc2", "lyon"), ("a1", "nancy"), ("a2", "nancy"),
    ]  # fmt: skip
    assert table.splitlines()[0].split()[:3] == ["STATE", "NODE", "MONITOR"]
    assert "4 nodes of 2 monitors: 2 good, 2 bad" in table
    assert [(row["name"], row["monitor"]) for row in told["nodes"]][::3] == [("pc1", "lyon"), ("a2", "nancy")]
    assert [(row["monitor"], row["nodes_count"], row["stale"]) for row in told["sources"]] == [
        ("lyon", 2, False), ("nancy", 2, False),
    ]  # fmt: skip
    assert told["counts"] == {"good": 2, "bad": 2}
    assert names_of(far.ok("status", *BOTH, "-o", "csv"))[0].startswith("name,pool,")


def test_one_is_as_on_its_machine_unless_it_has_a_name(far: Desk, sites: Path) -> None:
    own = Desk(sites / "lyon").ok("status", "-o", "tsv")

    assert far.ok("status", "--from", "lyon", "-o", "tsv") == own
    assert far.ok("status", "--from", "L=lyon", "-o", "tsv") == own.replace("\n", "L\n")
    assert far.ok("status", "--from", str(sites / "lyon/plabctl.toml"), "-o", "tsv") == own, "a configuration"
    assert far.ok("status", "--from", str(sites / "lyon/state"), "-o", "tsv") == own, "the state beside one"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["pc1"], ["pc1"]),
        (["*2"], ["pc2", "a2"]),
        (["pc1,a[1-2]"], ["pc1", "a1", "a2"]),
        (["PC1", "site=nancy", "!a1"], ["pc1", "a2"]),
        (["!pc*"], ["a1", "a2"]),
        (["@usable"], ["pc1", "a1"]),
        (["-p", "bad"], ["pc2", "a2"]),
        (["--cause", "setup"], ["pc2", "a2"]),
        (["--sort", "-name"], ["pc2", "pc1", "a2", "a1"]),
        (["--sort", "-monitor", "@bad"], ["a2", "pc2"]),
    ],
)
def test_nodes_are_chosen_over_all(far: Desk, arguments: list[str], expected: list[str]) -> None:
    assert far.ok("status", *BOTH, *arguments, "-o", "name").split() == expected


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["zz"], 1, "no node is named 'zz'"),
        (["pc[1-3]"], 1, "no node is named 'pc3'"),
        (["pc1", "!pc1"], 1, "no node is left"),
        (["rack=r9"], 1, "no node has rack=r9"),
        (["-p", "ugly"], 1, "no pool is named 'ugly'"),
        (["@ugly"], 1, "no pool is named 'ugly'"),
        (["--by", "colour"], 2, "no column or label is named 'colour'"),
        (["--sort", "colour"], 2, "no column or label is named 'colour'"),
        (["--watch"], 2, "--watch looks at the state"),
        (["--from", "lyon"], 2, "a source is named twice"),
        (["--from", "nancy=lyon/status.json"], 2, "two monitors would be called 'nancy'"),
        (["--from", "x=http://u:secret@127.0.0.1/"], 2, "an address with a password is not taken"),
        (["--from", "none*.json"], 2, "no file matches"),
        (["--from", ""], 2, "--from names nothing"),
    ],
)
def test_what_none_has_is_refused(far: Desk, arguments: list[str], code: int, words: str) -> None:
    said = far.run("status", *BOTH, *arguments, "-o", "tsv")

    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert "secret" not in said.err


def test_who_has_a_full_name_is_told_by_the_short_one(far: Desk) -> None:
    nodes = [{**row, "name": f"{row['name']}.example.org"} for row in document(far, "nancy")["nodes"]]
    alter(far, "nancy", nodes=nodes)

    assert "the full name is 'a2.example.org'" in far.run("status", *BOTH, "A2").err
    assert "plabctl status --from SOURCE" in far.run("status", *BOTH, "A3").err


def test_groups_are_over_all(far: Desk) -> None:
    (group,) = json.loads(far.ok("status", *BOTH, "--by", "reason", "-o", "json"))["groups"]
    by_monitor = far.ok("status", *BOTH, "--by", "monitor", "-o", "tsv")

    assert (group["count"], group["names"], group["monitors"]) == (2, ["pc2", "a2"], {"lyon": 1, "nancy": 1})
    assert [line.split("\t")[:3] for line in by_monitor.splitlines()] == [["lyon", "2", "1"], ["nancy", "2", "1"]]
    assert "lyon nancy" in far.ok("status", *BOTH, "--by", "rack", "-o", "table")


def test_a_fault_can_be_asked_for(far: Desk) -> None:
    assert far.run("status", *BOTH, "pc1", "a1", "--fail-on", "unusable").code == 0
    assert far.run("status", *BOTH, "--fail-on", "unusable").code == 1
    assert far.run("status", *BOTH, "--by", "reason", "--fail-on", "good").code == 1
    assert far.run("status", *BOTH, "--fail-on", "ugly").code == 1


def test_what_is_old_is_told_and_shown(far: Desk) -> None:
    alter(far, "nancy", generated_at=iso(time.time() - HOUR_S))

    table = far.ok("status", *BOTH, "-o", "table")
    tsv = far.run("status", *BOTH, "-o", "tsv")
    told = json.loads(far.ok("status", *BOTH, "-o", "json"))

    assert table.startswith("! nancy: the status is 1h")
    assert "a1" in table
    assert (tsv.code, len(tsv.out.splitlines())) == (0, 4)
    assert tsv.err.startswith("plabctl: nancy: the status is 1h")
    assert [row["stale"] for row in told["sources"]] == [False, True]
    assert [(row["monitor"], row["kind"]) for row in told["problems"]] == [("nancy", "status-file")]
    assert far.run("status", *BOTH, "-o", "tsv", "--max-age", "2h").err == ""


def test_a_page_may_be_as_old_as_it_gets_before_it_is_written_anew(far: Desk) -> None:
    alter(far, "nancy", generated_at=iso(time.time() - 400))

    assert far.run("status", *BOTH, "-o", "tsv").err == ""
    assert "the status is 6m4" in far.run("status", *BOTH, "-o", "tsv", "--max-age", "3m").err


def test_names_that_two_claim_are_told(far: Desk) -> None:
    rows = document(far, "nancy")["nodes"]
    gone = {**rows[0], "name": "pc2", "absent_since_at": rows[0]["since_at"]}
    alter(far, "nancy", nodes=[*rows, {**rows[0], "name": "PC1"}, gone])

    said = far.run("status", *BOTH, "-o", "tsv")

    words = "1 node is claimed by lyon and nancy: PC1"
    assert (said.code, said.err) == (0, f"plabctl: {words}\n"), "one that is absent there is not claimed"
    assert far.ok("status", *BOTH, "-o", "table").startswith(f"! {words}\n")
    assert [row["kind"] for row in json.loads(far.ok("status", *BOTH, "-o", "json"))["problems"]] == ["monitor"]


def test_what_cannot_be_read_hides_no_other(far: Desk, web: WebPages) -> None:
    """One clear line each, in less time than monitoring systems give."""
    far.folder.joinpath("empty").mkdir()
    os.mkfifo(far.folder / "pipe")
    (far.folder / "old.json").write_text(json.dumps({**document(far, "lyon"), "schema_version": 2}))
    (far.folder / "cut.json").write_bytes((far.folder / "lyon/status.json").read_bytes()[:-20])
    with (far.folder / "huge.json").open("wb") as file:
        file.write(b'{"nodes":[')
        file.truncate(1024**3)
    web.answers["/html/status.json"] = lambda handler: web.send(handler, 200, b"<!DOCTYPE html><p>Log in")
    web.answers["/moved/status.json"] = lambda handler: web.send(handler, 301, Location="https://example.org/")
    web.answers["/nowhere/status.json"] = lambda handler: web.send(handler, 302)
    web.answers["/same/status.json"] = lambda handler: web.send(handler, 304)
    web.answers["/endless/status.json"] = _send_for_ever
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wrong = {
            "none": ("none", "cannot read 'none': No such file or directory"),
            "empty": ("empty", "'empty' has no status.json"),
            "pipe": ("pipe", "cannot read 'pipe': nothing came from it within "),
            "newer": ("old.json", "is a status of version 2, and this plabctl reads version 1"),
            "cut": ("cut.json", "is not a status document"),
            "huge": ("huge.json", "has 1024 MiB"),
            "zero": ("/dev/zero", "is not a status document"),
            "html": (f"{web.url}/html/", "is a page of HTML, not a status document"),
            "moved": (f"{web.url}/moved/", "redirects to 'https://example.org/', which is not followed"),
            "nowhere": (f"{web.url}/nowhere/", "redirects, and does not say where to"),
            "same": (f"{web.url}/same/", "answered 304 Not Modified"),
            "gone": (f"{web.url}/nothing", "answered 404"),
            "endless": (f"{web.url}/endless/", "did not answer within"),
            "tls": (web.url.replace("http:", "https:"), "no TLS can be agreed on"),
            "silent": (f"http://127.0.0.1:{silent.getsockname()[1]}", "did not answer within"),
            "refused": ("http://127.0.0.1:1", "cannot be reached: connection refused"),
        }
        sources = [part for name, (place, _) in wrong.items() for part in ("--from", f"{name}={place}")]
        began = time.monotonic()
        said = far.run("status", *sources, "--from", "lyon", "-o", "tsv")
        took_s = time.monotonic() - began

    assert (said.code, names_of(said.out)) == (1, ["pc1", "pc2"])
    lines = dict(line.removeprefix("plabctl: ").split(": ", 1) for line in said.err.splitlines())
    assert [name for name, (_, words) in wrong.items() if words not in lines.get(name, "")] == [], lines
    assert list(lines) == list(wrong)
    assert took_s < 30, "each has a deadline of five seconds, and all have it at once"


@pytest.mark.parametrize(
    "change",
    [{"due_at": "soon"}, {"last": {"outcome": "pass", "at": "lately", "seconds": 1}}, {"penalty": -1}, {"labels": 5}],
    ids=str,
)
def test_a_node_that_is_none_is_found_by_all_who_show_nodes(far: Desk, change: dict[str, object]) -> None:
    first, *others = document(far, "nancy")["nodes"]
    alter(far, "nancy", nodes=[{**first, **change}, *others])

    for command in (
        ("status",), ("rank",), ("export", "nodeset"), ("export", "ansible"), ("report", "-O", "both"),
    ):  # fmt: skip
        said = far.run(*command, *BOTH)
        assert (said.code, said.out.count("pc1") > 0) == (1, command[0] != "report"), said
        assert "plabctl: nancy: 'nancy/status.json' is not a status document" in said.err, said


def test_an_instant_that_is_none_hides_no_other_from_those_who_count(far: Desk) -> None:
    first, *others = document(far, "nancy")["nodes"]
    alter(far, "nancy", nodes=[{**first, "due_at": "0 o'clock"}, *others])

    assert far.run("check", *BOTH).out.startswith("PLABCTL UNKNOWN - nancy: 'nancy/status.json' is not a status")
    assert "2 nodes: 1 good, 1 bad" in far.run("check", *BOTH).out
    for arguments in (("status", "--by", "reason"), ("stats",)):
        assert "'nancy/status.json' is not a status document" in far.run(*arguments, *BOTH).err


def test_a_certificate_is_believed_by_its_authority_its_name_and_its_time(far: Desk, sites: Path) -> None:
    """Four servers of one process; the authority of three of them is believed."""
    own, other = Authority(far.folder / "own"), Authority(far.folder / "other")
    with ExitStack() as stack:

        def serve(issuer: Authority, name: str, days: int = 1, address: str = "127.0.0.1") -> str:
            pages = stack.enter_context(serving_pages(issuer.issue(name, days=days, address=address)))
            pages.folders = {"p": sites / "nancy/page"}
            return f"{pages.url}/p"

        wrong = {
            "strange": (serve(other, "strange"), "unable to get local issuer certificate", "in SSL_CERT_FILE"),
            "expired": (
                serve(own, "expired", days=-1),
                "certificate has expired",
                "renew it there, or set the clock here",
            ),
            "another": (
                serve(own, "another", address="127.0.0.9"),
                "IP address mismatch, certificate is not valid for '127.0.0.1'",
                "name the host that its certificate is for",
            ),
        }
        sources = [part for name, (place, *_) in wrong.items() for part in ("--from", f"{name}={place}")]
        asked = ("status", *sources, "--from", f"nancy={serve(own, 'right')}", "-o", "tsv")

        said = far.run(*asked, environ={"SSL_CERT_FILE": str(own.path)})
        nobody = far.run(*asked)

    assert (said.code, names_of(said.out)) == (1, ["a1", "a2"])
    for line, (name, (place, why, what_to_do)) in zip(said.err.splitlines(), wrong.items(), strict=True):
        assert line.startswith(f"plabctl: {name}: {place}/status.json: its certificate is not believed: "), line
        assert (why in line, line.endswith(what_to_do)) == (True, True), line
    assert (nobody.code, nobody.err.count("in SSL_CERT_FILE")) == (74, 4)


@pytest.mark.root
def test_a_file_that_another_user_may_not_read_is_told(far: Desk, yard: Path) -> None:
    for name in ("lyon", "nancy"):
        shutil.copytree(far.folder / name, yard / name)
    for path in (yard / "lyon", yard / "lyon/status.json"):
        path.chmod(0o755)
    (yard / "nancy/status.json").chmod(0o600)
    (yard / "nancy").chmod(0o755)

    def look() -> str:
        with closing(Monitors([f"{yard}/lyon", f"{yard}/nancy"])) as monitors:
            survey = monitors.survey(lambda context, _: len(list(context.state.names())))
            return f"{survey.kept} {list(survey.list_notes())}"

    assert look() == "[2, 2] []", "root may"
    fault = f"nancy: cannot read '{yard}/nancy/status.json': Permission denied"
    assert as_user(SECOND_USER, look) == f"[2] {[f'{fault}; whoever runs this must be allowed to read it']}"


@pytest.mark.usefixtures("forked_readers")
def test_a_reader_that_is_killed_takes_only_its_own_source_with_it(sites: Path) -> None:
    ours = os.getpid()

    def summarize(context: ViewContext, _: ToldStatus) -> list[str]:
        assert os.getpid() != ours
        if "a1" in context.state.names():
            os.kill(os.getpid(), signal.SIGKILL)
        return [*context.state.names()]

    with closing(Monitors([f"{sites}/lyon/page", f"nancy={sites}/nancy/page"])) as monitors:
        survey = monitors.survey(summarize)

    assert survey.kept == [["pc1", "pc2"]]
    assert [*survey.list_notes()] == [f"nancy: '{sites}/nancy/page/status.json' could not be read to its end"]


def _send_for_ever(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        handler.wfile.write(b'{"nodes":[')
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)


def test_one_that_is_written_anew_while_it_is_read_hides_no_other(far: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `status -o json > FILE` does: the shell empties the file that others have open."""
    survey, text = Monitors.survey, (far.folder / "nancy/status.json").read_text()
    words = [f"{far.folder}/lyon", f"{far.folder}/nancy"]

    def survey_and_empty(*arguments: Any) -> Any:
        found = survey(*arguments)
        (far.folder / "nancy/status.json").write_text("")
        return found

    monkeypatch.setattr(Monitors, "survey", survey_and_empty)
    for read in (
        lambda: several_export.collect_from(words, Wanted(())),
        lambda: several_ranking.rank_several(words, (), None),
        lambda: several_page.write_several_page(words, f"{far.folder}/all"),
    ):
        (far.folder / "nancy/status.json").write_text(text)
        found = read()
        assert found.is_partial
        assert [note for note in found.notes if note.startswith("nancy: ") and "is empty" in note], found.notes

    (far.folder / "nancy/status.json").write_text(text)
    with closing(Monitors(words)) as monitors:
        several = Several(monitors, Asked())
        assert [view.name for view in several.build_status().nodes] == ["pc1", "pc2"]
        assert [note.partition(":")[0] for note in monitors.lost] == ["nancy"]


def test_when_nothing_can_be_read_that_is_an_error(far: Desk) -> None:
    said = far.run("status", "--from", "a=none", "--from", "b=nothing", "-o", "json")

    assert (said.code, said.out) == (74, "")
    assert [line.split(":")[1].strip() for line in said.err.splitlines()[:2]] == ["a", "b"]


def test_an_address_is_asked_only_for_what_is_new(far: Desk, web: WebPages) -> None:
    page = web.folders["lyon"]
    web.folders["copy"] = far.folder / "lyon"
    sources = ("--from", f"lyon={web.url}/copy", "--from", f"{web.url}/nancy/status.json")
    web.counts.clear()

    first = far.ok("status", *sources, "-o", "tsv")
    second = far.ok("status", *sources, "-o", "tsv")
    alter(far, "lyon", rev=999)
    told = json.loads(far.ok("status", *sources, "-o", "json"))

    assert first == second
    assert [line.split("\t")[-1] for line in first.splitlines()] == ["lyon", "lyon", "127.0.0.1", "127.0.0.1"]
    assert web.counts == {200: 3, 304: 3}, "one had changed"
    assert told["sources"][0]["rev"] == 999
    kept = far.folder / ".cache/plabctl"
    assert (kept.stat().st_mode & 0o777, len(list(kept.iterdir()))) == (0o700, 2)
    assert page.exists()


def test_several_as_one_are_a_source_again(far: Desk) -> None:
    (far.folder / "region.json").write_text(far.ok("status", *BOTH, "-o", "json"))

    lines = far.ok("status", "--from", "region.json", "--from", "x=lyon/status.json", "-o", "tsv", "a*").splitlines()

    assert [line.split("\t")[-1] for line in lines] == ["region/nancy", "region/nancy"]


def test_what_others_wrote_does_not_act_on_the_terminal(far: Desk) -> None:
    rows = document(far, "nancy")["nodes"]
    rows[1]["last"]["reason"] = "\x1b]0;title\x07bad\u202e"
    alter(far, "nancy", nodes=rows)

    for form in ("table", "tsv"):
        assert "\x1b" not in far.ok("status", *BOTH, "-o", form)


def test_no_state_is_made(far: Desk) -> None:
    before = sorted(path.name for path in far.folder.iterdir())

    said: Said = far.run("status", *BOTH)

    assert said.code == 0
    assert sorted(path.name for path in far.folder.iterdir()) == before
