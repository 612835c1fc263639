"""What the end of a stage says about the node.

Pure. Over SSH: 0 passes, 75 is no opinion, anything else fails. Here, with monitoring plug-ins: 0 passes, 1 passes with
a remark, 3 and 75 are no opinion, anything else fails.
Tests: `tests/probes/test_probe_run.py`.
"""

from __future__ import annotations

from plabctl.core.model import Cause
from plabctl.core.readiness import is_not_ready
from plabctl.core.recipe import NO_OPINION, Transport
from plabctl.probes.clean import find_first_line, find_last_line
from plabctl.probes.probe_error import ProbeError, build_not_ready_error
from plabctl.probes.shell import StageFault, StageResult

_WARNING = 1
_UNKNOWN = 3
_CLOSED = 254
"""What sshd without PAM exits with where there is an /etc/nologin, whatever stands in that."""

_CAUSES = {
    "setup": Cause.SETUP,
    "up": Cause.UP_TIMEOUT,
    "check": Cause.CHECK,
    "teardown": Cause.TEARDOWN,
    "debris": Cause.TEARDOWN,
}
_FAULT_CAUSES = {
    StageFault.LATE: Cause.DEADLINE,
    StageFault.NOT_STARTED: Cause.DEADLINE,
    StageFault.LOST: Cause.CONNECT,
    StageFault.OVERRUN: Cause.PROTOCOL,
    StageFault.NO_SESSION: Cause.PROTOCOL,
    StageFault.NO_SUDO: Cause.SUDO,
}
_NEVER_RAN = "the login shell never ran it: look at its start-up files"
_SENTENCES = {
    StageFault.NOT_STARTED: (
        "the login shell did not start within {}: look at its start-up files and its home directory"
    ),
    StageFault.NO_SESSION: "the node opens no session: {}",
}


def is_pass(transport: Transport, exit_code: int | None) -> bool:
    """Return whether a stage with this exit code passed."""
    return exit_code == 0 or (transport is Transport.LOCAL and exit_code == _WARNING)


def judge_stage(stage: str, transport: Transport, ran: StageResult, timeout_s: float) -> str:
    """Return a remark on a stage that passed, mostly empty; raise ProbeError for one that did not.

    An `up` that is not up yet raises `Cause.UP_TIMEOUT`; whether its time is over is for the caller to say.
    """
    if ran.fault is not None:
        if ran.fault is StageFault.NOT_RUN and (said := _find_excuse(ran)):
            raise build_not_ready_error(said)
        why = explain_result(ran, timeout_s)
        is_sentence = why.startswith(("the ", "sudo "))
        raise ProbeError(_FAULT_CAUSES.get(ran.fault, _CAUSES[stage]), why if is_sentence else f"{stage} {why}")
    is_local = transport is Transport.LOCAL
    if is_pass(transport, ran.exit_code):
        return find_first_line(ran.output) if is_local and ran.exit_code == _WARNING else ""
    if ran.exit_code == NO_OPINION or (is_local and ran.exit_code == _UNKNOWN):
        raise ProbeError(Cause.NO_OPINION, explain_result(ran, timeout_s))
    raise ProbeError(_CAUSES[stage], explain_result(ran, timeout_s))


def _find_excuse(ran: StageResult) -> str:
    """Return what a node that ran no stage says of its not being ready; nothing when it says no such thing."""
    if ran.exit_code == _CLOSED:
        return " ".join(ran.output.split()) or "its sshd has found /etc/nologin"
    said = find_last_line(ran.output)
    return said if is_not_ready(said) else ""


def explain_result(ran: StageResult, timeout_s: float) -> str:
    """Return in words why a stage did not pass: its last line of output, or how it ended."""
    said = find_last_line(ran.output)
    last_words = f"; its last output: {said}" if said else ""
    match ran.fault:
        case StageFault.LATE:
            why = f"did not end within {timeout_s:g} s{last_words}"
        case StageFault.LOST:
            why = f"lost its connection{': ' * bool(ran.said)}{ran.said}"
        case StageFault.OVERRUN:
            why = f"was cut off: the node {ran.said}"
        case StageFault.FLOOD:
            why = "printed endlessly and was cut off"
        case StageFault.NOT_RUN:
            is_answer = said and ran.exit_code is not None
            why = f"was not run by the node, which says: {said}" if is_answer else f"{_NEVER_RAN}{last_words}"
        case StageFault.NO_SUDO:
            why = ran.said
        case StageFault.NOT_STARTED | StageFault.NO_SESSION:
            why = f"{_SENTENCES[ran.fault].format(ran.said)}{last_words}"
        case StageFault.ENDED:
            why = f"was killed by a signal{last_words}"
        case None:
            why = said or f"exit code {ran.exit_code}, without output"
    return why
