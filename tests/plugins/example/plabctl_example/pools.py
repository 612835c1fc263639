"""A kind of pool."""

from plabctl.core.model import Member
from plabctl.core.pools.base import Judgement, Reading
from plabctl.core.pools.good import GoodPool

TRIES = 3


class PatientPool(GoodPool):
    """A good pool that a node leaves only when it has failed three times in a row."""

    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Stay until the third failure; then do what a good pool does."""
        if member.fail_streak < TRIES:
            return Judgement(self.stay(member, reading))
        return super().failed(member, reading, ok_streak=ok_streak)
