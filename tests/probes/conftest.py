from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.probes.sshd import Sshd


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
