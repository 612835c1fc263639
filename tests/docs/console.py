"""The ```console blocks of a page: what is typed, and what is shown below it.

Pure. A line that begins with `$ ` is a command; the lines below it are its output, where `...` stands for anything.
A command with nothing below it may print what it likes. Go on with `tests.docs.sandbox`.
"""

from __future__ import annotations

import doctest
import re
from dataclasses import dataclass

_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_RULES = doctest.ELLIPSIS
# What is another one each time: fingerprints, vnodes, instants, durations. A page shows likely ones.
_NOT_YET = re.compile(r"^ *up +\S+ s +exit [1-9]\d*\n(?: *│ .*\n)*(?= *up )", re.MULTILINE)
"""Looks at a vnode that came too early, before one that did not: how many there are is the machine's business."""
_INSTANT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: [A-Z]{3,5}\b|[+-]\d{4}\b)?"
_FLEETING = re.compile(rf"SHA256:[^ ]+|plabctl-[0-9a-f]{{16}}|{_INSTANT}|(?:\d+(?:\.\d+)? ?[smhd])+\b")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a page, with the number of its line, and what is shown as its output."""

    line: int
    command: str
    shown: str

    def difference(self, printed: str) -> str:
        """Return how what was printed differs from what is shown; empty when it does not."""
        want, got = _tidy(self.shown), _tidy(printed)
        if not want or doctest.OutputChecker().check_output(want, got, _RULES):
            return ""
        example = doctest.Example(self.command, want)
        return doctest.OutputChecker().output_difference(example, got, _RULES | doctest.REPORT_NDIFF)


@dataclass(frozen=True, slots=True)
class Edit:
    """What a page says that should stand in the configuration: a ```toml block."""

    line: int
    text: str


def steps(page: str) -> list[Step | Edit]:
    """Return what a reader of the page does, in order."""
    found: list[Step | Edit] = []
    for block in _BLOCK.finditer(page):
        line = page[: block.start()].count("\n") + 2
        if block["kind"] == "console":
            found.extend(_typed(block["text"], line))
        elif block["kind"] == "toml":
            found.append(Edit(line, block["text"]))
    return found


def edited(config: str, wanted: str) -> str:
    """Return the configuration with what `wanted` says: a new table at its end, or each key where its table has it."""
    table = wanted.partition("\n")[0]
    if f"{table}\n" not in config:
        return f"{config}\n{wanted}"
    head, tail = config.split(f"{table}\n", 1)
    for line in wanted.splitlines()[1:]:
        key = re.escape(line.partition(" =")[0])
        tail, count = re.subn(rf"^#?{key} = .*$", line.replace("\\", r"\\"), tail, count=1, flags=re.MULTILINE)
        assert count, f"the configuration has no line for: {line}"
    return f"{head}{table}\n{tail}"


def _typed(block: str, line: int) -> list[Step]:
    found: list[Step] = []
    for number, text in enumerate(block.splitlines(), line):
        if text.startswith("$ "):
            found.append(Step(number, text[2:], ""))
        else:
            assert found, f"line {number} shows an output before any command"
            last = found.pop()
            found.append(Step(last.line, last.command, f"{last.shown}{text}\n"))
    return found


def _tidy(text: str) -> str:
    # Columns are as wide as what is fleeting in them.
    text = _NOT_YET.sub("", text)
    lines = (re.sub("  +", "  ", _FLEETING.sub("~", line)).rstrip() for line in text.strip("\n").splitlines())
    return "".join(f"{line}\n" for line in lines)
