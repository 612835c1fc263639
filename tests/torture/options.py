"""How hard a part of the torture tries, and what it works with.

Pure.
"""

import random
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TortureOptions:
    """Where to work, from which seed, and whether it is the whole of it or what every run of the tests can afford."""

    folder: Path
    seed: int
    whole: bool = True

    def count(self, whole: int, short: int) -> int:
        """Return how often to do something."""
        return whole if self.whole else short

    def dice(self, salt: str = "") -> random.Random:
        """Return the random numbers of this seed; another `salt` gives others."""
        return random.Random(f"{self.seed} {salt}")
