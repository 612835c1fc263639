"""The man pages: plabctl(1), one for each command, and plabctl.toml(5), from the same texts as cli.md and config.md.

Pure. `make docs` writes them into docs/man/, from where the wheel takes them. Go on with `tests.docs.pages`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial

import click

from plabctl import __version__
from plabctl.cli.main import COMMANDS
from plabctl.config.reference import INTRO, KeyEntry, Section, list_sections
from tests.docs import roff
from tests.docs.commands import Verb, all_commands
from tests.docs.shared_texts import ENVIRONMENT, EXIT_CODES, FILES, NODES, OUTPUT, SUMMARY

DATE = "2026-11-28"
"""The day of the pages. It stands here, so that the same source gives the same pages on any day."""
_SHORT = {name: text for section in COMMANDS.values() for name, text in section.items()}
_SOURCE = f"plabctl {__version__}"


def list_pages() -> Mapping[str, Callable[[], str]]:
    """Return what makes each page, by the name of its file."""
    return {
        "plabctl.1": build_main_page,
        **{f"plabctl-{name}.1": partial(build_command_page, name) for name in _SHORT},
        "plabctl.toml.5": build_config_page,
    }


def build_main_page() -> str:
    """Return plabctl(1)."""
    lists = [
        roff.section(title, *(_refer(name, text) for name, text in commands.items()), level="SS")
        for title, commands in COMMANDS.items()
    ]
    return "".join([
        roff.head("plabctl", 1, DATE, _SOURCE),
        roff.section("NAME", "plabctl \\- know which machines of a testbed or cluster really work\n"),
        roff.section("SYNOPSIS", _format_call("plabctl", ["[--config PATH]", "COMMAND", "[ARGUMENT]..."])),
        roff.section("DESCRIPTION", *roff.paragraphs(SUMMARY)),
        roff.section("COMMANDS", *lists),
        roff.section("NODES", *roff.paragraphs(NODES)),
        roff.section("OUTPUT", *roff.paragraphs(OUTPUT)),
        roff.section("EXIT STATUS", *(roff.tagged(roff.code(number), text) for number, text in EXIT_CODES.items())),
        roff.section("ENVIRONMENT", *(roff.tagged(roff.code(name), text) for name, text in ENVIRONMENT.items())),
        roff.section("FILES", *(roff.tagged(roff.code(name), text) for name, text in FILES.items())),
        roff.section("EXAMPLES", roff.example(_list_main_examples())),
        roff.section("SEE ALSO", ".BR plabctl.toml (5)\n"),
    ])  # fmt: skip


def build_command_page(name: str) -> str:
    """Return the page of a command, with a section for each command below it."""
    own, *below = (verb for verb in _verbs() if verb.name.split()[1] == name)
    parts = [
        roff.head(f"plabctl-{name}", 1, DATE, _SOURCE),
        roff.section("NAME", f"plabctl\\-{name} \\- {roff.inline(_shorten(_SHORT[name]))}\n"),
        roff.section("SYNOPSIS", *(_format_usage(verb) for verb in (below or [own]))),
        roff.section("DESCRIPTION", *roff.paragraphs(f"{own.first}\n\n{own.rest}")),
    ]
    if own.options and not below:
        parts.append(roff.section("OPTIONS", *_format_options(own)))
    if below:
        parts.append(roff.section("COMMANDS", *map(_format_below, below)))
    parts.append(roff.section("EXAMPLES", roff.example(own.examples)))
    parts.append(roff.section("SEE ALSO", ".BR plabctl (1),\n.BR plabctl.toml (5)\n"))
    return "".join(parts)


def build_config_page() -> str:
    """Return plabctl.toml(5)."""
    return "".join([
        roff.head("plabctl.toml", 5, DATE, _SOURCE),
        roff.section("NAME", "plabctl.toml \\- the configuration of plabctl\n"),
        roff.section("DESCRIPTION", *roff.paragraphs(INTRO)),
        *map(_format_table, list_sections()),
        roff.section("SEE ALSO", ".BR plabctl (1),\n.BR plabctl\\-config (1),\n.BR plabctl\\-init (1)\n"),
    ])  # fmt: skip


@cache
def _verbs() -> list[Verb]:
    return all_commands()


def _list_main_examples() -> list[str]:
    from plabctl.cli.main import plabctl

    example = (plabctl.help or "").partition("\b\n")[2].partition("\n\n")[0]
    return [line.strip() for line in example.splitlines()]


def _refer(name: str, text: str) -> str:
    return roff.tagged(f".BR plabctl\\-{name} (1)", text).replace("\\&.BR", ".BR")


def _shorten(text: str) -> str:
    """Return a sentence as the line of a page's name has it."""
    return text[:1].lower() + text[1:].rstrip(".")


def _format_usage(verb: Verb) -> str:
    return _format_call(verb.name, verb.command.collect_usage_pieces(verb.context))


def _format_call(name: str, pieces: Iterable[str]) -> str:
    """Return how something is called; capitals stand for what is put in their place."""
    shown = [re.sub(r"[A-Z][A-Z_|]*", lambda found: f"\\fI{found[0]}\\fR", roff.escape(piece)) for piece in pieces]
    return f".PP\n{roff.code(name)} {' '.join(shown)}\n"


def _format_options(verb: Verb) -> Iterator[str]:
    for typed, text in verb.options:
        yield roff.tagged(roff.code(typed), text)


def _format_below(verb: Verb) -> str:
    parts = [*roff.paragraphs(verb.first), roff.example(verb.examples), *roff.paragraphs(verb.rest or "")]
    if isinstance(verb.command, click.Group):
        return roff.section(verb.name, *parts, level="SS")
    return roff.section(verb.name, *parts, *_format_options(verb), level="SS")


def _format_table(section: Section) -> str:
    title = section.title.replace("`", "")
    return roff.section(title, *roff.paragraphs(section.text), *map(_format_key, section.keys))


def _format_key(key: KeyEntry) -> str:
    facts = [f"Allowed: {key.allowed}.", f"Default: {key.default}.", f"Example: `{key.example}`"]
    lines = "".join(f".br\n{roff.paragraph(fact)}" for fact in facts)
    return roff.tagged(roff.code(key.name), key.text) + lines
