"""What `make test-lowest` installs is what pyproject.toml allows, and its smoke test sees what does not work."""

from pathlib import Path

import pytest

from tests.compat import smoke
from tests.compat.bounds import PYPROJECT, constraints, lowest


@pytest.mark.parametrize(
    ("requirement", "constraint"),
    [
        ("rich>=13.9", "rich==13.9"),
        ("click>=8.2.1,<9", "click==8.2.1"),
        ("a-b.c_d >= 1.0rc1, != 1.1, < 2", "a-b.c_d==1.0rc1"),
        ("orjson>=3.10.7; python_version == '3.13'", "orjson==3.10.7; python_version == '3.13'"),
        ("orjson>=3.10,<4 ; python_version < '3.13'", "orjson==3.10; python_version < '3.13'"),
    ],
)
def test_a_requirement_is_held_at_its_lower_bound(requirement: str, constraint: str) -> None:
    assert lowest(requirement) == constraint


@pytest.mark.parametrize("requirement", ["rich", "rich<15", "rich==14", "rich~=14.0", "rich[jupyter]>=14", ""])
def test_a_requirement_without_a_lower_bound_is_refused(requirement: str) -> None:
    with pytest.raises(ValueError, match="no lower bound"):
        lowest(requirement)


def test_every_dependency_of_the_project_has_a_lower_bound() -> None:
    names = {line.partition("==")[0] for line in constraints(PYPROJECT.read_text())}

    assert names == set(smoke.LIBRARIES)


def test_a_command_that_does_not_work_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"plabctl status: exit code 78\n.*no config file"):
        smoke.run(tmp_path, "status")


def test_a_command_that_nobody_tries_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "SESSION", tuple(line for line in smoke.SESSION if not line.startswith("rank")))

    with pytest.raises(AssertionError, match="no command line tries rank"):
        smoke.use_all(tmp_path)


def test_the_smoke_test_tries_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert smoke.list_untried() == []
    monkeypatch.setattr(smoke, "SESSION", [line for line in smoke.SESSION if not line.startswith("inventory")])
    assert smoke.list_untried() == ["inventory"]
