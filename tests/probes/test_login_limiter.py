"""An sshd that drops logins because there are too many of them: no node fails for that."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Outcome, Report
from plabctl.core.settings import SshSettings
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes import ssh
from plabctl.probes.prober import Prober
from tests.probes.jobs import make_assignment, make_recipe
from tests.probes.openssh import Sshd, make_key, needs_sshd

WINDOW = 20


def probed(settings: SshSettings, count: int, **variables: Any) -> list[Report]:
    """The reports of `count` probes at once onto the same server."""
    clock = SystemClock()
    prober = Prober(settings, clock)
    prober.prepare()
    runner = ThreadExecutor(prober, clock)
    for _ in range(count):
        runner.start(make_assignment(make_recipe(check="true"), **variables))
    reports: list[Report] = []
    while runner.running:
        reports += runner.wait(60)
    return reports


@contextmanager
def server_that(answers: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does so with every connection, and closes it; yields its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    answers(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield str(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def settings(tmp_path: Path) -> SshSettings:
    make_key(tmp_path / "key")
    known = tmp_path / "known_hosts"
    known.touch()
    return SshSettings("nobody", 22, str(tmp_path / "key"), str(known), connect_timeout_s=20.0)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pauses between tries be a tenth of what they are."""
    monkeypatch.setattr(ssh, "_LOW", ssh._LOW / 10)
    monkeypatch.setattr(ssh, "_HIGH", ssh._HIGH / 10)


@needs_sshd
def test_a_window_of_probes_onto_an_sshd_with_two_startups_fails_none(tmp_path: Path) -> None:
    sshd = Sshd(tmp_path / "sshd", "MaxStartups 2:100:3", "LogLevel VERBOSE")
    slow = sshd.settings(connect_timeout_s=20.0)
    try:
        reports = [*probed(slow, WINDOW), *probed(slow, WINDOW)]
    finally:
        sshd.stop()

    found = Counter((str(report.outcome), str(report.cause), report.reason) for report in reports)
    assert {outcome for outcome, _, _ in found} <= {"pass", "unknown"}, found
    assert {cause for outcome, cause, _ in found if outcome == "unknown"} <= {"protocol"}, found
    assert sum(count for (outcome, _, _), count in found.items() if outcome == "pass") >= WINDOW
    log = (tmp_path / "sshd" / "log").read_text()
    assert "MaxStartups throttling" in log, "it did drop some"


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("said", ["Exceeded MaxStartups", "Not allowed at this time"])
def test_an_sshd_that_says_why_it_turns_a_login_away_fails_nobody(settings: SshSettings, said: str) -> None:
    with server_that(lambda connection: connection.sendall(f"{said}\r\n".encode())) as port:
        (report,) = probed(settings, 1, ssh_port=port)

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.PROTOCOL)
    assert report.reason == f"sshd turned the login away 5 times: {said}" or report.reason.endswith(f"times: {said}")


@pytest.mark.usefixtures("short_pauses")
def test_an_sshd_that_closes_without_a_word_fails_the_probe_that_is_alone(settings: SshSettings) -> None:
    with server_that(lambda connection: None) as port:
        (report,) = probed(settings, 1, ssh_port=port)

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.PROTOCOL)
    assert report.reason == "connection closed before the SSH banner, 2 times"


def test_an_sshd_that_closes_without_a_word_while_many_of_ours_log_in_fails_nobody(
    settings: SshSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "_HIGH", ssh._LOW)  # as long as it takes to have all four under way at once
    with server_that(lambda connection: None) as port:
        reports = probed(settings, 4, ssh_port=port)

    assert {(report.outcome, report.cause) for report in reports[:3]} == {(Outcome.UNKNOWN, Cause.PROTOCOL)}
    assert "of our logins to that server were under way" in reports[0].reason


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("end", [b"\r\n", b"\r\n\r\n"])
def test_what_a_server_says_in_place_of_a_banner_is_in_the_reason(settings: SshSettings, end: bytes) -> None:
    with server_that(lambda connection: connection.sendall(b"go \x1b[31maway" + end)) as port:
        (report,) = probed(settings, 1, ssh_port=port)

    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith("connection closed before the SSH banner, 2 times: go ")
    assert "\x1b" not in report.reason
