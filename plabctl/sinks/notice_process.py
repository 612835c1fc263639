"""Start the process of `plabctl.sinks.notice_sender`: to go on by itself, or to be waited for.

I/O.
Tests: `tests/sinks/test_apprise.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NamedTuple

from plabctl.core.notices import Tone
from plabctl.process import run
from plabctl.sinks.notice_sender import Job

SLACK_S = 6.0
"""How long after its deadline the process is gone."""
DIED = "the process that sends notices was killed before it had done so"
_CODE = "import sys; sys.path[:] = {path}; from plabctl.sinks.notice_sender import main; main()"
_KEEP_BYTES = 64 * 1024
_started: list[subprocess.Popen[bytes]] = []


class Words(NamedTuple):
    """A notice as it is sent."""

    subject: str
    text: str
    tone: str = Tone.INFO


def start_sender(job: Job, lock: int) -> None:
    """Start the process, which goes on when we have ended, and keeps `lock` until it has sent; raise OSError."""
    reap_senders()
    process = subprocess.Popen(
        _build_argv(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        pass_fds=[lock],
        start_new_session=True,
    )
    _started.append(process)  # to be reaped when the next one is started, if we live that long
    assert process.stdin, "it is a pipe"
    with process.stdin as pipe:
        pipe.write(_encode(job))  # less than a pipe takes without being read


def reap_senders() -> None:
    """Take note of those that have ended."""
    _started[:] = [each for each in _started if each.poll() is None]


def send_now(url: str, words: Words, timeout_s: float) -> str:
    """Send something that is no notice, wait for it, and return what went wrong; empty when nothing did."""
    given = _encode(Job(url, words.subject, words.text, timeout_s, tone=words.tone))
    ran = run(
        _build_argv(), timeout_s=timeout_s + SLACK_S, keep_bytes=_KEEP_BYTES, flood_bytes=_KEEP_BYTES, given=given
    )
    try:
        return str(json.loads(ran.output)["error"])
    except (ValueError, KeyError, TypeError):
        return ran.fault or DIED


def _encode(job: Job) -> bytes:
    return json.dumps(job._asdict()).encode()


def _build_argv() -> list[str]:
    # -P: the current directory may be anybody's. The path is ours, so that it finds what we would find.
    return [sys.executable, "-P", "-c", _CODE.format(path=ascii(sys.path))]
