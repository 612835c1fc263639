"""What happened last, to be told when something breaks.

Pure. Written at every step, so it costs next to nothing until it is read.
"""

from collections import deque

KEPT = 60


class StepLog:
    """The last steps of an episode."""

    def __init__(self) -> None:
        self.steps = 0
        self._rows: deque[tuple[int, float, str, tuple[object, ...]]] = deque(maxlen=KEPT)

    def tell(self, at: float, text: str, *words: object) -> None:
        """Remember that something happened: `text` with `words` for its `{}`."""
        self._rows.append((self.steps, at, text, words))

    def __str__(self) -> str:
        """Return the last steps, one a line."""
        return "\n".join(f"  {step:6} {at:10.3f} {text.format(*words)}" for step, at, text, words in self._rows)
