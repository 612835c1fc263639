from plabctl.core.error_throttle import REPEAT_S, format_recovery, throttle_error
from tests.builders import NOW


def test_the_same_error_every_minute_is_said_once_and_then_hourly() -> None:
    said, before = [], None
    for minute in range(181):
        before, message = throttle_error(before, "plabctl: disk full", NOW + 60 * minute)
        if message:
            said.append((minute, message))

    assert [minute for minute, _ in said] == [0, 60, 120, 180]
    assert said[0][1] == "plabctl: disk full"
    assert said[1][1] == "plabctl: disk full\nplabctl: the same for 1h now, 61 times"


def test_another_error_is_said_at_once() -> None:
    before, _ = throttle_error(None, "disk full", NOW)

    assert throttle_error(before, "no key", NOW + 60)[1] == "no key"


def test_a_clock_set_back_does_not_silence_an_error() -> None:
    before, _ = throttle_error(None, "disk full", NOW)

    assert throttle_error(before, "disk full", NOW - 1e6)[1] == "disk full"


def test_recovery_says_what_it_was_and_how_long() -> None:
    before, _ = throttle_error(None, "disk full", NOW)
    before, _ = throttle_error(before, "disk full", NOW + 60)

    assert format_recovery(before, NOW + 120) == (
        "plabctl: all is well again; what had failed 2 times over 2m was:\ndisk full"
    )


def test_two_ticks_at_one_moment_say_it_once() -> None:
    before, _ = throttle_error(None, "disk full", NOW)

    assert throttle_error(before, "disk full", NOW)[1] is None


def test_a_clock_set_back_makes_no_time_negative() -> None:
    before, _ = throttle_error(None, "disk full", NOW)

    assert " once over 0s was:" in format_recovery(before, NOW - 3600)


def test_a_tick_that_began_earlier_and_ends_later_does_not_say_it_again() -> None:
    before, _ = throttle_error(None, "disk full", NOW)

    assert throttle_error(before, "disk full", NOW - 30)[1] is None
    assert throttle_error(before, "disk full", NOW - REPEAT_S)[1] is None
    assert throttle_error(before, "disk full", NOW - REPEAT_S - 1)[1] == "disk full", "the clock was set back"
