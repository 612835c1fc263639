"""The process that sends one notice: it may hang in a mail server for as long as it likes, and nobody waits for it.

I/O. apprise is imported here and nowhere else, but by `plabctl.sinks.apprise_urls` for `config check`. What is to be
sent comes as JSON on standard input, so that no secret is seen in the list of processes. What came of it goes into the
record of the receiver, which a lock that this process inherits keeps for it, or, without a record, to standard output.
At its deadline the process ends itself, whatever its threads do: a thread that is stuck in SMTP cannot be cancelled.
`plabctl.sinks.notice_delivery` starts it.
Tests: `tests/sinks/test_apprise.py`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from plabctl.sinks.apprise_urls import MISSING, hide_secrets
from plabctl.sinks.notice_files import read_record, write_record

_NICE = 5
_BACKSTOP_S = 5
"""How long after its deadline the kernel ends the process if it could not end itself."""


class Job(NamedTuple):
    """What is to be sent, to which service, for how long it is tried, and where the record is."""

    url: str
    subject: str
    text: str
    timeout_s: float
    path: str = ""
    tone: str = "info"
    """One of `plabctl.core.notices.Tone`."""


def main() -> None:
    """Send what standard input says, and end the process."""
    job = Job(**json.load(sys.stdin))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of systemd, when the tick has ended: the deadline is soon enough
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(job.timeout_s) + _BACKSTOP_S)
    os.nice(_NICE)
    end = _build_end(job)
    watchdog = threading.Timer(job.timeout_s, end, [f"did not take it within {job.timeout_s:g} s"])
    watchdog.daemon = True
    watchdog.start()
    error = ""
    try:
        error = _send(job)
    finally:
        broken = sys.exception()  # of a hundred services, each with bugs of its own
        end(hide_secrets(f"{type(broken).__name__}: {broken}" if broken else error, job.url))


def _build_end(job: Job) -> Callable[[str], None]:
    """Return what notes an error, or success where it is empty, and ends the process; the first call counts."""
    lock = threading.Lock()

    def end(error: str) -> None:
        lock.acquire()  # and not released: a second caller waits here until the process is gone
        code = 1
        try:
            _report(job, error)
            code = 1 if error else 0
        finally:
            os._exit(code)

    return end


def _report(job: Job, error: str) -> None:
    if not job.path:
        sys.stdout.write(json.dumps({"error": error}))
        sys.stdout.flush()
        return
    record = read_record(job.path)
    write_record(job.path, record.fail(error, time.time()) if error else record.succeed())


def _send(job: Job) -> str:
    """Send it and return what went wrong; empty when nothing did."""
    import logging
    from io import StringIO

    try:
        import apprise
    except ImportError:
        return MISSING
    log = StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    service = apprise.Apprise()
    if not service.add(job.url):
        return "is not understood; see: plabctl config check"
    is_sent = service.notify(job.text, job.subject, job.tone, body_format=apprise.NotifyFormat.TEXT)
    return "" if is_sent else find_reason(log.getvalue())


def find_reason(log: str) -> str:
    """Return what the service's module complained about, with what the system said of it.

    The same each time that the same is wrong: ticks tell of it once.
    """
    lines = re.sub(" object at 0x[0-9a-f]+", "", log).splitlines()
    warnings = [rest for line in lines if (rest := _strip(line, "WARNING ", "ERROR "))]
    causes = [rest for line in lines if (rest := _strip(line, "DEBUG Socket Exception: "))]
    reason = warnings[0] if warnings else "was refused"
    return f"{reason.rstrip('.')}: {causes[0]}" if causes else reason


def _strip(line: str, *starts: str) -> str:
    return next((line.removeprefix(start) for start in starts if line.startswith(start)), "")


if __name__ == "__main__":
    main()
