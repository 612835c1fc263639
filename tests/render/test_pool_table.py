"""The pools: counts that add up, rules in words."""

import pytest

from plabctl.core.backoffs.base import Backoff, BackoffKind, describe_backoff
from plabctl.core.settings import LivenessSettings
from plabctl.kinds import builtin_kinds
from plabctl.render import pool_table
from plabctl.values import replace
from plabctl.views.pools import list_pool_views
from tests.builders import make_occupancy, make_settings
from tests.render.examples import make_context, make_every_kind


def test_every_node_is_counted_once() -> None:
    pools = {pool.name: pool for pool in list_pool_views(make_every_kind())}

    assert pools["good"].nodes_count == 6
    assert pools["bad"].nodes_count == 3
    assert pools["good"].held_count == 1
    assert pools["good"].testing_count == 1
    assert pools["bad"].suspect_count == 1


def test_a_node_that_is_tested_is_not_due() -> None:
    pools = {pool.name: pool for pool in list_pool_views(make_every_kind())}

    assert pools["good"].due_count == 4
    assert pools["bad"].due_count == 2


@pytest.mark.parametrize("name", ["good", "bad"])
@pytest.mark.parametrize("confirm", [0, 2])
def test_the_story_of_a_pool_has_its_rules(name: str, confirm: int) -> None:
    context = make_context(settings=make_settings(confirm=confirm))
    view = next(view for view in list_pool_views(context) if view.name == name)
    story = dict(pool_table.build_pool_lines(view, context.settings))

    assert story["leaves"].text.startswith(f"to {context.settings.pools[name].goes_to} ")
    assert story["nodes"].text == "0"
    assert story["new nodes"].text == ("enter here" if name == "bad" else "enter bad")


def test_the_story_of_a_pool_has_its_checks_and_what_becomes_of_busy_nodes() -> None:
    base = make_settings(occupancies=(make_occupancy(),))
    good = replace(base.pools["good"], liveness=LivenessSettings(between=8), at_release="test")
    bad = replace(base.pools["bad"], liveness=LivenessSettings(between=1), busy="test", at_release="none")
    context = make_context(settings=replace(base, pools={"good": good, "bad": bad}))
    stories = {
        view.name: dict(pool_table.build_pool_lines(view, context.settings)) for view in list_pool_views(context)
    }

    assert stories["good"]["checks"].text == (
        "8 logins between two tests, recipe command, a suspect when silent 2 times in a row"
    )
    assert stories["bad"]["checks"].text == "1 login between two tests, recipe command"
    assert stories["good"]["busy"].text == (
        "nodes in use are spared; at the release: not usable until a test has passed"
    )
    assert stories["bad"]["busy"].text == "nodes in use are tested like all others; at the release: nothing more"


@pytest.mark.parametrize("kind", list(builtin_kinds("backoff")))
def test_every_back_off_has_words(kind: BackoffKind) -> None:
    assert "at most 1h" in describe_backoff(Backoff(kind))
