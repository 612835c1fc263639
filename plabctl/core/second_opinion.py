"""Second opinions: a failure is looked at from another place than that, and a way that is lost moves nobody.

Pure. Only with `second_opinion`, and an executor that tests from several places. The rules:

- The retest of a suspect, and the look that follows a silent liveness check, ask for another vantage than the failure.
  What fails from both is judged as ever, and so is what could be looked at from one vantage only, as there is no other
  or all others are guarded.
- What passes there is good as if nothing had happened. If the node was silent at first, the way to it is in doubt: one
  login from the first vantage decides. Answered, the way works, and the node's test is called as after any silence;
  silent, the way is lost, which is told once.
- Nodes to which a way is lost are tested from elsewhere. The way is looked at again after five minutes, and then
  whenever it has been lost for twice as long, at least hourly, each time by one login, after a test that passed.

`plabctl.core.settle` asks this of each report; `plabctl.core.vantage` says from where the next probe is made.
"""

from __future__ import annotations

from plabctl.core import liveness
from plabctl.core.events import MACHINE
from plabctl.core.guard.model import Guard
from plabctl.core.liveness_record import LostWay, name_vantage
from plabctl.core.model import Claim, Event, Member, Outcome, Report
from plabctl.core.notes import NoteChanges
from plabctl.core.pools.base import Judgement
from plabctl.core.settings import PoolSettings, Settings
from plabctl.core.state import State
from plabctl.core.vantage import VANTAGES_NOTE, Tally, find_doubted
from plabctl.values import replace

LOOK_AGAIN_S, LONGEST_S = 300.0, 3600.0
"""How long after a look at a lost way the next comes: as long as it has been lost, between these."""
FORGET_S = 86_400.0
"""A way that nobody has looked at from there for so long is of no interest: its vantage is gone."""


class Opinions:
    """What a batch of reports says of the ways from vantages to nodes, and how it is judged because of that."""

    def __init__(self, state: State, settings: Settings, guard: Guard, now: float) -> None:
        self._settings, self._guard, self._now = settings, guard, now
        self._known = VANTAGES_NOTE.read(state.notes)
        self._tallies = dict(self._known)
        self.events: list[Event] = []

    def build_note(self) -> NoteChanges:
        """Return the change of what is known of vantages."""
        return {} if self._tallies == self._known else VANTAGES_NOTE.write(self._tallies)

    def note_vantage(self, vantage: str) -> None:
        """Remember that tests are made from there."""
        if vantage:
            self._tallies.setdefault(vantage, Tally())

    def judge_test(self, before: Member, after: Member, claim: Claim, found: Report) -> Member:
        """Return `after`, what a test has made of the member, with what it says of ways to the node."""
        if found.outcome is Outcome.UNKNOWN:
            return after
        if found.outcome is Outcome.FAIL:
            after = self._note_failure(before, after, claim, found.vantage)
            if before.home_pool != after.home_pool:
                after = self._doubt_anew(after, found)
        else:
            after = self._find_again(after, found)
            after = self._doubt(before, after, found.vantage) if _may_be_silence(before) else after
            after = self._call_look(after)
        return _follow_silence(before, after, found.vantage)

    def judge_check(
        self, member: Member, claim: Claim, report: Report, own: PoolSettings, *, is_guarded: bool
    ) -> Judgement:
        """Return what a liveness check makes of a member of the pool `own`, as `liveness.judge_check` does."""
        look = liveness.read_look(report, is_login=liveness.is_login(own, self._settings.recipes))
        vantage, now = report.vantage, self._now
        if vantage not in claim.away_from and any(way.vantage == vantage for way in member.lost_ways):
            return Judgement(self._judge_look(member, report, look, own))
        doubted = find_doubted(member, self._settings)
        known = member.liveness
        is_refuted = look.answered and doubted not in {None, vantage} and not member.suspicion
        if is_refuted and known:
            # Silence from one place only calls no test: the node answers, and the way is looked at.
            forgiven = replace(member, liveness=replace(known, silences=0, silent_from=None))
            judged = liveness.judge_check(forgiven, look, own, now, is_guarded=is_guarded)
            return Judgement(self._call_look(self._doubt(member, judged.member, vantage)), judged.move)
        judged = liveness.judge_check(member, look, own, now, is_guarded=is_guarded)
        after = _follow_silence(member, judged.member, vantage)
        if after.suspicion and not member.suspicion and after.liveness:
            after = replace(after, suspicion=replace(after.suspicion, vantage=after.liveness.silent_from))
        return Judgement(self._call_look(after) if look.answered else after, judged.move)

    def _note_failure(self, before: Member, after: Member, claim: Claim, vantage: str) -> Member:
        """Remember from where alone the node was seen to fail; it is tested from elsewhere at once if that is in doubt.

        That is so of one that the guard of that vantage holds, when another was not asked for yet.
        """
        suspicion, known = after.suspicion, before.liveness
        if suspicion is None:
            return after
        if before.suspicion:
            others = before.suspicion.vantage
        else:
            others = known.silent_from if known and known.is_silent else vantage
        after = replace(after, suspicion=replace(suspicion, vantage=vantage if others == vantage else None))
        is_early = after.is_guarded and self._guard.holds_vantage(vantage) and vantage not in claim.away_from
        return replace(after, due_at=self._now, interval_s=0.0) if is_early else after

    def _doubt(self, before: Member, after: Member, vantage: str) -> Member:
        """Doubt the way from where alone the node was seen to fail, as it was reached from `vantage` now."""
        doubted, now = find_doubted(before, self._settings), self._now
        if doubted is None or doubted == vantage or any(way.vantage == doubted for way in after.lost_ways):
            return after
        since_at = before.suspicion.failed_at if before.suspicion else now
        return replace(after, lost_ways=(*after.lost_ways, LostWay(doubted, since_at, now, now, vantage)))

    def _doubt_anew(self, after: Member, report: Report) -> Member:
        """Tell the lost ways of a node that is confirmed to fail from elsewhere as over: nobody knows.

        It is still tested from elsewhere, and they are looked at once it passes.
        """
        for way in after.lost_ways:
            self._tell_back(way, report, f"it fails from {name_vantage(report.vantage)}, too")
        ways = (replace(way, is_told=False, is_asked=False, look_at=self._now) for way in after.lost_ways)
        return replace(after, lost_ways=tuple(ways)) if after.lost_ways else after

    def _find_again(self, after: Member, report: Report) -> Member:
        """Drop the way from which the node was reached now, and those that nobody looks at any more."""
        kept = []
        for way in after.lost_ways:
            if way.vantage == report.vantage:
                self._tell_back(way, report, f"reached again from {name_vantage(way.vantage)}")
            elif self._now - way.seen_at > FORGET_S:
                self._tell_back(way, report, f"no longer looked at from {name_vantage(way.vantage)}")
            else:
                kept.append(way)
        return after if len(kept) == len(after.lost_ways) else replace(after, lost_ways=tuple(kept))

    def _call_look(self, after: Member) -> Member:
        """Let the first lost way whose time has come be looked at: by a login, at once."""
        now, due = self._now, next((way for way in after.lost_ways if way.look_at <= self._now), None)
        if due is None:
            return after
        asked = replace(due, is_asked=True, look_at=now + _compute_pause(due, now))
        ways = tuple(asked if way is due else replace(way, is_asked=False) for way in after.lost_ways)
        why = f"is the way from {name_vantage(due.vantage)} {'still ' if due.is_told else ''}lost"
        return liveness.call_check(replace(after, lost_ways=ways), now, why)

    def _judge_look(self, member: Member, report: Report, look: liveness.Look, own: PoolSettings) -> Member:
        """Return what a login from the vantage of a lost way says: of the way if it was silent, else of the node."""
        way = next(way for way in member.lost_ways if way.vantage == report.vantage)
        if look.answered:
            after = liveness.judge_check(self._find_again(member, report), look, own, self._now).member
            is_tested = after.probed_at is not None and after.probed_at >= way.since_at
            is_open = own.is_good and not (way.is_told or is_tested or after.suspicion)
            return liveness.call_test(after, self._now) if is_open else after
        now, seen = self._now, replace(way, is_asked=False)
        if look.answered is False:
            seen = replace(seen, is_told=True, seen_at=now, look_at=now + _compute_pause(way, now))
            if not way.is_told:
                self._tell_lost(way, report)
        ways = tuple(seen if each is way else each for each in member.lost_ways)
        return liveness.judge_check(replace(member, lost_ways=ways), look._replace(answered=None), own, now).member

    def _tell_lost(self, way: LostWay, report: Report) -> None:
        tally = self._tallies.get(way.vantage, Tally())
        self._tallies[way.vantage] = tally._replace(lost=tally.lost + 1)
        reason = f"not reached from {name_vantage(way.vantage)}, but from {name_vantage(way.reached_from)}"
        self._tell("path-lost", way, report, f"{reason}: {report.reason}" if report.reason else reason)

    def _tell_back(self, way: LostWay, report: Report, reason: str) -> None:
        if way.is_told:
            tally = self._tallies.get(way.vantage, Tally())
            self._tallies[way.vantage] = Tally(max(0, tally.lost - 1), tally.back + 1)
            self._tell("path-back", way, report, reason)

    def _tell(self, kind: str, way: LostWay, report: Report, reason: str) -> None:
        data = {"vantage": name_vantage(way.vantage), "since_at": way.since_at, "reason": reason}
        id_ = f"{report.token}-{kind}-{way.vantage}"
        self.events.append(Event(id_, self._now, kind, report.node, MACHINE, data))


def _may_be_silence(member: Member) -> bool:
    """Return whether what is known of the member's failure may be that a login was not answered."""
    last = member.last
    if member.suspicion is None or last is None:
        return True
    return last.outcome is Outcome.UNKNOWN or last.cause in liveness.SILENT_CAUSES


def _compute_pause(way: LostWay, now: float) -> float:
    return min(max(now - way.since_at, LOOK_AGAIN_S), LONGEST_S)


def _follow_silence(before: Member, after: Member, vantage: str) -> Member:
    """Remember from where alone the node was silent the last times in a row."""
    known, was = after.liveness, before.liveness
    if known is None:
        return after
    silent_from = known.silent_from if known.silences else None
    if known.silences and not (was and was.silences):
        silent_from = vantage
    elif was and known.silences > was.silences and was.silent_from != vantage:
        silent_from = None
    return (
        after if silent_from == known.silent_from else replace(after, liveness=replace(known, silent_from=silent_from))
    )
