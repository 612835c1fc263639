"""What became of a stage over SSH, read from what the node sent and how its shell ended.

Pure. `plabctl.probes.remote_shell` asks, `plabctl.probes.stage_verdict` says what it means for the node.
Tests: `tests/probes/test_remote_shell.py`.
"""

from __future__ import annotations

from plabctl.core.recipe import Become
from plabctl.probes.frame import StageFrame
from plabctl.probes.probe_error import format_wait
from plabctl.probes.shell import StageFault, StageResult
from plabctl.probes.shell_start import Start
from plabctl.probes.sudo import explain_refusal

_EXIT_LATE = frozenset({124, 137, 143})
_EXIT_BY_SIGNAL = range(129, 160)
"""What a shell makes of a command that a signal ended: 128 and the signal's number."""


def build_result(
    frame: StageFrame,
    fault: StageFault | None = None,
    exit_code: int | None = None,
    said: str = "",
    *,
    never_began: bool = False,
) -> StageResult:
    """Return the result with the output so far; nothing more is read."""
    output = frame.finish()
    return StageResult(exit_code, output.text(), output.truncated, fault, said, never_began)


def judge_exit(frame: StageFrame, code: int, become: Become, *, is_time_over: bool) -> StageResult:
    """Return the result of a stage whose shell has ended, or which has printed its end mark, with exit `code`."""
    if not frame.has_begun:
        refusal = explain_refusal(frame.finish().text(), code) if become is Become.SUDO else ""
        fault = StageFault.NO_SUDO if refusal else StageFault.NOT_RUN
        return build_result(frame, fault, code, refusal, never_began=True)
    if code in _EXIT_LATE and is_time_over:
        return build_result(frame, StageFault.LATE)  # ended over there, a moment before it would have been here
    if code < 0 or code in _EXIT_BY_SIGNAL:
        return build_result(frame, StageFault.ENDED)
    return build_result(frame, exit_code=code)


def judge_start(frame: StageFrame, start: Start, become: Become, waited_s: float) -> StageResult:
    """Return the result of a stage that had not begun after `waited_s`."""
    match start:
        case Start.BEGAN:
            return build_result(frame, StageFault.LATE)
        case Start.ENDED:
            return build_result(frame, StageFault.NOT_RUN, never_began=True)
        case Start.KILLED | Start.UNKNOWN:
            is_certain = start is Start.KILLED
            said = f"{format_wait(waited_s)}{' (or sudo hangs)' * (become is Become.SUDO)}"
            return build_result(frame, StageFault.NOT_STARTED, said=said, never_began=is_certain)
