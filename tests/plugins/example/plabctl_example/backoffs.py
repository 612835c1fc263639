"""A back-off."""

from plabctl.core.backoffs.base import Backoff


def fibonacci(backoff: Backoff, streak: int, age_s: float) -> float:
    """Return the base times 1, 1, 2, 3, 5, 8 ... for each further equal result in a row."""
    before, factor = 0, 1
    for _ in range(min(streak, 50) - 1):
        before, factor = factor, before + factor
    return backoff.base_s * factor
