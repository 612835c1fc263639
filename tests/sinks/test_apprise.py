"""Notices arrive, in the form of each service, whatever hangs, fails or is killed, and no tick waits for them.

The services are real servers on loopback; Slack is what answers to its name behind a proxy.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.core.keys.notice_types import is_service_url
from plabctl.core.model import Cause, Member, Node, Outcome, Verdict
from plabctl.core.settings import SinkSettings
from plabctl.core.sink_health import SINKS_NOTE
from plabctl.core.state import Changes
from plabctl.errors import HookFault
from plabctl.files.locks import open_locked
from plabctl.sinks import notice_process
from plabctl.sinks.apprise_keys import AppriseOptions
from plabctl.sinks.notice_files import read_record
from plabctl.sinks.notice_sender import find_reason
from tests.app.installation import Installation
from tests.lab.receivers import MailServer, WebServer, open_silent_port
from tests.lab.wait_until import wait_until

HANG_S = 6.0
"""How long what sends waits for services that hang, and no tick does."""
SECRET = "xoxb-s3cret-s3cret"


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _reaped() -> Iterator[None]:
    """Wait for the processes that ticks of the test have started, and would have left behind."""
    yield
    wait_for_senders()


def wait_for_senders() -> None:
    def has_none() -> bool:
        notice_process.reap_senders()
        return not notice_process._started

    assert wait_until(has_none)


def install(folder: Path, *urls: str, timeout_s: float = 10.0, **options: object) -> Installation:
    """Three nodes that were found to be good, and a sink with these URLs."""
    own = replace(AppriseOptions(url=urls, apart_s=0.0), **options)  # type: ignore[arg-type]  # any of them
    here = Installation(folder, sinks=(SinkSettings("apprise", (), timeout_s, own),))
    here.add("n1", "n2", "n3", site="north")
    here.tick()
    return here


def fail_all(here: Installation) -> None:
    for name in ("n1", "n2", "n3"):
        here.break_node(name)
    here.make_due()


def mend_all(here: Installation) -> None:
    for name in ("n1", "n2", "n3"):
        here.mend_node(name)


def tick(here: Installation) -> str:
    """Run a tick, wait until what it sends has gone, and return what it complained of."""
    try:
        here.tick()
    except HookFault as fault:
        return str(fault)
    finally:
        wait_for_senders()
    return ""


def test_each_service_gets_one_notice_in_its_form(
    tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = MailServer()
    web.stand_in_for("hooks.slack.com", tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{web.port}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    web.answers["/services/"] = "ok"
    web.answers["/_matrix/client"] = {"room_id": "!plab:example.org", "event_id": "$1", "access_token": "t"}
    here = install(
        tmp_path,
        f"mailto://ada:open%20sesame@127.0.0.1:{mail.port}?from=plab@example.org&to=ops@example.org",
        f"json://127.0.0.1:{web.port}/hook?+X-Token={SECRET}",
        f"ntfy://127.0.0.1:{web.port}/plab",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
        f"matrix://{SECRET}@127.0.0.1:{web.port}/!plab:example.org",
    )
    assert not web.requests, "the first results of nodes are told to nobody"
    fail_all(here)
    try:
        assert tick(here) == ""
    finally:
        mail.close()
    failures = [json.loads(path.read_text()).get("failure") for path in here.app.state_dir.glob("notices-*.json")]
    assert failures == [None] * 5

    [message] = mail.messages
    assert message["Subject"] == "plabctl: 3 nodes bad at north: setup"
    assert mail.recipients == [["ops@example.org"]]
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    text = "\n".join(content.decode().splitlines())
    assert text.startswith("3 nodes bad at north: n[1-3]: setup: exit code 2, without output\n\n0 of 3 nodes usable.")
    found = {request.path.split("/")[1]: request for request in web.requests if request.method != "GET"}
    assert found["hook"].json["title"] == message["Subject"]
    assert (found["hook"].json["message"], found["hook"].json["type"]) == (text, "warning")
    assert found["hook"].headers["X-Token"] == SECRET
    ntfy = found[""].json
    assert (ntfy["topic"], ntfy["title"], ntfy["message"]) == ("plab", message["Subject"], text)
    slack = found["services"]
    assert slack.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert slack.json["attachments"][0]["title"] == message["Subject"]
    assert "n[1-3]: setup" in slack.json["attachments"][0]["text"]
    matrix = [request for request in web.requests if "/send/m.room.message" in request.path]
    assert [request.headers["Authorization"] for request in matrix] == [f"Bearer {SECRET}"]
    assert "3 nodes bad at north: setup" in matrix[0].json["body"]


def test_it_is_told_once_then_that_it_is_over(tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    here = install(tmp_path, f"json://127.0.0.1:{web.port}/")
    fail_all(here)
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: 1)
        here.tick()
    assert len(web.requests) == 1, "the first process of a container waits: no other outlives it"
    here.make_due()
    tick(here)
    assert len(web.requests) == 1
    mend_all(here)
    for _ in range(3):  # after a flap it takes several passes
        here.make_due()
        tick(here)
    assert set(here.pools().values()) == {"good"}
    assert len(web.requests) == 2
    assert web.requests[1].json["title"].startswith("plabctl: 3 back after ")
    assert [request.json["type"] for request in web.requests] == ["warning", "success"]


def test_what_could_not_be_told_is_told_by_the_next_tick(tmp_path: Path, web: WebServer) -> None:
    web.status = 500
    here = install(tmp_path, f"json://ada:{SECRET}@127.0.0.1:{web.port}/{SECRET}?+Auth={SECRET}")
    here.break_node("n1")
    here.make_due()
    assert tick(here) == "", "nobody knows yet"
    web.status = 200
    complaint = tick(here)
    assert complaint.startswith("notices to 'json': json: Failed to send JSON POST notification: Internal server error")
    assert [request.json["title"] for request in web.requests] == ["plabctl: n1 bad at north: setup"] * 2
    assert tick(here) == ""
    assert not SINKS_NOTE.read(here.store.snapshot().notes)
    kept = b"".join(path.read_bytes() for path in here.app.state_dir.rglob("*") if path.is_file())
    assert SECRET not in complaint
    assert SECRET.encode() not in kept, "in no record, state or history"


def test_a_storm_of_a_thousand_nodes_is_one_notice(tmp_path: Path, web: WebServer) -> None:
    here = install(tmp_path, f"json://127.0.0.1:{web.port}/")
    now = here.clock.now()
    last = Verdict(Outcome.FAIL, Cause.CONNECT, "connection timed out", now, 20.0)
    names = [f"pc{n}.lab" for n in range(1000)]
    nodes = tuple(Node(name, {"site": f"row{n // 250}"}) for n, name in enumerate(names))
    bad = Member("", "bad", now, now + 600, fail_streak=2, probed_at=now, last=last, penalty=1.0, penalty_at=now)
    with here.store.session() as state:
        state.apply(Changes(nodes=nodes, members=tuple(replace(bad, node=name) for name in names)))
    for _ in range(2):
        tick(here)

    [request] = web.requests
    summary = "; ".join(f"250 nodes bad at row{n}: connect" for n in range(4))
    assert request.json["title"] == f"plabctl: {summary}"
    assert "250 nodes bad at row0: pc[0-249].lab: connect: connection timed out\n" in request.json["message"]
    assert len(request.json["message"]) < 1000, "what a chat service takes"


def test_two_notices_are_apart(tmp_path: Path, web: WebServer) -> None:
    here = install(tmp_path, f"json://127.0.0.1:{web.port}/", apart_s=3600.0)
    here.break_node("n1")
    here.make_due()
    tick(here)
    here.break_node("n2")
    here.make_due()
    tick(here)
    assert [request.json["title"] for request in web.requests] == ["plabctl: n1 bad at north: setup"]
    head = here.store.head()
    assert head
    assert head.wake_at is not None


def test_two_sinks_with_one_url_are_told_each_its_own(tmp_path: Path, web: WebServer) -> None:
    url = (f"json://127.0.0.1:{web.port}/",)
    own = [AppriseOptions(url=url, match=(f"role={role}",), apart_s=0.0) for role in ("a", "b")]
    install(tmp_path, *url, topics=("guard",))
    here = Installation(tmp_path, sinks=tuple(SinkSettings("apprise", (), 10.0, each) for each in own))
    for name, role in (("n1", "a"), ("n2", "b")):
        with here.store.session() as state:
            state.apply(Changes(nodes=(Node(name, {"role": role}),)))
        here.break_node(name)
    here.make_due()
    for _ in range(2):
        tick(here)
    assert sorted(request.json["title"] for request in web.requests) == [
        "plabctl: n1 bad: setup",
        "plabctl: n2 bad: setup",
    ]


def test_quiet_hours_delay(tmp_path: Path, web: WebServer) -> None:
    url = f"json://127.0.0.1:{web.port}/"
    here = install(tmp_path, url, quiet=("00:00-24:00",), time_zone="Europe/Berlin")
    fail_all(here)
    tick(here)
    assert not web.requests
    loud = replace(here.settings.sinks[0], options=AppriseOptions(url=(url,), apart_s=0.0))
    tick(Installation(tmp_path, sinks=(loud,)))
    assert [request.json["title"] for request in web.requests] == ["plabctl: 3 nodes bad at north: setup"]


def test_a_sender_that_is_killed_is_told_and_tried_again(tmp_path: Path, web: WebServer) -> None:
    with open_silent_port() as port:
        url = f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org"
        here = install(tmp_path, url)
        fail_all(here)
        here.tick()
        [process] = notice_process._started
        process.kill()
        wait_for_senders()
        with pytest.raises(HookFault, match="mailto: the process that sends notices was killed before it had done so"):
            here.tick()
        [process] = notice_process._started
        process.kill()
        wait_for_senders()


def test_no_tick_waits_for_services_that_hang(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ports = [stack.enter_context(open_silent_port()) for _ in range(6)]
        urls = [f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org" for port in ports]
        install(tmp_path, urls[0], topics=("guard",))
        for path in Path(tmp_path, "state").glob("notices-*"):
            path.unlink()
        options = (AppriseOptions(url=(url,), name=f"s{number}") for number, url in enumerate(urls))
        sinks = tuple(SinkSettings("apprise", (), HANG_S, own) for own in options)
        here = Installation(tmp_path, sinks=sinks)
        fail_all(here)
        began = time.monotonic()
        here.tick()
        took_s = time.monotonic() - began
        locks = [open_locked(str(path)) for path in here.app.state_dir.glob("notices-*.lock")]
        assert locks == [None] * 6, "all six are being sent to, and the tick is over"
        assert took_s < HANG_S / 2
        here.make_due()
        here.tick()
        wait_for_senders()

    records = [read_record(str(path)) for path in here.app.state_dir.glob("notices-*.json")]
    assert [each.failure.error for each in records if each.failure] == [f"did not take it within {HANG_S:g} s"] * 6


def test_the_file_of_urls_is_refused_when_others_may_read_it(tmp_path: Path, web: WebServer) -> None:
    file = tmp_path / "notify.urls"
    file.write_text(f"# ours\n\njson://127.0.0.1:{web.port}/{SECRET}\n")
    file.chmod(0o600)
    here = install(tmp_path, url_file=str(file))
    file.chmod(0o644)
    fail_all(here)
    refused = f"notices to 'notify.urls': {file}: not used: everybody may read it; run: chmod 600 '{file}'"
    assert tick(here) == refused
    assert not web.requests
    file.chmod(0o600)
    assert tick(here) == ""
    assert len(web.requests) == 1


def test_a_record_that_makes_no_sense_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for text in ("", "[]", "{", '{"told": 5, "attempt": [], "failure": "x"}', json.dumps({"told": {"a": 1}})):
        path.write_text(text)
        path.chmod(0o600)
        assert read_record(str(path)) == read_record(str(tmp_path / "none"))


def test_the_same_fault_is_told_in_the_same_words() -> None:
    log = (
        "WARNING A Connection error occurred.\nDEBUG Socket Exception: <urllib3.HTTPConnection object at 0x{}>: refused"
    )
    assert find_reason(log.format("7f01")) == find_reason(log.format("7fa2"))
    assert find_reason(log.format("7f01")) == "A Connection error occurred: <urllib3.HTTPConnection>: refused"
    assert find_reason("INFO nothing") == "was refused"


@pytest.mark.parametrize("text", ["", "slack", "slack://", "://x", "json://a b", "1x://y", "json://a\n"])
def test_what_is_no_url(text: str) -> None:
    assert not is_service_url(text)
