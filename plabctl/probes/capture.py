"""The output of a stage, limited in size while it is read.

Pure. The head is kept, and a little of the end, because the reason for a failure stands in the last line.
Tests: `tests/probes/test_clean.py`.
"""

from __future__ import annotations

from plabctl.probes.clean import clean

_TAIL = 4096
_FLOOD = 1 << 20


def compute_flood(limit: int) -> int:
    """Return how many bytes of output are too many, where `limit` of them are kept."""
    return max(_FLOOD, 16 * limit)


class Capture:
    """The output of one stage: at most `limit` bytes of its head and a few KiB of its end."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        """Take the next bytes, in the order in which they came."""
        self.total += len(data)
        room = self.limit - len(self._head)
        self._head += data[: max(room, 0)]
        if rest := data[max(room, 0) :]:
            self._tail += rest
            del self._tail[:-_TAIL]

    @property
    def truncated(self) -> bool:
        """Return whether something was printed that is not kept."""
        return bool(self._tail)

    @property
    def is_flood(self) -> bool:
        """Return whether so much came that reading on would only cost: the stage is cut off here."""
        return self.total > compute_flood(self.limit)

    def text(self) -> str:
        """Return the captured output, cleaned, with a line that says how much is missing."""
        head = clean(bytes(self._head))
        if not self._tail:
            return head
        end = clean(bytes(self._tail)).rstrip("\n").rpartition("\n")[2]
        missing = self.total - len(self._head)
        return f"{head}\n[... {missing} bytes more, of which this is the end:]\n{end}"
