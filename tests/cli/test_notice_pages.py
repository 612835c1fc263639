"""What docs/notices.md, docs/mail.md and docs/slack.md tell to do is done, with a mail server and a proxy for Slack."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.app import configuration
from tests.cli.console import ROOT, Desk
from tests.lab.receivers import MailServer, WebServer

# apprise looks for it in any Python that still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    server = WebServer()
    server.stand_in_for("hooks.slack.com", tmp_path)
    yield server
    server.close()


def read_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


def follow(desk: Desk, page: str, changes: dict[str, str]) -> str:
    """Do what a page says, with a few words changed; then let a tick tell that a pool is too small."""
    first, *rest = read_blocks(page, "sh")
    [sink, *_] = read_blocks(page, "toml")
    desk.config.write_text(f"{desk.config.read_text()}\n{sink}")
    for before, after in changes.items():
        assert before in first, "the page says something else"
        first = first.replace(before, after)
    desk.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = "\n".join([first, *rest, "plabctl sink sync"])
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=desk.folder,
        env=desk.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_slack(used_desk: Desk, web: WebServer, tmp_path: Path) -> None:
    used_desk.environ |= {"HTTPS_PROXY": f"http://127.0.0.1:{web.port}", "REQUESTS_CA_BUNDLE": f"{tmp_path}/ca.pem"}
    web.answers["/services/"] = "ok"
    out = follow(used_desk, "slack.md", {})
    assert "slack: https took it in " in out
    titles = [request.json["attachments"][0]["title"] for request in web.requests]
    assert titles == ["plabctl: test", "plabctl: pool good: 1 usable, at least 2 wanted"]
    assert {request.path for request in web.requests} == {"/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}


def test_mail(used_desk: Desk, mail: MailServer) -> None:
    login = "mailto://ada:open%20sesame@"
    place = {"mailtos://monitor:PASSWORD@": login, "smtp.example.org": f"127.0.0.1:{mail.port}"}
    out = follow(used_desk, "mail.md", place)
    assert "mail: mailto took it in " in out
    subjects = [message["Subject"] for message in mail.messages]
    assert list(dict.fromkeys(subjects)) == ["plabctl: test", "plabctl: pool good: 1 usable, at least 2 wanted"]
    everybody = {address for to in mail.recipients for address in to}
    assert everybody == {"ops@example.org", "boss@example.org"}


@pytest.mark.parametrize("page", ["notices.md", "mail.md", "slack.md"])
def test_every_sink_on_the_pages_is_one(desk: Desk, page: str) -> None:
    for name in ("notify.urls", "mail.url", "slack.url", "slack-north.url"):
        (desk.folder / name).write_text("ntfy://ntfy.example.org/lab\n")
        (desk.folder / name).chmod(0o600)
    desk.config.chmod(0o600)
    text = desk.config.read_text()
    for block in read_blocks(page, "toml"):
        desk.config.write_text(f"{text}\n{block}")
        [sink] = configuration.check(str(desk.config)).sinks
        assert sink.kind == "apprise"
