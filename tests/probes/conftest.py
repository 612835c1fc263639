from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.probes.sshd import Sshd
from tests.probes.zoo import Zoo


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
def zoo(tmp_path: Path) -> Iterator[Callable[[str], Zoo]]:
    """Makers of servers that stall at the stage named."""
    made: list[Zoo] = []

    def make(stage: str) -> Zoo:
        made.append(Zoo(stage, tmp_path))
        return made[-1]

    yield make
    for server in made:
        server.stop()
