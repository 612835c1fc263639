"""Each cause says whom it speaks about, and what to look at."""

from pathlib import Path

import pytest

from plabctl.core.evidence import CAUSES, About, find_help, find_outcome
from plabctl.core.model import Cause, Outcome

ROOT = Path(__file__).parents[2]
COMPOSED = {
    "certificate and key are refused",
    "closed during authentication",
    "authentication did not end in time",
    "the key exchange did not end in time",
    *("pam_slurm_adopt", "has expired", "Too many authentication failures"),
    *("connection refused", "connection timed out", "no route to host", "network is unreachable", "permission denied"),
}
"""What stands nowhere in the program as it is said; some of it are words of nodes or of the C library."""
SOURCE = "\n".join(path.read_text() for path in (ROOT / "plabctl").rglob("*.py") if path.name != "evidence.py")


def test_there_is_a_row_for_each_cause() -> None:
    assert list(CAUSES) == list(Cause)


@pytest.mark.parametrize("cause", Cause)
def test_only_what_speaks_about_the_node_is_a_failure(cause: Cause) -> None:
    about_us = {Cause.LOCAL, Cause.JUMP, Cause.EXECUTOR, Cause.NO_OPINION, Cause.INTERRUPTED}

    assert (CAUSES[cause].about is About.NODE) == (cause not in about_us)
    assert find_outcome(cause) is (Outcome.UNKNOWN if cause in about_us else Outcome.FAIL)


@pytest.mark.parametrize(
    ("cause", "sign"), [(cause, case.sign) for cause, each in CAUSES.items() for case in each.cases]
)
def test_the_words_by_which_a_case_is_recognized_are_those_of_the_program(cause: Cause, sign: str) -> None:
    assert sign in COMPOSED or sign in SOURCE
    assert find_help(cause, f"192.0.2.1 port 22: {sign}, it says") != CAUSES[cause].look_at


def test_a_case_that_is_not_known_gets_the_help_of_its_cause() -> None:
    assert find_help(Cause.CONNECT, "protocol wrong type for socket") == CAUSES[Cause.CONNECT].look_at


def test_the_first_sign_in_a_reason_decides() -> None:
    assert "rebooted" in find_help(Cause.CONNECT, "check lost its connection: connection reset by peer")
    assert "`ssh_port`" in find_help(Cause.CONNECT, "192.0.2.2 port 22: connection refused")


@pytest.mark.parametrize("said", ["Connection refused", "Connection timed out", "No route to host"])
def test_what_a_jump_host_says_is_recognized_too(said: str) -> None:
    direct = find_help(Cause.CONNECT, f"192.0.2.2 port 22: {said.lower()}")
    assert find_help(Cause.CONNECT, f"pc1 port 22, by way of gate: {said}") == direct != CAUSES[Cause.CONNECT].look_at


def test_a_name_that_a_jump_host_does_not_know_is_looked_for_at_the_jump_host() -> None:
    assert "of that jump host" in find_help(Cause.DNS, "gate.example.org finds no address for 'pc7': name not known")
    assert "of this machine" in find_help(Cause.DNS, "no address for 'pc7': name or service not known")
