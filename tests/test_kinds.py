import ast
import subprocess
import sys
from pathlib import Path

import pytest

import plabctl
from plabctl.kinds import POINTS, Builtin, builtin_kinds, builtin_names, find, find_builtin

EVERY = [(point, name) for point in POINTS for name in builtin_names(point)]


@pytest.mark.parametrize(("point", "name"), EVERY)
def test_every_built_in_kind_is_there_under_its_own_name(point: str, name: str) -> None:
    kind = find(point, name)

    assert kind.name == name
    assert kind is find_builtin(point, name)


@pytest.mark.parametrize("point", POINTS)
def test_a_name_that_nobody_brings_is_nothing(point: str) -> None:
    assert find_builtin(point, "no-such-kind") is None
    assert find(point, "no-such-kind") is None


@pytest.mark.parametrize("point", POINTS)
def test_the_built_in_kinds_are_a_mapping(point: str) -> None:
    kinds = Builtin(point)

    assert list(kinds) == list(builtin_names(point))
    assert list(kinds.values()) == list(builtin_kinds(point))
    assert "no-such-kind" not in kinds
    with pytest.raises(KeyError):
        kinds["no-such-kind"]


def test_a_kind_is_imported_when_it_is_asked_for_and_no_other() -> None:
    code = "import sys; from plabctl.kinds import find; find('backoff', 'age'); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    kinds = {name for name in printed if name.startswith("plabctl.core.backoffs.")}
    assert kinds == {"plabctl.core.backoffs.age", "plabctl.core.backoffs.base"}
    assert not any(name.startswith("plabctl.plugins") for name in printed)


def test_nothing_depends_on_the_name_of_a_kind() -> None:
    names = {name for _, name in EVERY}
    found = []
    for path in Path(plabctl.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            asked = node.pattern if isinstance(node, ast.match_case) else node
            if isinstance(node, ast.Compare | ast.match_case):
                words = {each.value for each in ast.walk(asked) if isinstance(each, ast.Constant)}
                found += [f"{path.name}: {ast.unparse(asked)}"] if words & names else []

    assert found == []
