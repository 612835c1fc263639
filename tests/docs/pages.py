"""The pages of docs/ that are made from the program. `make docs` writes them anew.

I/O, when it is run. Go on with `test_pages`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from plabctl.cli.main import COMMANDS
from plabctl.config.reference import build_reference
from plabctl.core.evidence import CAUSES, find_outcome
from tests.docs.commands import Verb, all_commands
from tests.docs.event_examples import build_page
from tests.docs.pictures import PICTURES

DOCS = Path(__file__).parents[2] / "docs"
_HEAD = """\
# The commands

`plabctl COMMAND -h` prints the same text. `--config` may stand before or after the command's name, and
`plabctl --version` prints the version.

NODES are names, patterns (`'pc[1-12].example.org'`, `'pc*'`), pools (`@bad`), `@usable` or labels (`site=oslo`), with
`!` before what is left out, separated by commas or blanks, or `-` for standard input: [choosing nodes](nodes.md). NODES
that match nothing are an error. Before a command changes several nodes, it names them; where one word stood for several
it asks for confirmation, and without a terminal it needs `--yes`.

Output is a table on a terminal and TSV elsewhere; `-o` chooses another format. Data goes to standard output, messages
to standard error. [status.schema.json](status.schema.json) and [stats.schema.json](stats.schema.json) describe what
`plabctl status -o json` and `plabctl stats -o json` print.

`make docs` generates this page from the program; a test compares the two.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | failed or refused: no such node; with `--wait` a test that did not pass, or a vnode that is not up, or not gone |
| 2 | wrong usage |
| 70 | a bug in plabctl |
| 74 | the state, or the output, cannot be read or written |
| 75 | busy: try again |
| 78 | wrong configuration; nothing was done |
| 130, 143 | interrupted, by Ctrl-C or by SIGTERM |
| 141 | the reader of the output is gone |

Only `plabctl check` differs: it uses the codes of Nagios plug-ins, 0 to 3.
"""


_CAUSES_HEAD = """\
# Why a test did not pass

Each test that does not pass has a cause and a reason. The cause says whom it speaks about: what speaks about the node
is a `fail` and counts; what speaks about this machine, or about nobody, is `unknown`: it counts for nothing and moves
no node. The reason has the node's own words where it has said any. `plabctl show NODE`, `explain`, `test` and
`retest --wait` print what to look at, from the same table as this page.

`make docs` generates this page from the program; a test compares the two.

NODE stands for the name of the node.
"""


def cli_page() -> str:
    """Return the reference of all commands as Markdown."""
    verbs = all_commands()
    sections = [_HEAD]
    for title, names in COMMANDS.items():
        sections.append(f"## {title}\n")
        sections.extend(_section(verb) for verb in verbs if verb.name.split()[1] in names)
    return "\n".join(sections)


def causes_page() -> str:
    """Return the table of causes as Markdown."""
    lines = [_CAUSES_HEAD, "| cause | about | meaning | what to look at |", "|---|---|---|---|"]
    lines += [f"| `{cause}` | {each.about} | {each.meaning} | {each.look_at} |" for cause, each in CAUSES.items()]
    lines += [
        "",
        "## By what the reason says",
        "",
        "| cause | the reason has | outcome | what to look at |",
        "|---|---|---|---|",
    ]
    for cause, each in CAUSES.items():
        for case in each.cases:
            outcome = "unknown" if case.is_unknown else find_outcome(cause)
            lines.append(f"| `{cause}` | {case.sign} | `{outcome}` | {case.look_at} |")
    return "\n".join([*lines, ""])


def written_pages() -> list[Path]:
    """Return every page there is, made or written."""
    root = DOCS.parent
    return [path for pattern in ("*.md", "docs/**/*.md", "cron/*.md") for path in sorted(root.glob(pattern))]


PAGES: Mapping[str, Callable[[], str]] = {
    "causes.md": causes_page,
    "cli.md": cli_page,
    "config.md": build_reference,
    "events.md": build_page,
}


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
