"""Where a stage's own output begins and ends in what a node sends, and with which exit code.

Pure. The node's `sh` prints a mark before the stage's first command and another one behind its last, as it was told by
`plabctl.probes.script`. What stands before the first is noise of the account's start-up files, or of something that
an earlier stage left running.
"""

from __future__ import annotations

import re

from plabctl.probes.capture import Capture

MARK = b"\x1eplabctl\x1e"
"""Printed before the first command of a stage."""

_PENDING = 32
"""Bytes that may be the beginning of a mark, and wait for the rest of it."""


def build_end_mark(number: int, exit_code: int) -> bytes:
    """Return what is printed behind the last command of stage `number`."""
    return b"\x1eplabctl %d %d\x1e" % (number, exit_code)


class StageFrame:
    """The answer to stage `number`, as it comes in. `exit_code` is known when the end mark has come."""

    def __init__(self, limit: int, number: int) -> None:
        self._limit = limit
        self._capture = Capture(limit)
        self._end = re.compile(rb"\x1eplabctl %d (\d{1,3})\x1e" % number)
        self._pending = b""
        self.has_begun = False
        self.exit_code: int | None = None

    def add(self, data: bytes) -> None:
        """Take the next bytes, in the order in which they came."""
        pending = self._pending + data
        if not self.has_begun and (at := pending.find(MARK)) >= 0:
            self.has_begun, self._capture, pending = True, Capture(self._limit), pending[at + len(MARK) :]
        if ended := self._end.search(pending):
            self.exit_code = int(ended[1])
            settled, self._pending = pending[: ended.start()], b""
        else:
            settled, self._pending = pending[:-_PENDING], pending[-_PENDING:]
        self._capture.add(settled)

    def finish(self) -> Capture:
        """Return the stage's output when nothing more will come; the noise, if it did not begin."""
        self._capture.add(self._pending)
        self._pending = b""
        return self._capture

    @property
    def is_flood(self) -> bool:
        """Return whether so much came that reading on would only cost: the stage is cut off here."""
        return self._capture.is_flood
