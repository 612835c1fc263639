from pathlib import Path

from tests.torture import mutants
from tests.torture.mutations import mutated, mutations
from tests.torture.options import TortureOptions

SOURCE = """
def f(a: int = 1) -> bool:
    \"\"\"Say 5.\"\"\"
    if a < 3 and not a:
        g(a)
    return a + 1 == 4
"""


def test_every_decision_has_its_mutants_and_nothing_else() -> None:
    found = {each.what: mutated(SOURCE, each) for each in mutations(SOURCE)}

    assert set(found) == {
        "and -> or",
        "without `a < 3`",
        "without `not a`",
        "if a < 3 and (not a) -> not",
        "a < 3 -> a <= 3",
        "3 -> 4",
        "not a -> a",
        "without `g(a)`",
        "a + 1 == 4 -> a + 1 != 4",
        "a + 1 -> a - 1",
        "1 -> 2",
        "4 -> 5",
    }
    assert "a + 1 != 4" in found["a + 1 == 4 -> a + 1 != 4"]
    assert "pass" in found["without `g(a)`"]


def test_the_list_of_survivors_is_about_lines_that_there_are() -> None:
    assert mutants.list_forgotten(mutants.every_mutant()) == [], "quote these lines as they are now, or take them out"


def test_mutants_of_some_modules_are_noticed(tmp_path: Path) -> None:
    broken = [finding for finding in mutants.run(TortureOptions(tmp_path, seed=1, whole=False)) if not finding.holds]

    assert broken == []
