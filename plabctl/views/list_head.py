"""What lists have in common: when they were made, and of which revision of the state.

Pure.
Tests: `tests/render/test_data_formats.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.views.node import ViewContext


@dataclass(frozen=True, slots=True)
class ListHead:
    """What stands beside the rows of a list."""

    generated_at: float
    rev: int


def build_list_head(context: ViewContext) -> ListHead:
    """Return the head of a list that is made now."""
    return ListHead(context.now, context.state.rev)
