"""The example package, installed once for all tests of a run; and a desk for the tests that need no package."""

from pathlib import Path

import pytest

from tests.cli.console import Desk
from tests.plugins.packages import EXAMPLE, install


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example package is installed."""
    return install(EXAMPLE, tmp_path_factory.mktemp("plugins"))
