"""What a gate says, in words and for programs.

Pure.
Tests: `tests/cli/test_gate.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.core.gate import GateResult
from plabctl.render.data_formats import format_document
from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class _GateDocument:
    generated_at: float
    usable: bool
    nodes: tuple[_NodeDocument, ...]


@dataclass(frozen=True, slots=True)
class _NodeDocument:
    name: str
    usable: bool
    why_not: str | None
    passed_at: float | None
    tested: bool


def format_json(result: GateResult) -> str:
    """Return the answer for programs."""
    nodes = tuple(
        _NodeDocument(node.name, node.why_not is None, node.why_not, node.passed_at, node.is_tested_now)
        for node in result.nodes
    )
    return format_document(_GateDocument(result.now, result.is_open, nodes))


def format_closed(result: GateResult) -> Iterator[str]:
    """Yield a line for each reason for which nodes are not let through, with the nodes folded."""
    from plabctl.nodesets import fold_nodeset

    groups: dict[str, list[str]] = {}
    for node in result.nodes:
        if node.why_not is not None:
            groups.setdefault(node.why_not, []).append(node.name)
    for why, names in groups.items():
        yield f"{names[0] if len(names) == 1 else fold_nodeset(names)}: {why}"


def format_open(result: GateResult) -> str:
    """Return the line for people when all nodes are let through."""
    from plabctl.counts import format_count

    tested = sum(node.is_tested_now for node in result.nodes)
    how = f"; {tested} tested now" if tested else ""
    return f"{format_count(len(result.nodes), 'node')} usable{how}"
