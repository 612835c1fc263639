"""Asking the canaries: one that answers is enough, and a silence while we were stopped is none."""

import socket

import pytest

from plabctl.app import canaries
from plabctl.app.canaries import Canaries
from plabctl.clock import SystemClock
from tests.manual_clock import ManualClock


def test_without_canaries_nothing_can_be_said() -> None:
    assert Canaries((), SystemClock()).are_all_silent() is None


def test_one_that_answers_is_enough_even_if_by_a_refusal() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        refusing = f"127.0.0.1:{free.getsockname()[1]}"

        assert Canaries(("no-such-host.invalid:1", refusing), SystemClock()).are_all_silent() is False


@pytest.mark.parametrize(("took_s", "asked"), [(30.0, 2), (2.5, 1)])
def test_a_silence_while_this_process_was_stopped_is_asked_about_once_more(
    monkeypatch: pytest.MonkeyPatch, took_s: float, asked: int
) -> None:
    clock = ManualClock()
    answers = [False, True]

    def ask(_: object) -> bool:
        clock.advance(took_s)
        return answers.pop(0)

    monkeypatch.setattr(canaries, "_has_answer", ask)

    assert Canaries(("canary:22",), clock).are_all_silent() is (asked == 1)
    assert len(answers) == 2 - asked


def test_who_cannot_ask_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", fail)

    assert Canaries(("127.0.0.1:1",), SystemClock()).are_all_silent() is True
