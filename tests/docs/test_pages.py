import re
from pathlib import Path

import click
import pytest

from plabctl.cli.main import COMMANDS
from plabctl.cli.main import plabctl as top
from tests.docs.commands import all_commands, calls
from tests.docs.pages import DOCS, PAGES, written_pages

ROOT = DOCS.parent
VERBS = all_commands()
PROSE = written_pages()
_LINK = re.compile(r"\[[^]]*\]\(([^)#]*)(#[^)]*)?\)")
_FILE = re.compile(r"`((?:plabctl|tests|docs|cron)/[\w./@{},-]*)`")
_CALL = re.compile(r"`(plabctl [^`]*)`|^ {4}(plabctl .*?)(?:  +#.*)?$|^\$ (plabctl .*)$", re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_program_says(name: str) -> None:
    assert PAGES[name]() == (DOCS / name).read_text(), "write it anew: make docs"


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_in_the_text_are_there(page: Path) -> None:
    for call in _CALL.findall(page.read_text()):
        words = [word for arguments in calls("".join(call)) for word in arguments]
        if words and words[0] != "COMMAND" and "[OPTIONS]" not in words:
            assert known(words), f"{page.name}: {''.join(call)}"


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text()
    links = [page.parent / target for target, _ in _LINK.findall(text) if target and "://" not in target]
    named = [ROOT / name for name in _FILE.findall(text)]

    assert [str(path) for path in links + named if not path.exists()] == []


def test_the_map_leads_to_every_page() -> None:
    maps = [DOCS / "index.md", DOCS / "decisions" / "README.md"]
    reached = {(page.parent / target).resolve() for page in maps for target, _ in _LINK.findall(page.read_text())}

    assert reached >= {page.resolve() for page in PROSE if page.name not in {"index.md", "CHANGELOG.md"}}


def test_every_short_help_is_of_a_command_that_is_there() -> None:
    assert {name for names in COMMANDS.values() for name in names} == {verb.name.split()[1] for verb in VERBS}


def known(words: list[str]) -> bool:
    """Return whether the words name a command, and only options that it has."""
    command: click.Command | None = top
    options = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        command = command.get_command(click.Context(command, **command.context_settings), word)
    if command is None:
        return False
    having = {name for one in (top, command) for param in one.params for name in param.opts}
    return options <= {*having, "-h", "--help"}
