"""The ranking is of usable nodes, and says when it is too early for one."""

import pytest

from plabctl.core.model import Node
from plabctl.render import rank_table
from plabctl.views.ranking import rank_pools
from tests.builders import NOW, make_member
from tests.render.examples import make_context

HOUR = 3600.0


@pytest.mark.parametrize(("ages_h", "early_h"), [((2, 3), 3), ((2, 23.9), 23.9), ((2, 24), None), ((), None)])
def test_it_is_too_early_while_no_node_has_been_known_for_a_day(
    ages_h: tuple[float, ...], early_h: float | None
) -> None:
    pairs = [
        (Node(f"n{place}", added_at=NOW - age * HOUR), make_member(f"n{place}")) for place, age in enumerate(ages_h)
    ]
    context = make_context(*pairs)

    assert rank_pools(context, (), None).early_s == (None if early_h is None else pytest.approx(early_h * HOUR))
    warnings = rank_table.build_listing(context, (), None).warnings
    assert [warning.partition(":")[0] for warning in warnings] == ["too early to rank"] * (early_h is not None)
