import re
from pathlib import Path

import pytest

from plabctl.core.backoffs.adaptive import ADAPTIVE
from plabctl.core.pools.good import GoodOptions
from plabctl.core.settings_parts import LivenessSettings
from plabctl.errors import ConfigError, UsageFault
from plabctl.kinds import builtin_names
from plabctl.sim.policies import COMPARED, NAMED, build_named, find_policy, make_bare, stretch


@pytest.mark.parametrize("name", NAMED)
def test_a_policy_has_a_good_and_a_bad_pool_that_lead_to_each_other(name: str) -> None:
    settings = find_policy(name).settings

    assert {pool: own.goes_to for pool, own in settings.pools.items()} == {"good": "bad", "bad": "good"}


def test_every_back_off_is_a_policy_and_those_of_a_pair_are_compared_in_it() -> None:
    assert set(builtin_names("backoff")) == NAMED.keys() - {"2007"}
    assert COMPARED == ("additive", "age", "adaptive", "2007", "fixed", "exponential", "quadratic")


def test_a_configuration_file_is_a_policy(tmp_path: Path) -> None:
    path = tmp_path / "slow.toml"
    path.write_text('[pool.good]\nbackoff = { base = "30m" }\n[pool.bad]\n[flap]\nmax_passes = 3\n')
    policy = find_policy(str(path))

    assert policy.name == "slow"
    assert policy.settings.pools["good"].backoff.base_s == 1800
    assert policy.settings.flap.max_passes == 3


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            '[pool.good]\n\nbackoff = { kind = "agee" }\n[pool.bad]\nconfirm = 1\n',
            ['3: pool.good.backoff.kind: cannot be "agee"', "5: pool.bad.confirm: means nothing"],
        ),
        ('[pool.good]\nkind = "good"\n[pool.evil]\n[pool.bad]\n', ["3: pool.evil.kind: missing"]),
        ("[pool.good\n", ["1: not TOML"]),
    ],
)
def test_a_bad_policy_file_is_refused_with_the_line_of_each_fault(tmp_path: Path, text: str, faults: list[str]) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        find_policy(str(path))
    assert len(caught.value.faults) == len(faults)
    for told, expected in zip(caught.value.faults, faults, strict=True):
        assert told.startswith(f"{path}:{expected}")


def test_a_word_that_is_neither_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageFault, match="no policy and no file is named 'adative'") as caught:
        find_policy("adative")
    assert caught.value.hint == "adaptive?"


def test_what_follows_a_name_changes_the_policy_of_that_name() -> None:
    plain, checked = build_named("age").settings, find_policy("age+checks+neighbours=3").settings
    busy, released = (find_policy(f"age+{name}").settings.pools["good"] for name in ("test-busy", "test-released"))

    assert (plain.guard.neighbours, checked.guard.neighbours) == (0, 3)
    assert {pool.liveness.between for pool in checked.pools.values() if pool.liveness} == {8}
    assert plain.pools["good"].liveness is None
    assert (busy.busy, busy.at_release, released.busy, released.at_release) == ("test", "check", "spare", "test")
    assert checked.pools["good"].backoff == plain.pools["good"].backoff


def test_a_silent_check_is_repeated_so_many_minutes_later() -> None:
    later = find_policy("age+checks=6+apart=10").settings.pools["good"].liveness

    assert later == LivenessSettings(between=6, apart_s=600.0)
    with pytest.raises(UsageFault, match="and there are none"):
        find_policy("age+apart")
    with pytest.raises(UsageFault, match="at most 60"):
        find_policy("age+checks+apart=61")


@pytest.mark.parametrize(
    "word", ["age+", "age+check", "age+checks=", "age+checks=0", "age+checks=x", "age+test-busy=1"]
)
def test_what_follows_a_name_and_is_unknown_is_refused(word: str) -> None:
    with pytest.raises(UsageFault, match=f"of the policy '{re.escape(word)}' is unknown"):
        find_policy(word)


def test_bare_leaves_the_back_offs_alone() -> None:
    settings = make_bare(build_named("age")).settings

    assert settings.flap.max_passes == 1
    assert settings.pools["good"].options == GoodOptions(confirm=0, suspects=False)
    assert settings.pools["good"].backoff == build_named("age").settings.pools["good"].backoff


def test_stretching_multiplies_every_delay_but_holds_the_scale_of_an_adaptive_one() -> None:
    longer = stretch(build_named("additive"), 2.0).settings.pools["good"].backoff
    assert (longer.base_s, longer.step_s, longer.max_s) == (600, 300, 7200)

    adaptive = stretch(build_named("adaptive"), 2.0)
    assert adaptive.scale == 2.0
    assert adaptive.settings.pools["bad"].backoff.kind is ADAPTIVE
    assert adaptive.settings.pools["bad"].backoff.max_s == 345600
