"""The pages of docs/ that are made from the program. `make docs` writes them anew.

I/O, when it is run. Go on with `test_pages`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from plabctl.cli.main import COMMANDS
from plabctl.config.reference import build_reference
from tests.docs.commands import Verb, all_commands
from tests.docs.pictures import PICTURES

DOCS = Path(__file__).parents[2] / "docs"
_HEAD = """\
# The commands

`plabctl COMMAND -h` says what this page says. `--config` may stand before the command's name or after it, and
`plabctl --version` says which version this is.

NODES are names, globs (`'pc*.example.org'`) or pools (`@bad`), with commas or blanks between them, or `-` for names on
standard input. NODES that match nothing are an error. A command that changes several nodes asks first when a glob or a
pool stood for them, or wants `--yes` where nobody can be asked.

Output is a table on a terminal and TSV elsewhere; `-o` chooses another form. Data goes to standard output, remarks to
standard error. What `plabctl status -o json` prints is described by [status.schema.json](status.schema.json).

This page is made from the program by `make docs`; a test compares the two.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | failed or refused: no such node, or with `--wait` a verdict that is not a pass, a vnode not up, or not gone |
| 2 | wrong usage |
| 70 | a fault of plabctl itself |
| 74 | the state, or the output, cannot be read or written |
| 75 | busy: try again |
| 78 | wrong configuration; nothing was done |
| 130, 143 | interrupted, by Ctrl-C or by SIGTERM |
| 141 | nobody reads the output any more |

Only `plabctl check` differs: it speaks Nagios, 0 to 3.
"""


def cli_page() -> str:
    """Return the reference of all commands as Markdown."""
    verbs = all_commands()
    sections = [_HEAD]
    for title, names in COMMANDS.items():
        sections.append(f"## {title}\n")
        sections.extend(_section(verb) for verb in verbs if verb.name.split()[1] in names)
    return "\n".join(sections)


def written_pages() -> list[Path]:
    """Return every page there is, made or written."""
    root = DOCS.parent
    return [path for pattern in ("*.md", "docs/**/*.md", "cron/*.md") for path in sorted(root.glob(pattern))]


PAGES: Mapping[str, Callable[[], str]] = {"cli.md": cli_page, "config.md": build_reference}


def _section(verb: Verb) -> str:
    lines = [f"### `{verb.name}`", "", verb.first, "", "```sh", *verb.examples, "```", ""]
    if verb.rest:
        lines += [verb.rest, ""]
    lines += [f"Usage: `{verb.usage}`", ""]
    if verb.options:
        lines += [*(f"- `{typed}`: {text}" for typed, text in verb.options), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
    for name, picture in PICTURES.items():
        (DOCS / "pictures" / name).write_text(picture(), encoding="utf-8")
