"""Take nodes from an ssh_config: each `Host` that is a name, with its HostName, Port and User.

Pure. As in ssh_config(5), the first value found counts, also of blocks with patterns. `Match` blocks and `Include` are
left out: what they mean depends on who asks. Whatever `ssh` itself makes of a node is for `use_ssh_config`.
Tests: `tests/inventories/test_row_parsers.py`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from plabctl.errors import UsageFault
from plabctl.inventories.reading import Row

_LINE = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(.+)")
_REMARK = re.compile(r"\s#[^\"]*$")
"""OpenSSH takes remarks behind arguments since 8.7."""
_VARIABLES = {"hostname": "ssh_host", "port": "ssh_port", "user": "ssh_user"}
MAX_MATCHES = 1_000_000
"""How often a host may be compared with the patterns of a block."""
_SIGNS = {
    *_VARIABLES,
    "identityfile",
    "identitiesonly",
    "proxyjump",
    "proxycommand",
    "forwardagent",
    "serveraliveinterval",
}


class _Block(NamedTuple):
    """The lines below one `Host`."""

    line: int
    patterns: list[str]
    variables: dict[str, str]

    def matches(self, name: str) -> bool:
        """Return whether it is about the host `name`; a pattern with `!` that matches excludes it."""
        if any(_is_like(name, pattern[1:]) for pattern in self.patterns if pattern.startswith("!")):
            return False
        return any(_is_like(name, pattern) for pattern in self.patterns)


def is_ssh_config(lines: Iterable[str]) -> bool:
    """Return whether `lines` have a line `Host NAME` and then one of those that describe it."""
    has_host = False
    for line in lines:
        if not has_host and line.lstrip()[:4].lower() != "host":
            continue
        match = _LINE.fullmatch(line.strip())
        keyword = match[1].lower() if match else ""
        has_host = has_host or keyword == "host"
        if has_host and keyword in _SIGNS:
            return True
    return False


def parse_ssh_config(lines: Iterable[str], where: str) -> Iterator[Row]:
    """Yield a row for each host that is named without a pattern; raise UsageFault for very many hosts and patterns."""
    blocks = list(_parse_blocks(lines))
    patterned = [block for block in blocks if any(map(_is_pattern, block.patterns))]
    named: dict[str, list[_Block]] = {}
    for block in blocks:
        for name in block.patterns:
            if not _is_pattern(name):
                named.setdefault(name, []).append(block)
    if len(named) * len(patterned) > MAX_MATCHES:
        raise UsageFault(f"{where}: {len(named):,} hosts and {len(patterned):,} patterns are too many")
    for name, own in named.items():
        variables: dict[str, str] = {}
        for _, block in sorted({each.line: each for each in (*own, *patterned)}.items()):
            if block.matches(name):
                for key, value in block.variables.items():
                    variables.setdefault(key, value)
        if "ssh_host" in variables:
            variables["ssh_host"] = variables["ssh_host"].replace("%h", name)
        yield Row(str(own[0].line), name, variables)


def _parse_blocks(lines: Iterable[str]) -> Iterator[_Block]:
    block: _Block | None = _Block(0, ["*"], {})
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(_REMARK.sub("", line).strip())
        if not match:
            continue
        keyword, value = match[1].lower(), match[2]
        if keyword in {"host", "match"}:
            if block:
                yield block
            block = _Block(number, value.replace('"', "").split(), {}) if keyword == "host" else None
        elif block and keyword in _VARIABLES:
            block.variables.setdefault(_VARIABLES[keyword], value.strip('"'))
    if block:
        yield block


def _is_pattern(word: str) -> bool:
    return word.startswith("!") or "*" in word or "?" in word


def _is_like(name: str, pattern: str) -> bool:
    return name == pattern or (_is_pattern(pattern) and fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")))
