"""What a part of the benchmarks is given.

Pure.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.testbed import Installation


@dataclass(frozen=True, slots=True)
class Options:
    """Where to work, with which installation, and how much of it; `quick` is for a test of the benchmarks."""

    folder: Path
    installation: Installation
    quick: bool = False
    rounds: int | None = None
    against: str = ""
    """Of the other tools in the sweep, only those with this in their names."""

    def count(self, full: int, quick: int = 4) -> int:
        """Return how many nodes to use."""
        return quick if self.quick else full

    @property
    def warm_up(self) -> bool:
        """Whether all is run once before it counts."""
        return not self.quick

    def repeats(self, full: int) -> int:
        """Return how many rounds to make."""
        return self.rounds or (1 if self.quick else full)
