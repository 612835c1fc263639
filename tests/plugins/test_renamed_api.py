"""Plug-ins as they were written for version 0.1: they work, or are refused with a line that says what to change."""

from pathlib import Path

import pytest

from tests.plugins.packages import place
from tests.plugins.test_plugins import Shop

POINTS = {
    "plabctl.pools patient": "PatientPool",
    "plabctl.backoffs triple": "triple",
    "plabctl.recipes ledger": "LEDGER",
}
OLD = """\
from plabctl.core.model import Member
from plabctl.core.pools.base import Judgement, Reading
from plabctl.core.pools.good import GoodPool
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import Backoff

class PatientPool(GoodPool):
    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        if member.fail_streak < 3:
            return Judgement(self.stay(member, reading))
        return super().failed(member, reading, ok_streak=ok_streak)

def triple(backoff: Backoff, streak: int, age_s: float) -> float:
    return backoff.base_s * 3

LEDGER = Recipe(name="ledger", transport=Transport.LOCAL, check=Stage(run="true", timeout_s=5))
"""
CONFIG = """
state_dir = "state"
[pool.good]
kind = "patient"
recipe = "ledger"
backoff = { kind = "triple" }
[pool.bad]
kind = "bad"
recipe = "ledger"
"""


def test_a_plug_in_of_version_0_1_works_as_it_is(tmp_path: Path) -> None:
    shop = Shop(tmp_path, place(tmp_path / "site", "old", OLD, POINTS), CONFIG)

    shop.ok("config", "check")
    shop.ok("node", "add", "pc1")
    shop.ok("tick")
    assert shop.pools() == {"pc1": "good"}


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (
            "return super().failed(member, reading, ok_streak=ok_streak)",
            'return self.confirmed(member, member.suspicion, "bad", reading)',
            "TypeError: it calls `confirmed`, which is called `confirm_move` now",
        ),
        (
            "if member.fail_streak < 3",
            "if member.fail_streak <= self.own.confirm",
            "object has no attribute 'confirm'; `confirm` is called `options.confirm` now",
        ),
        (
            "class PatientPool",
            "from plabctl.core.backoff import interval\n\nclass PatientPool",
            "No module named 'plabctl.core.backoff'; `plabctl.core.backoff` is called `plabctl.core.backoffs.base` now",
        ),
        ("import Judgement", "import entered, Judgement", "; `entered` is called `enter_pool` now"),
    ],
)
def test_one_that_uses_what_is_called_otherwise_now_is_told_what_to_change(
    tmp_path: Path, before: str, after: str, complaint: str
) -> None:
    assert before in OLD
    shop = Shop(tmp_path, place(tmp_path / "site", "old", OLD.replace(before, after), POINTS), CONFIG)

    said = shop.run("config", "check")

    assert said.code == 78
    assert complaint in said.err
