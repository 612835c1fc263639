"""The pages, man pages and completion files in docs/ that are made from the program. `make docs` writes them anew.

I/O, when it is run. Go on with `test_pages`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from plabctl.cli.completion import build_script
from plabctl.cli.main import COMMANDS
from plabctl.config.reference import build_reference
from plabctl.core.evidence import CAUSES, find_outcome
from tests.docs.commands import Verb, all_commands
from tests.docs.drawings import DRAWINGS
from tests.docs.event_examples import build_page
from tests.docs.man_pages import list_pages
from tests.docs.page_pictures import take_pictures
from tests.docs.pictures import PICTURES
from tests.docs.shared_texts import EXIT_CODES, NODES, OUTPUT

DOCS = Path(__file__).parents[2] / "docs"
MAN = "man"
COMPLETIONS = {"bash": "plabctl", "zsh": "_plabctl", "fish": "plabctl.fish"}
"""What the file with the completion for each shell is called, in the folder where that shell looks for it."""
_HEAD = f"""\
# The commands

`plabctl COMMAND -h` prints the same text, and so does its man page. `--config` may stand before or after the command's
name, and `plabctl --version` prints the version.

{NODES.rstrip()} More: [choosing nodes](nodes.md).

{OUTPUT.rstrip()} [status.schema.json](status.schema.json) and [stats.schema.json](stats.schema.json) describe what
`plabctl status -o json` and `plabctl stats -o json` print.

`make docs` generates this page from the program; a test compares the two.

## Exit codes

| code | meaning |
|---|---|
{"".join(f"| {code} | {meaning} |{chr(10)}" for code, meaning in EXIT_CODES.items())}
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
    **{f"{MAN}/{name}": page for name, page in list_pages().items()},
    **{f"completion/{shell}/{name}": partial(build_script, shell) for shell, name in COMPLETIONS.items()},
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
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(page(), encoding="utf-8")
    for name, picture in {**PICTURES, **DRAWINGS}.items():
        (DOCS / "pictures" / name).write_text(picture(), encoding="utf-8")
    take_pictures(DOCS / "pictures")
