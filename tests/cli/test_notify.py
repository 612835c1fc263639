"""`plabctl notify test`, and that no command shows what is secret in the URL of a service."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.console import Desk
from tests.lab.receivers import WebServer
from tests.lab.wait_until import wait_until

SECRET = "xoxb-s3cret-s3cret"


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()


def add_sinks(desk: Desk, web: WebServer, count: int = 2) -> None:
    sinks = f"""[[sink]]
kind = "apprise"
url = "json://ada:{SECRET}@127.0.0.1:{web.port}/{SECRET}"
minimum = {{ good = 3 }}

[[sink]]
kind = "apprise"
name = "ops"
url = ["json://127.0.0.1:{web.port}/ops"]
subject = "[lab] {{summary}}"
"""
    desk.config.write_text("\n".join([desk.config.read_text(), *sinks.split("\n\n")[:count]]))
    desk.config.chmod(0o600)


def test_a_test_is_sent_to_all_or_to_those_that_are_named(used_desk: Desk, web: WebServer) -> None:
    add_sinks(used_desk, web)
    lines = used_desk.ok("notify", "test").splitlines()
    assert [line.rpartition(" in ")[0] for line in lines] == ["json: json took it", "ops: json took it"]
    assert [request.json["title"] for request in web.requests] == ["plabctl: test", "[lab] test"]
    text = web.requests[0].json["message"]
    assert text.startswith("This is a test: notices of plabctl reach you.\n\n1 of 2 nodes usable. From plabctl on ")
    assert used_desk.ok("notify", "test", "ops", "--quiet") == ""
    assert len(web.requests) == 3

    said = used_desk.run("notify", "test", "opps")
    assert (said.code, said.out) == (2, "")
    assert "no sink that notifies people is called 'opps', did you mean \"ops\"?" in said.err


def test_a_fault_of_the_page_is_in_a_notice_at_once_though_nothing_else_is_to_do(
    used_desk: Desk, web: WebServer
) -> None:
    own = (
        used_desk.config.read_text()
        + f'\n[[sink]]\nkind = "apprise"\nurl = "json://127.0.0.1:{web.port}"\napart = "0s"\n'
    )

    def tick(folder: str) -> int:
        used_desk.config.write_text(f'{own}[report]\ndir = "{folder}"\n')
        return used_desk.run("tick").code

    assert [tick("page"), tick("page")] == [0, 0]
    web.requests.clear()
    (used_desk.folder / "thesis").write_text("mine")

    assert tick("thesis") == 1
    assert wait_until(lambda: len(web.requests) == 1)
    assert f"the page in '{used_desk.folder}/thesis' cannot be written" in web.requests[0].json["message"]
    assert tick("page") == 0, "the page there is not due"
    assert used_desk.ok("check").startswith("PLABCTL OK - ")
    assert wait_until(lambda: len(web.requests) == 2)
    assert "over" in web.requests[1].json["message"]


def test_a_notice_outlives_the_tick_that_sends_it(used_desk: Desk, web: WebServer) -> None:
    add_sinks(used_desk, web, count=1)
    web.pause_s = 1.0
    used_desk.ok("tick")
    [record] = (used_desk.folder / "state").glob("notices-*.json")
    assert '"attempt"' in record.read_text(), "it is being sent"
    assert wait_until(lambda: bool(web.requests))
    for pid in find_processes("notice_sender"):
        os.kill(pid, signal.SIGTERM)  # as systemd does when the tick has ended
    assert wait_until(lambda: '"attempt"' not in record.read_text())
    assert '"failure"' not in record.read_text()
    assert '"pool good"' in record.read_text()
    assert wait_until(lambda: not find_processes("notice_sender"))


def find_processes(word: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def test_without_such_a_sink_it_says_how_to_get_one(desk: Desk) -> None:
    said = desk.run("notify", "test")
    assert said.code == 2
    assert 'no sink notifies people\n  hint: add a [[sink]] with kind = "apprise"; see: docs/notices.md' in said.err


def test_what_fails_is_told_in_a_line_for_each_service(used_desk: Desk, web: WebServer) -> None:
    add_sinks(used_desk, web)
    web.status = 503
    said = used_desk.run("notify", "test")
    assert said.code == 1
    assert [line.partition(": F")[0] for line in said.err.splitlines()] == ["plabctl: json", "plabctl: ops: json"]
    said = used_desk.run("notify", "test", "opps")
    assert said.code == 2
    assert said.err.splitlines()[1] == "  hint: they are: json, ops"


def test_what_is_secret_is_shown_nowhere(used_desk: Desk, web: WebServer) -> None:
    add_sinks(used_desk, web, count=1)
    web.status = 403
    said = used_desk.run("notify", "test")
    assert said.code == 1
    assert said.err.startswith("plabctl: json: Failed to send JSON POST notification")
    rehearsed = used_desk.run("sink", "sync", "--dry-run")
    assert "notices to 'json': json: plabctl: pool good: 1 usable, at least 3 wanted" in rehearsed.out
    assert not any("pool good" in request.json["title"] for request in web.requests)
    synced = used_desk.run("sink", "sync")
    assert synced.code == 1
    assert "notices to 'json': json: Failed to send JSON POST notification" in synced.err
    seen = [
        said,
        rehearsed,
        synced,
        used_desk.run("config", "show"),
        used_desk.run("config", "check"),
        used_desk.run("tick"),
    ]
    seen += [used_desk.run("check"), used_desk.run("history"), used_desk.run("status")]
    assert SECRET not in repr(seen)
