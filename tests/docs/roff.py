"""Text as man pages have it: the man(7) macros of roff, out of plain text with the little Markdown that helps have.

Pure. Go on with `tests.docs.man_pages`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

_WIDTH = 78
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^]]*)\]\(([^)]*)\)")
_OPTION = re.compile(r"(?<![\w-])--?(?=\w)")


def head(title: str, section: int, date: str, source: str) -> str:
    """Return the first line of a page."""
    return f'.TH {escape(title.upper())} {section} {date} "{source}" "plabctl manual"\n'


def escape(text: str) -> str:
    """Return plain text, in which nothing means anything to roff."""
    text = text.replace("\\", "\\e")
    text = "".join(char if ord(char) < 128 else f"\\[u{ord(char):04X}]" for char in text)
    return _OPTION.sub(lambda found: found[0].replace("-", "\\-"), text)


def code(text: str) -> str:
    """Return what is typed as it stands, in bold."""
    return f"\\fB{_type(text)}\\fR"


def inline(text: str) -> str:
    """Return text with what stands between backticks in bold, and the texts of links without where they lead."""
    parts = _CODE.split(_LINK.sub(r"\1", text))
    return "".join(code(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def paragraph(text: str) -> str:
    """Return the lines of a paragraph, none of which begins like a request to roff."""
    lines = textwrap.wrap(inline(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "".join(f"{_shield(line)}\n" for line in lines)


def paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs with a blank line's worth of space between them; lines that begin with `- ` are a list."""
    for block in re.split(r"\n\s*\n", text.strip()):
        items = re.split(r"(?m)^- ", block)
        if items[0].strip():
            yield ".PP\n" + paragraph(items[0])
        for item in items[1:]:
            yield '.IP "\\(bu" 2\n' + paragraph(item)


def example(lines: Iterable[str]) -> str:
    """Return lines as they stand, moved to the right."""
    body = "".join(f"{_shield(_type(line))}\n" for line in lines)
    return f".PP\n.RS 4\n.nf\n{body}.fi\n.RE\n"


def tagged(tag: str, text: str) -> str:
    """Return an entry of a list of terms; `tag` is roff already."""
    return f".TP\n{_shield(tag)}\n{paragraph(text)}"


def section(title: str, *parts: str, level: str = "SH") -> str:
    """Return a section; `title` is plain text."""
    quoted = escape(title).replace('"', "\\(dq")
    # The space that begins a paragraph is there already.
    first, *more = (part for part in parts if part)
    return f'.{level} "{quoted}"\n' + "".join([first.removeprefix(".PP\n"), *more])


def _type(text: str) -> str:
    """Return text in which each `-` is the character that a shell wants, not a hyphen."""
    return "\\-".join(map(escape, text.split("-")))


def _shield(line: str) -> str:
    return f"\\&{line}" if line.startswith((".", "'")) else line
