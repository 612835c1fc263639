"""How long each stage of a probe may take, learned from the passes so far, so that dead nodes do not fill the window.

Pure. `settle` hands each pass to `LearnedTimeouts`, which keeps a tally of each recipe's stages in a note of the state;
`claim` asks it for the `TimeoutPlan` of the next probe. Only passes teach, so a deadline must not cut off what would
teach it better:

- it is `factor` (3 or more) times what 95 of 100 passes took, and never below `floor`;
- a node that once passed more slowly keeps a deadline of its own, `factor` times that;
- in good, what such a deadline cut off counts for nothing (`plabctl.core.pools.good`) and is tested again at once;
- that test, and each that confirms or refutes a failure, has the recipe's own time-outs;
- in bad, every `full_every`th test, and each one while no failure came between, has the recipe's own time-outs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from plabctl.core.histogram import LAST_CLASS, Histogram, add_sample, compute_quantile, count_samples
from plabctl.core.model import Member, Outcome, Report, StageRun
from plabctl.core.notes import Document, NoteChanges, NoteKind, NoteReader, Notes
from plabctl.core.recipe import Become, Recipe, Transport
from plabctl.core.settings import Settings
from plabctl.values import replace

CONNECT = "connect"
SHARE = 0.95
_CLASSES = frozenset(map(str, range(LAST_CLASS + 1)))
FADE = 0.8
"""What a node's own slow pass counts for at each later pass."""


class TimeoutRule(StrEnum):
    """Which time-outs a probe gets, and why."""

    USUAL = "usual"
    OFF = "off"
    """From here on: the recipe's own time-outs. Deadlines are not to be learned."""
    DECIDES = "decides"
    """It confirms or refutes a failure, or a doubt: the last test was cut off."""
    REQUESTED = "requested"
    UNPROVEN = "unproven"
    """In bad, and its last test did not fail."""
    IN_TURN = "in-turn"
    """In bad, and this is one of every few."""


class TimeoutBasis(StrEnum):
    """What a stage's deadline comes from."""

    RECIPE = "recipe"
    """The recipe's own time-out, as what was learned is no shorter or does not apply to this test."""
    FEW = "few-passes"
    """The recipe's own time-out, as there were too few passes to learn from."""
    DEBRIS = "debris"
    """The recipe's own time-out, as something is to be torn down first."""
    FLOOR = "floor"
    PEERS = "peers"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class StageTimeout:
    """The deadline of one stage: `seconds`, where the recipe itself allows `allowed_s`, and what it comes from."""

    stage: str
    seconds: float
    allowed_s: float
    basis: TimeoutBasis
    passes: int
    """How many passes there are to learn from."""
    p95_s: float | None
    own_s: float | None
    """The slowest pass of the node itself, if that is what sets it apart."""


@dataclass(frozen=True, slots=True)
class TimeoutPlan:
    """The deadlines of the next probe of one node, stage by stage."""

    rule: TimeoutRule
    limits: tuple[StageTimeout, ...]
    connect_s: float
    """The seconds to connect in."""

    @property
    def lowered(self) -> dict[str, float]:
        """The stages with less time than their recipe allows, each with the seconds that it allows."""
        return {limit.stage: limit.allowed_s for limit in self.limits if limit.seconds < limit.allowed_s}

    def apply_to(self, recipe: Recipe) -> Recipe:
        """Return `recipe` with these deadlines as its time-outs."""
        seconds = {limit.stage: limit.seconds for limit in self.limits}
        stages = {name: replace(stage, timeout_s=seconds[name]) for name, stage in recipe.stages.items()}
        return replace(recipe, **stages)  # type: ignore[arg-type]  # the names of stages are fields that hold stages


@dataclass(frozen=True, slots=True)
class RecipeTally:
    """How long the stages of a recipe took in passes; `fingerprint` identifies the recipe as it was then."""

    fingerprint: float | None
    stages: Mapping[str, Histogram]


def _decode_tally(reader: NoteReader) -> RecipeTally:
    stages = {
        stage: {int(key): count for key, count in table.items() if key in _CLASSES}
        for stage, table in reader.read_tables("stages").items()
    }
    return RecipeTally(reader.read_number("of", None), stages)


def _encode_tally(tally: RecipeTally) -> Document:
    stages = {stage: {str(key): count for key, count in counts.items()} for stage, counts in tally.stages.items()}
    return {"of": tally.fingerprint, "stages": stages}


TALLIES_NOTE = NoteKind(
    "deadlines",
    decode=lambda reader: {name: _decode_tally(own) for name, own in reader.read_objects("recipes").items()},
    encode=lambda tallies: {"recipes": {name: _encode_tally(tally) for name, tally in tallies.items()}},
)
"""The tallies, by recipe."""


class LearnedTimeouts:
    """Time-outs learned from the passes so far; updated while a batch is settled."""

    def __init__(self, notes: Notes, settings: Settings) -> None:
        self._settings = settings
        self._noted = TALLIES_NOTE.read(notes)
        self._tallies: dict[str, dict[str, Histogram]] = {}
        self._has_grown = False

    def learn(self, recipe_name: str, report: Report, member: Member) -> Member:
        """Add the durations of the stages of a pass; return `member` with its own slow stages recorded."""
        recipe = self._settings.recipes.get(recipe_name)
        is_lesson = self._settings.deadlines.enabled and report.stages and report.outcome is Outcome.PASS
        if not (is_lesson and recipe):
            return member
        tallies = self._find_histograms(recipe)
        took = {run.stage: run.seconds for run in report.stages if _is_lesson(run, recipe)}
        for stage, seconds in took.items():
            tallies[stage] = add_sample(tallies.get(stage, {}), seconds)
        self._has_grown = True
        before, factor = dict(member.slowest_s), self._settings.deadlines.factor
        slowest = {stage: max(seconds, FADE * before.get(stage, 0.0)) for stage, seconds in took.items()}
        slow = {
            stage: round(seconds, 3)
            for stage, seconds in slowest.items()
            if factor * seconds > self._compute_learned_s(tallies[stage])
        }
        return member if slow == before else replace(member, slowest_s=slow)

    def build_note(self) -> NoteChanges:
        """Return the note to keep; empty when nothing was learned. Recipes that are gone are forgotten."""
        if not self._has_grown:
            return {}
        recipes = self._settings.recipes
        kept = {name: tally for name, tally in self._noted.items() if name in recipes}
        for name, stages in self._tallies.items():
            kept[name] = RecipeTally(_compute_fingerprint(recipes[name]), stages)
        return TALLIES_NOTE.write(kept)

    def plan_probe(self, member: Member, recipe: Recipe, now: float) -> TimeoutPlan:
        """Return the deadlines of the member's next probe, if that starts at `now`."""
        rule = self._choose_rule(member, now)
        limits = tuple(self._list_timeouts(member, recipe, rule))
        connect_s = next((limit.seconds for limit in limits if limit.stage == CONNECT), None)
        return TimeoutPlan(rule, limits, self._settings.ssh.connect_timeout_s if connect_s is None else connect_s)

    def _list_timeouts(self, member: Member, recipe: Recipe, rule: TimeoutRule) -> Iterator[StageTimeout]:
        tallies = self._find_histograms(recipe) if rule is not TimeoutRule.OFF else {}
        allowed = {name: stage.timeout_s for name, stage in recipe.stages.items()}
        if recipe.transport is Transport.SSH:
            allowed = {CONNECT: self._settings.ssh.connect_timeout_s, **allowed}
        for stage, allowed_s in allowed.items():
            histogram = tallies.get(stage, {})
            own_s = member.slowest_s.get(stage)
            seconds, basis = self._compute_timeout(
                histogram, own_s, recipe.up.every_s if stage == "up" and recipe.up else 0.0
            )
            seconds = round(seconds, 3)
            if stage == "teardown" and member.leftovers:
                seconds, basis = allowed_s, TimeoutBasis.DEBRIS
            elif basis is TimeoutBasis.FEW:
                seconds = allowed_s
            elif seconds >= allowed_s or rule is not TimeoutRule.USUAL:
                seconds, basis = allowed_s, TimeoutBasis.RECIPE
            p95_s = round(compute_quantile(histogram, SHARE), 3) if histogram else None
            yield StageTimeout(stage, seconds, allowed_s, basis, count_samples(histogram), p95_s, own_s)

    def _compute_timeout(self, histogram: Histogram, own_s: float | None, pause_s: float) -> tuple[float, TimeoutBasis]:
        """Return the usual deadline of a stage and what it comes from; `pause_s` lies between two looks at it."""
        own = self._settings.deadlines
        if count_samples(histogram) < own.min_passes:
            return 0.0, TimeoutBasis.FEW
        reasons = {
            own.floor_s + 2 * pause_s: TimeoutBasis.FLOOR,
            own.factor * compute_quantile(histogram, SHARE): TimeoutBasis.PEERS,
            own.factor * (own_s or 0.0): TimeoutBasis.OWN,
        }
        longest = max(reasons)
        return longest, reasons[longest]

    def _compute_learned_s(self, histogram: Histogram) -> float:
        own = self._settings.deadlines
        return max(own.floor_s, own.factor * compute_quantile(histogram, SHARE))

    def _choose_rule(self, member: Member, now: float) -> TimeoutRule:
        own, pool = self._settings.deadlines, self._settings.pools[member.pool]
        if not own.enabled:
            return TimeoutRule.OFF
        if member.requested_at is not None:
            return TimeoutRule.REQUESTED
        is_good = pool.is_good
        is_doubtful = is_good and member.last is not None and member.last.outcome is Outcome.FAIL
        if member.is_suspect or (is_doubtful and not member.interval_s and not member.is_held(now)):
            return TimeoutRule.DECIDES
        if not is_good and not member.fail_streak:
            return TimeoutRule.UNPROVEN
        if member.fail_streak and member.fail_streak % own.full_every == 0:
            return TimeoutRule.IN_TURN
        return TimeoutRule.USUAL

    def _find_histograms(self, recipe: Recipe) -> dict[str, Histogram]:
        """Return the histograms of a recipe by stage; none when its commands have changed since they were timed."""
        tallies = self._tallies.get(recipe.name)
        if tallies is None:
            noted = self._noted.get(recipe.name)
            is_same = noted is not None and noted.fingerprint == _compute_fingerprint(recipe)
            tallies = self._tallies[recipe.name] = dict(noted.stages) if noted and is_same else {}
        return tallies


def _is_lesson(run: StageRun, recipe: Recipe) -> bool:
    """Return whether a stage of a pass did what it should: a teardown may have failed, and leftovers are not ours."""
    return run.stage == CONNECT or (run.exit_code == 0 and run.stage in recipe.stages)


@lru_cache(maxsize=64)
def _compute_fingerprint(recipe: Recipe) -> int:
    """Return a number that changes when the commands of the recipe do; changed time-outs leave it as it is."""
    done = [(name, stage.run, stage.script, stage.every_s) for name, stage in recipe.stages.items()]
    how = recipe.transport.value if recipe.become is Become.NONE else f"{recipe.transport} {recipe.become}"
    return zlib.crc32(repr((how, done)).encode("utf-8", "surrogatepass"))
