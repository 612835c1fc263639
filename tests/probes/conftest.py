from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plabctl.probes import remote_shell
from tests.probes.office import Office
from tests.probes.openssh import Sshd
from tests.probes.stalling_servers import StallingServer


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A node that works: a real sshd on loopback."""
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A real sshd that the test may break."""
    server = Sshd(tmp_path / "sshd")
    yield server
    server.stop()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a node whose stage was late have more than half a second to show that it is still there, for its teardown."""
    monkeypatch.setattr(remote_shell, "_ANSWER_S", 20.0)


@pytest.fixture
def stalling_server(tmp_path: Path) -> Iterator[Callable[[str], StallingServer]]:
    """Makers of servers that stall at the stage named."""
    made: list[StallingServer] = []

    def make(stage: str) -> StallingServer:
        made.append(StallingServer(stage, tmp_path))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture(scope="session")
def running_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = Office(tmp_path_factory.mktemp("office"))
    yield office
    office.sshd.stop()


@pytest.fixture
def office(running_office: Office) -> Iterator[Office]:
    running_office.authorise()
    yield running_office
    for path in running_office.folder.glob("*-cert.pub"):
        path.unlink()
