import pytest

from tests.docs.console import Edit, Step, edited, steps

PAGE = """\
text
```console
$ plabctl one
a  took 0.3 s
$ plabctl two
```
```sh
not run
```
```toml
[ssh]
key = "id"
```
"""


def test_a_page_is_read_as_what_is_typed_and_shown() -> None:
    assert steps(PAGE) == [
        Step(3, "plabctl one", "a  took 0.3 s\n"),
        Step(5, "plabctl two", ""),
        Edit(11, '[ssh]\nkey = "id"\n'),
    ]


@pytest.mark.parametrize("printed", ["a  took 0.3 s\n", "a      took 12m4s  \n\n"])
def test_columns_and_durations_may_differ(printed: str) -> None:
    assert not Step(1, "", "a  took 0.3 s\n").difference(printed)


@pytest.mark.parametrize(
    "printed", ["", "b  took 0.3 s\n", "a took 0.3 s\n", "a  took 0.3 s\nand more\n", "a  took 3\n"]
)
def test_anything_else_is_a_difference(printed: str) -> None:
    assert Step(1, "", "a  took 0.3 s\n").difference(printed)


def test_dots_stand_for_any_lines_and_nothing_shown_for_anything() -> None:
    assert not Step(1, "", "begin\n...\nend\n").difference("begin\nx\ny\nend\n")
    assert not Step(1, "", "").difference("anything")


def test_an_edit_takes_the_place_of_the_line_in_its_table() -> None:
    config = '#key = "0"\n[ssh]\n#key = "1"\n[other]\n#key = "2"\n'

    assert edited(config, '[ssh]\nkey = "id"\n') == '#key = "0"\n[ssh]\nkey = "id"\n[other]\n#key = "2"\n'


def test_an_edit_of_a_key_that_the_configuration_does_not_show_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="no line for"):
        edited("[ssh]\n", '[ssh]\nkey = "id"\n')


def test_a_table_that_is_not_there_is_added() -> None:
    assert edited("[ssh]\n", "[recipe.mine]\ncheck = 1\n") == "[ssh]\n\n[recipe.mine]\ncheck = 1\n"


def test_how_often_a_vnode_was_looked_at_too_early_is_no_difference_and_a_failure_is() -> None:
    step = Step(1, "plabctl test pc1", "  setup  0.04 s  exit 0\n  up  0.04 s  exit 0\n  check  0.1 s  exit 0\n")
    early = "  up          0.44 s  exit 1\n  │ the vnode is not ready\n"

    assert not step.difference(f"  setup  0.1 s  exit 0\n{early}{early}  up  0.04 s  exit 0\n  check  0.1 s  exit 0\n")
    assert step.difference(f"  setup  0.1 s  exit 0\n{early}  check  0.1 s  exit 0\n")
