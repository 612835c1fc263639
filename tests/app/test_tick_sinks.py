"""Sinks that are told of ticks: a ping, a file with metrics; what goes wrong with them is told and delays nothing."""

import re
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.app.background import Background
from plabctl.app.context import open_app
from plabctl.app.tick_sinks import TickSinks
from plabctl.sinks.ping import PingKind, fetch
from plabctl.sinks.textfile import TextfileKind
from tests.cli.console import CONFIG, Desk
from tests.cli.recording_server import RecordingServer, record_requests
from tests.lab.wait_until import wait_until

RID = re.compile(r"\?rid=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$")
TEXTFILE = '\n[[sink]]\nkind = "textfile"\npath = "texts/plabctl.prom"\n'


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with record_requests() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    (tmp_path / "texts").mkdir()
    return desk


def configure(desk: Desk, *sinks: str) -> None:
    desk.config.write_text(CONFIG + "".join(sinks))


def ping(url: str) -> str:
    return f'\n[[sink]]\nkind = "ping"\nurl = "{url}"\n'


def read_fault(desk: Desk) -> str:
    """What `check` says is wrong with a sink."""
    return desk.run("check").out.partition(" - ")[2].partition("; ")[0]


def test_a_service_is_told_of_the_begin_and_the_end(desk: Desk, server: RecordingServer) -> None:
    configure(desk, ping(f"{server.url}/s3cret/?create=1"))
    desk.ok("tick")
    assert [path.partition("&")[0] for path in server.asked] == ["/s3cret/start?create=1", "/s3cret/0?create=1"]
    ids = {RID.sub("", path.replace("&", "?")): path[-36:] for path in server.asked}
    assert len(set(ids.values())) == 1
    server.asked.clear()
    (desk.folder / "state" / "state.json").write_text("{")

    assert desk.run("tick").code == 74
    assert [path.partition("?")[0] for path in server.asked] == ["/s3cret/start", "/s3cret/74"]
    assert server.asked[0][-36:] not in ids.values()


def test_a_service_that_refuses_is_told_of_once_and_shows_no_secret(desk: Desk, server: RecordingServer) -> None:
    configure(desk, ping(f"{server.url}/s3cret"))
    desk.ok("node", "add", "pc1")
    server.answer = 404
    first, again = desk.run("tick"), desk.run("tick")
    host = server.url.removeprefix("http://")
    assert (first.code, first.err) == (0, f"plabctl: ping '{host}': it answers with 404\n")
    assert (again.code, again.err) == (0, "")
    assert read_fault(desk) == f"ping '{host}': it answers with 404"
    server.answer = 302
    assert "a redirect, which is not followed" in desk.run("tick").err
    assert not any("elsewhere" in path for path in server.asked)
    shown = [desk.run(*words) for words in (("config", "show"), ("doctor",), ("history",), ("status", "-o", "json"))]
    assert not any("s3cret" in said.out + said.err for said in shown)
    server.answer = 200

    assert desk.ok("tick") == ""
    assert "ping" not in desk.run("check").out
    desk.ok("tick")
    assert desk.run("history", "-o", "jsonl").out.count('"fault-over"') == 1


def test_nobody_waits_for_services_that_hang(desk: Desk, server: RecordingServer) -> None:
    """Six of them: the tick is over as usual, and the next one says what came of it. See `test_background`."""
    configure(desk, *(ping(f"{server.url}/{n}") for n in range(6)))
    desk.ok("node", "add", "pc1")
    server.may_answer.clear()
    host = server.url.removeprefix("http://")

    assert desk.run("tick").err == ""

    assert "good" in desk.ok("status", "-o", "tsv")
    assert "ping" not in read_fault(desk), "the tick was over before their time was"
    assert wait_until(lambda: "no answer" in read_fault(desk))
    assert [desk.run("tick").err for _ in range(2)] == [6 * f"plabctl: ping '{host}': no answer within 5 s\n", ""]
    server.may_answer.set()
    assert wait_until(lambda: desk.ok("tick") == "" and "ping" not in read_fault(desk))


def test_no_sink_is_waited_for_as_long_as_another_may_take(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(desk, TEXTFILE, ping("http://127.0.0.1:9"))
    desk.ok("node", "add", "pc1")
    is_over = threading.Event()
    monkeypatch.setattr("plabctl.sinks.ping.fetch", lambda *_: str(is_over.wait(80)))  # as by a server that drips
    monkeypatch.setattr(PingKind, "limit_s", 0.2)
    monkeypatch.setattr(TextfileKind, "limit_s", 60.0)
    began = time.monotonic()

    said = TickSinks(open_app(str(desk.config))).end(0, Background(may_outlive=False), says_all=True)
    is_over.set()

    assert said == ["ping '127.0.0.1:9': no answer within 0.2 s"]
    assert time.monotonic() - began < 30


def test_the_url_may_be_in_a_file_of_ours(desk: Desk, server: RecordingServer) -> None:
    configure(desk, '\n[[sink]]\nkind = "ping"\nurl_file = "ping.url"\n')
    file = desk.folder / "ping.url"
    assert f"ping '{file}': cannot be read: no such file or directory" in desk.run("tick").err
    file.write_text("nothing\n")
    file.chmod(0o600)
    not_used = "not used: it must have one line, with a URL that begins with http:// or https://"
    assert f"ping '{file}': {not_used}" in desk.run("tick").err
    file.write_text("mailto://example.org\n")
    assert f"sink[1].url_file: {file}: {not_used}" in desk.run("config", "check").err
    file.write_text(f"{server.url}/s3cret\n")
    file.chmod(0o644)
    assert desk.run("tick").err == f"plabctl: ping '{file}': not used: everybody may read it; run: chmod 600 '{file}'\n"
    assert server.asked == []
    file.chmod(0o640)
    desk.ok("tick")

    assert len(server.asked) == 2


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64 + ".org", "ada:s3cret@127.0.0.1", "*", "%41", ""])
def test_a_host_that_there_cannot_be_is_refused(desk: Desk, host: str) -> None:
    configure(desk, ping(f"http://{host}/s3cret"))

    said = desk.run("tick")

    assert said.code == 78
    assert "sink[1].url: the value, which is not shown here, is no URL" in said.err
    assert "s3cret" not in said.err
    assert "Traceback" not in said.err


def test_a_host_that_cannot_be_looked_up_is_told_in_a_line() -> None:
    assert "cannot be reached" in fetch("http://a..b/s3cret", 1.0)
    assert "s3cret" not in fetch("http://a..b/s3cret", 1.0)


def test_nobody_listens(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configure(desk, ping(f"http://127.0.0.1:{port}/x"))

    assert desk.run("tick").err == f"plabctl: ping '127.0.0.1:{port}': it cannot be reached: connection refused\n"


def test_every_tick_writes_the_metrics_whole_and_readable(desk: Desk) -> None:
    configure(desk, TEXTFILE)
    file = desk.folder / "texts" / "plabctl.prom"
    desk.ok("tick")
    first = file.read_text()
    assert f"{stat.S_IMODE(file.stat().st_mode):o}" == "644"
    desk.ok("node", "add", "pc1")
    desk.ok("tick")
    desk.ok("tick")

    assert 'plabctl_nodes_usable{pool="good",site=""} 0' in first
    assert 'plabctl_nodes_usable{pool="good",site=""} 1' in file.read_text()
    assert "plabctl_last_successful_tick_timestamp_seconds 1" in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == ["plabctl.prom"]
    assert str(file) in desk.ok("doctor", "--paths")


def test_a_directory_that_is_missing_is_found_before_the_first_tick(desk: Desk) -> None:
    configure(desk, TEXTFILE)
    (desk.folder / "texts").rmdir()

    assert "sink[1].path: there is no such directory" in desk.run("config", "check").err
    assert "sink[1].path: there is no such directory" in desk.run("doctor").out


def test_a_tick_that_fails_writes_them_too(desk: Desk) -> None:
    configure(desk, TEXTFILE, '\n[[hook]]\non = ["node-added"]\ncommand = ["false"]\n')
    desk.ok("node", "add", "pc1")
    assert desk.run("tick").code == 1

    text = (desk.folder / "texts" / "plabctl.prom").read_text()
    assert 'plabctl_faults{kind="sink",severity="warning"} 1' in text


SOMETHING_ELSE = "there is something else, which is not replaced"
SPOILT = (
    ("mkdir state/texts; ln -s state/texts texts", "it is in the state directory, where others may read nothing"),
    ("mkdir texts; ln -s /etc/passwd texts/plabctl.prom", SOMETHING_ELSE),
    ("true", "there is no such directory"),
    ("mkdir texts; echo precious >texts/plabctl.prom", SOMETHING_ELSE),
    ("ln -s state texts", "it is in the state directory, where others may read nothing"),
    ("mkdir -p texts/plabctl.prom", SOMETHING_ELSE),
    ("touch texts", "its directory cannot be used: not a directory"),
)


def test_what_keeps_the_file_from_being_written_is_told_in_a_line(desk: Desk) -> None:
    configure(desk, TEXTFILE)
    desk.ok("node", "add", "pc1")
    for spoil, why in SPOILT:
        subprocess.run(f"rm -r texts; {spoil}", shell=True, cwd=desk.folder, check=True)
        said = desk.run("tick")
        assert (said.code, said.err) == (0, f"plabctl: textfile '{desk.folder}/texts/plabctl.prom': {why}\n")
        assert why in read_fault(desk)

    assert why in desk.run("doctor").out
    assert "good" in desk.ok("status", "-o", "tsv"), "all else is done"


def test_two_sinks_with_one_file_are_refused(desk: Desk) -> None:
    other = TEXTFILE.replace("texts/", f"{desk.folder}/./x/../texts/") + "per_node = true\n"
    configure(desk, TEXTFILE, other)
    assert "sink[2]: the same as sink[1], allowed: each sink once" in desk.run("config", "check").err
    (desk.folder / "link").symlink_to("texts")
    configure(desk, TEXTFILE, TEXTFILE.replace("texts/", "link/"))
    said = desk.run("config", "check")
    assert said.code == 78
    assert f"sink[2].path: is the same file as '{desk.folder}/texts/plabctl.prom' of another sink" in said.err


@pytest.mark.root
def test_a_full_disk_keeps_the_old_file(desk: Desk) -> None:
    configure(desk, TEXTFILE)
    texts = desk.folder / "texts"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", texts], check=True)
    try:
        desk.ok("tick")
        old = (texts / "plabctl.prom").read_text()
        (texts / "filler").write_bytes(bytes(16384))
        assert "it cannot be written: no space left on device" in desk.run("tick").err
        assert (texts / "plabctl.prom").read_text() == old
        assert sorted(path.name for path in texts.iterdir()) == ["filler", "plabctl.prom"]
        (texts / "filler").unlink()
        desk.ok("tick")
        assert "textfile" not in desk.run("check").out
    finally:
        subprocess.run(["umount", "-l", texts], check=True)
