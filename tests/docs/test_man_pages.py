"""The man pages say what the helps say, in roff that nothing is wrong with."""

import re
import shutil
import subprocess
import tomllib

import pytest

from plabctl.config.reference import list_sections
from tests.docs import roff
from tests.docs.commands import all_commands
from tests.docs.man_pages import list_pages
from tests.docs.pages import COMPLETIONS, DOCS, PAGES

FILES = [DOCS / "man" / name for name in list_pages()]
needs_mandoc = pytest.mark.skipif(not shutil.which("mandoc"), reason="needs mandoc")


@pytest.fixture(scope="module")
def shown() -> str:
    """All pages as a person sees them, on lines of any length."""
    words = ["mandoc", "-T", "utf8", "-O", "width=1000", *map(str, FILES)]
    text = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    return re.sub(r"\s+", " ", re.sub(".\b", "", text))


@needs_mandoc
def test_mandoc_finds_nothing_wrong() -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", *map(str, FILES)], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@needs_mandoc
def test_they_say_what_the_helps_and_the_reference_say(shown: str) -> None:
    texts = [
        text for verb in all_commands() for text in (verb.name, verb.first, *verb.examples, *verb.rest.split("\n\n"))
    ]
    texts += [f"{typed} {text}" for verb in all_commands() for typed, text in verb.options]
    texts += [f"{key.name} {key.text} Allowed: {key.allowed}." for section in list_sections() for key in section.keys]

    plain = [" ".join(text.replace("`", "").split()) for text in texts]
    assert [text for text in plain if text not in shown] == []


def test_there_are_no_others_and_the_wheel_takes_all() -> None:
    made = {str(DOCS / name) for name in PAGES if not name.endswith(".md")}
    root = DOCS.parent
    taken = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]

    there = {str(path) for folder in ("man", "completion") for path in (DOCS / folder).rglob("*") if path.is_file()}
    assert made == there
    assert made == {str(path) for patterns in taken.values() for pattern in patterns for path in root.glob(pattern)}
    assert len(made) == len(FILES) + len(COMPLETIONS)


@pytest.mark.parametrize(
    ("text", "roff_text"),
    [
        (".B is no request", "\\&.B is no request\n"),
        ("'tis", "\\&'tis\n"),
        ("a\\b", "a\\eb\n"),
        ("say `--wait -x` or -x", "say \\fB\\-\\-wait \\-x\\fR or \\-x\n"),
        ("well-known, a - b", "well-known, a - b\n"),
        ("see [nodes](nodes.md) \u2713", "see nodes \\[u2713]\n"),
    ],
)
def test_no_text_means_anything_to_roff(text: str, roff_text: str) -> None:
    assert roff.paragraph(text) == roff_text
