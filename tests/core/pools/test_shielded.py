"""What a plug-in's pool does wrong ends in its pool: the node waits where it is, and the pool is used no more."""

from dataclasses import replace
from typing import Any

import pytest

from plabctl.core.model import Member
from plabctl.core.pools import build_pools
from plabctl.core.pools.base import Judgement, Pool, Reading
from plabctl.core.pools.good import GoodPool
from plabctl.core.settings import Settings
from tests.builders import NOW, make_member, make_report, make_settings

READING = Reading(make_report(), NOW, 0.0)
MEMBER = make_member(ok_streak=3)


class Patient(GoodPool):
    """A good pool that says what was asked of it."""

    made = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        type(self).made += 1

    def passed(self, member: Member, reading: Reading) -> Judgement:
        return Judgement(replace(self.stay(member, reading), good_ratio=0.5))


class Judging(GoodPool):
    """Answers with what it is given."""

    answer: Any = None

    def judge(self, member: Member, reading: Reading) -> Judgement:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]  # what it is not is the point


def shielded(judged_by: type[Pool]) -> tuple[Pool, Settings]:
    settings = make_settings()
    good = replace(settings.pools["good"], plugin="patient", judged_by=judged_by)
    settings = replace(settings, pools={**settings.pools, "good": good}, plugin_faults={}, disabled=set())
    return build_pools(settings)["good"], settings


def test_what_a_sound_plug_in_says_is_done() -> None:
    pool, settings = shielded(Patient)

    after = pool.judge(MEMBER, READING).member

    assert (after.good_ratio, after.ok_streak) == (0.5, 4)
    assert not settings.disabled
    assert pool.passed(MEMBER, READING).member.good_ratio == 0.5
    assert pool.failed(replace(MEMBER, fail_streak=1), READING, ok_streak=3).member.pool == "bad"


def test_its_class_is_made_once_and_not_before_it_is_asked() -> None:
    Patient.made = 0
    pool, _ = shielded(Patient)
    assert Patient.made == 0

    for _ in range(3):
        pool.judge(MEMBER, READING)

    assert Patient.made == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "did not return a Judgement of the node"),
        ("a word", "did not return a Judgement of the node"),
        (Judgement(make_member("other")), "did not return a Judgement of the node"),
        (Judgement(make_member(pool="nowhere")), "no pool is named 'nowhere'"),
        (KeyError("lost"), "KeyError: 'lost'"),
    ],
)
def test_a_plug_in_that_judges_by_nothing_moves_nobody_and_is_used_no_more(answer: object, why: str) -> None:
    pool, settings = shielded(type("Wrong", (Judging,), {"answer": answer}))

    judgement = pool.judge(MEMBER, READING)

    assert (judgement.move, judgement.member.pool, judgement.member.due_at) == (None, "good", NOW + 300)
    assert settings.disabled == {"good"}
    assert why in settings.plugin_faults["pool.good.kind"]
