"""Servers that lie at every point of the protocol: each is cut off for a reason in words, and costs next to nothing."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Outcome, Report
from plabctl.core.recipe import Stage
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes.prober import Prober
from tests.lab.attacks import AT_LOGIN, BETWEEN, EXCHANGES, IN_STAGE, KINDS, RAW
from tests.lab.hostile_servers import HostileServers
from tests.probes.jobs import make_assignment, make_recipe

STAGE_S = 6.0
SHORT_S = 3.0
"""The same where nothing but a time-out ends it."""
RECIPE = make_recipe(
    setup=Stage(run="true", timeout_s=STAGE_S),
    up=Stage(run="true", timeout_s=STAGE_S, every_s=0.5),
    teardown=Stage(run="true", timeout_s=2),
)
DRIBBLES = ("tiny output", "packet byte by byte")
"""As fast as it goes, and within all bounds for a while: so may honest output, and an honest link."""
CPU_S = 1.0
"""Seconds of processor time that one liar may cost, also on a slow machine. The worst packet used to cost 47."""

IN_TIME = {
    "banner a byte a second": (Cause.PROTOCOL, "no SSH banner in time"),
    "lines a second": (Cause.PROTOCOL, "no SSH banner in time"),
    "packet a byte a second": (Cause.DEADLINE, "the key exchange did not end in time"),
    "drip at login": (Cause.DEADLINE, "authentication did not end in time"),
    "drip in a stage": (Cause.DEADLINE, "setup did not end within 3 s"),
}
"""What only a deadline ends: it sends little, or as much as it may."""
FLOODS = {
    "big ignore at login": "sent more than 512 KiB before the end of the login",
    "debug at login": "sent more than 512 KiB before the end of the login",
    "login banner at login": "sent more than 512 KiB before the end of the login",
    "debug before the keys": "sent more than 512 KiB before the end of the login",
    "big ignore in a stage": "sent more than 2 MiB in one stage",
    "debug in a stage": "sent more than 2 MiB in one stage",
    "output of no kind": "sent more than 2 MiB in one stage",
    "output": "past the SSH window",
    "errors": "past the SSH window",
    "output between stages": "past the SSH window",
    "errors between stages": "past the SSH window",
    "output that is not there": "announced a string of 1048575 bytes in a message that has 0",
    "keys in a stage": "asked for new keys 6 times",
    "extension count": "announced 4294967295 extensions of the protocol",
    "group of 8192 bits": "named a group of 8192 bits for the key exchange",
    "group of 1024 bits": "named a group of 1024 bits for the key exchange",
    "group below zero": "named a group for the key exchange that is none",
    "group of 200 KiB": "sent a number of 1638400 bits",
    "group that is not there": "announced a string of 1048575 bytes",
    "host key that is not there": "announced a string of 1048575 bytes",
    "exponent that is not there": "announced a string of 1048575 bytes",
    "signature that is not there": "announced a string of 1048575 bytes",
    "host key of 16384 bits": "signature verification (rsa-sha2-512) failed",
    "lines without end": 'indecipherable protocol version "hello"',
    "unimplemented before the keys": "expecting packet from",
    "kexinit of names": "no key exchange in common: it has",
    "kexinit at login": "broke the protocol: expecting packet from",
    "long disconnect": "the connection was closed during authentication",
    "empty message": "the connection was closed during authentication",
    "no such message": "sent a packet that makes no sense",
    "text that is none": "sent a packet that makes no sense",
}
CERTIFICATES = {
    "certificate of names": "the names in it are malformed",
    "certificate of options": "it was not signed by the authority that it names",
    "certificate of certificates": "it is signed by a key of the kind ssh-ed25519-cert-v01@openssh.com",
    "certificate that is not there": "it is cut off",
    "forged certificate": "it was not signed by the authority that it names",
}
HONEST_ALSO = ("output", "errors")
"""Output past the window, or more of it than a stage may print where we are as fast as they are: whichever we see
first."""
ASIDE = "messages that bring no output"
"""All others send more messages than they may."""


@pytest.fixture(scope="module")
def liars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileServers]:
    with HostileServers(tmp_path_factory.mktemp("liars")) as servers:
        yield servers


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in DRIBBLES])
def test_a_liar_is_cut_off_for_a_reason_and_costs_little(liars: HostileServers, kind: str) -> None:
    cause, said = IN_TIME.get(kind, (Cause.PROTOCOL, FLOODS.get(kind, ASIDE)))
    if kind in CERTIFICATES:
        cause, said = Cause.HOST_KEY, f"the host certificate is refused: {CERTIFICATES[kind]}"
    report, cpu_s = _probe(liars, kind, SHORT_S if kind in IN_TIME else STAGE_S)

    if kind in HONEST_ALSO and report.cause is Cause.SETUP:
        cause, said = Cause.SETUP, "setup printed endlessly and was cut off"
    assert (report.outcome, report.cause) == (Outcome.FAIL, cause), report.reason
    assert said in report.reason
    assert cpu_s < CPU_S
    if kind not in IN_TIME:
        assert report.seconds < STAGE_S, "cut off, and not left to its deadline"


@pytest.mark.parametrize("kind", DRIBBLES)
def test_what_comes_byte_by_byte_ends_at_a_bound_or_the_deadline(liars: HostileServers, kind: str) -> None:
    report, cpu_s = _probe(liars, kind)

    assert report.outcome is Outcome.FAIL
    assert report.cause in {Cause.PROTOCOL, Cause.DEADLINE}, report.reason
    assert cpu_s < 2 * STAGE_S


@pytest.mark.parametrize("kind", ["lines without end", "kexinit of names", "no such message", "output"])
def test_a_jump_host_that_lies_blames_no_node_and_costs_little(liars: HostileServers, kind: str) -> None:
    gate = f"127.0.0.1:{liars.ports[kind]}"
    prober = Prober(liars.settings(kind, jump=(gate,), connect_timeout_s=1.5), SystemClock())
    before = time.process_time()
    report = prober.probe(make_assignment(RECIPE))
    prober.interrupt()

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.JUMP), report.reason
    assert report.seconds < 1.5 + 1.0
    assert time.process_time() - before < CPU_S


def test_each_kind_of_lie_is_told_by_some_server() -> None:
    assert {*IN_TIME, *FLOODS, *CERTIFICATES} <= set(KINDS)
    assert len(KINDS) == len(RAW) + len(EXCHANGES) + len(AT_LOGIN) + len(IN_STAGE) + len(BETWEEN)


def _probe(liars: HostileServers, kind: str, allowed_s: float = STAGE_S) -> tuple[Report, float]:
    prober = Prober(liars.settings(kind, connect_timeout_s=allowed_s), SystemClock())
    prober.prepare()
    runner = ThreadExecutor(prober, SystemClock())
    before = time.process_time()
    recipe = replace(RECIPE, setup=Stage(run="true", timeout_s=allowed_s))
    runner.start(make_assignment(recipe, deadline_s=3 * allowed_s + 4))
    (report,) = runner.wait(60)
    return report, time.process_time() - before
