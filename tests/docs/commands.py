"""The commands of plabctl as click knows them: each with its help, its examples and its options.

Pure, but for the import of every command. Go on with `tests.docs.pages`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import click

from plabctl.cli.main import plabctl

_VERBATIM = "\b\n"


@dataclass(frozen=True, slots=True)
class Verb:
    """One command or group, under the name that a person types."""

    name: str
    command: click.Command
    context: click.Context

    @property
    def first(self) -> str:
        """The first line of its help."""
        return self._parts()[0]

    @property
    def examples(self) -> list[str]:
        """The lines of its example."""
        return [line.strip() for line in self._parts()[1].splitlines()]

    @property
    def rest(self) -> str:
        """What its help says after the example."""
        return self._parts()[2]

    @property
    def usage(self) -> str:
        """How it is called."""
        return " ".join([self.name, *self.command.collect_usage_pieces(self.context)])

    @property
    def options(self) -> list[tuple[str, str]]:
        """Its options, as typed, each with its help."""
        shown = [param for param in self.command.params if isinstance(param, click.Option) and not param.hidden]
        records = [param.get_help_record(self.context) for param in shown]
        return [(typed, " ".join(text.split())) for typed, text in filter(None, records)]

    def _parts(self) -> tuple[str, str, str]:
        first, _, more = (self.command.help or "").partition("\n\n")
        assert more.startswith(_VERBATIM), f"the help of `{self.name}` has no example after its first line"
        example, _, rest = more.removeprefix(_VERBATIM).partition("\n\n")
        return first, example, rest


def all_commands() -> list[Verb]:
    """Return every command, in the order of `plabctl --help`, a group before what is in it."""
    return list(_below(plabctl, _context(plabctl, "plabctl", None)))


def calls(example: str) -> list[list[str]]:
    """Return the arguments of each call of plabctl in a line of shell."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = []
    is_first = True
    for word in lexer:
        if set(word) <= set("|&;"):
            is_first = True
            continue
        if is_first:
            found.append([])
            is_first = False
        found[-1].append(word)
    return [_without_redirection(words)[1:] for words in found if words[0] == "plabctl"]


def _without_redirection(words: list[str]) -> list[str]:
    places = [number for number, word in enumerate(words) if set(word) <= set("<>")]
    return words[: places[0]] if places else words


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    # With its own settings: a command keeps the help option that it was first asked for, whoever asks next.
    return click.Context(command, info_name=name, parent=parent, **command.context_settings)


def _below(group: click.Group, context: click.Context) -> Iterator[Verb]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command, f"`{name}` is listed and cannot be loaded"
        inner = _context(command, name, context)
        yield Verb(inner.command_path, command, inner)
        if isinstance(command, click.Group):
            yield from _below(command, inner)
