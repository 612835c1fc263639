"""What must be so at every step, worked out from what is seen happen and from nothing that the product works out.

Plain dictionaries: the pools by the journal, the claims by their tokens, the probes by what they found. `Defect` is
raised where the state says something else.
"""

from __future__ import annotations

from dataclasses import dataclass

from plabctl.core.assignment import Assignment
from plabctl.core.claim import GRACE_S
from plabctl.core.clock_skew import NEVER_BEFORE
from plabctl.core.experiments.model import VnodeState
from plabctl.core.model import Claim, Event, Goal, Report
from plabctl.core.state import State
from tests.torture.interleaving.machines import ProbeLog, Testbed
from tests.torture.interleaving.scheduler import Defect, Process
from tests.torture.interleaving.settings import STALE_AFTER_S

MOVES = {"suspect", "refuted", "guarded", "transition"}


@dataclass(slots=True)
class SeenClaim:
    """A claim as it was seen in a commit."""

    node: str
    key: str
    process: Process
    until: float
    """Until when it can be carried out."""
    is_void: bool = False
    is_overruled: bool = False


class Oracle(ProbeLog):
    """Watches commits and probes."""

    def __init__(self, bed: Testbed) -> None:
        self._bed = bed
        self.rev = 0
        self.commits = 0
        self.moves = 0
        self.pools: dict[str, str] = {}
        self.pins: dict[str, tuple[float, float]] = {}
        """By node: until when a person pinned it, on the wall clock and on the one that is never set."""
        self.journal: dict[str, Event] = {}
        self.tokens: dict[str, SeenClaim] = {}
        self.reports: dict[str, tuple[Report, Process]] = {}
        self.running: dict[str, dict[str, Process]] = {}
        """By key: the tokens whose probes run, and whose they are."""
        self.last_begun: dict[str, float] = {}
        self.forgotten: set[str] = set()
        """Vnodes that a person was told would be left."""
        self.doubles = 0
        self.checks = 0
        self.wall = 0.0
        self._claims: dict[str, str] = {}

    # Probes.

    def begun(self, job: Assignment, process: Process) -> None:
        others = self.running.setdefault(job.key, {})
        for token, other in others.items():
            taken = self.tokens[token]
            if not other.is_dead and not taken.is_void:
                raise Defect(f"{job.key} is probed by {process} while {other} is at it")
            self.doubles += not other.is_dead
        if job.token not in self.tokens:
            raise Defect(f"{job.key} is probed under a claim that was never committed")
        others[job.token] = process
        if job.goal is Goal.LIVENESS:
            self.checks += 1
        else:
            self.last_begun[job.key] = self._bed.scheduler.now

        self._bed.scheduler.step_log.tell(
            self._bed.scheduler.now,
            "{}: begins {} of {} as {} {}",
            process,
            job.goal,
            job.key,
            job.vnode,
            [d.vnode for d, _ in job.leftovers],
        )

    def ended(self, report: Report, process: Process) -> None:
        self.running[report.key].pop(report.token, None)
        self.reports[report.token] = (report, process)

    def is_current(self, token: str) -> bool:
        return not self.tokens[token].is_void

    def forget(self, process: Process) -> None:
        """Hear that a process is no more, and its probes with it."""
        for tokens in self.running.values():
            for token in [token for token, own in tokens.items() if own is process]:
                del tokens[token]

    # Commits.

    def committed(self, before: State, after: State, process: Process, wall: float) -> None:
        """Compare a commit with the one before it and with what happened since."""
        self.commits += 1
        if wall < NEVER_BEFORE:
            raise Defect(f"{process} decides by a clock that says {wall}")
        self.wall = wall
        if after.rev != self.rev + 1 or before.rev != self.rev:
            raise Defect(f"rev {after.rev} follows {self.rev}")
        self.rev = after.rev
        for event in after.outbox:
            if event.id not in self.journal:
                self.journal[event.id] = event
                self._bed.scheduler.step_log.tell(
                    self._bed.scheduler.now, "{}: {} {} {}", process, event.kind, event.node, event.data
                )
                self._hear(event, process)
        self._see_claims(after, process)
        self._compare(after)

    def _hear(self, event: Event, process: Process) -> None:
        node = event.node or ""
        match event.kind:
            case "node-added":
                self.pools[node] = ""
            case "node-removed":
                self.pools.pop(node, None)
                self.pins.pop(node, None)
                self._overrule(node)
            case "hold":
                self._pin(node, event)
            case "release":
                self.pins.pop(node, None)
            case "experiment-gone":
                self.forgotten.update(str(each).split(" ")[0] for each in _words(event.data.get("left")))
            case "void":
                self._hear_void(event)
            case "vnode-gone" if str(event.data.get("reason")).startswith("given up"):
                self.forgotten.add(str(event.data["vnode"]))
            case kind if kind in MOVES:
                self._hear_move(event, node, process)
            case _:
                pass

    def _hear_void(self, event: Event) -> None:
        taken = self.tokens[event.id.removesuffix("-void")]
        is_late = self._bed.scheduler.now > taken.until - GRACE_S
        if not taken.process.is_dead and not is_late and not taken.process.is_over:
            raise Defect(
                f"the claim of {taken.process} on {taken.key} is void, and {taken.process} lives: {event.data}"
            )

    def _hear_move(self, event: Event, node: str, process: Process) -> None:
        self.moves += 1
        target = str(event.data["to"])
        origin = self.pools.get(node)
        if event.actor != "plabctl":
            self._overrule(node)
            match event.data["kept_by"]:
                case "tests":
                    self.pins.pop(node, None)
                case "move":
                    self._pin(node, event)
                case _:
                    pass  # the hold that was in force stays so
        else:
            if origin and origin != event.data["from"] and event.kind != "transition":
                raise Defect(f"{event.kind} of {node} from {event.data['from']}, and it was in {origin}")
            if origin != target and self._is_pinned(node):
                raise Defect(f"{event.kind} of {node}, which a person pinned")
            if not event.id.startswith("guard-back "):
                self._weigh(event, node, target, process)
            elif target != "good":
                raise Defect(f"the guard moved {node} to {target}")
        self.pools[node] = target

    def _pin(self, node: str, event: Event) -> None:
        until_at = event.data.get("until_at")
        ends_at = float("inf") if until_at is None else float(str(until_at))
        # How long it was meant to last is by the clock that the person saw: it may have been set since.
        self.pins[node] = (ends_at, self._bed.scheduler.now + ends_at - event.at)

    def clock_set(self, by_s: float) -> None:
        """Hear that the clock was set: ahead of it, what was to last until an instant ends sooner."""
        if by_s > 0:
            self.pins = {node: (wall, mono - by_s) for node, (wall, mono) in self.pins.items()}

    def _is_pinned(self, node: str) -> bool:
        wall, mono = self.pins.get(node, (0.0, 0.0))
        return self.wall < wall and self._bed.scheduler.now < mono

    def _weigh(self, event: Event, node: str, target: str, process: Process) -> None:
        """Check that a move by the machine rests on what a probe of a living tick found under a claim that stood."""
        token = event.id.split("-")[0]
        found = self.reports.get(token)
        taken = self.tokens.get(token)
        if not found or not taken:
            raise Defect(f"{event.kind} of {node} rests on nothing")
        report, whose = found
        wanted = {"bad": "fail", "good": "fail" if event.kind == "guarded" else "pass"}[target]
        if report.node != node or str(report.outcome) != wanted:
            raise Defect(f"{event.kind} of {node} to {target} rests on {report.outcome} of {report.node}")
        if report.goal is Goal.LIVENESS and event.kind != "suspect":
            raise Defect(f"{event.kind} of {node} rests on a login, and on no test")
        if whose is not process or taken.is_void or taken.is_overruled:
            raise Defect(f"{event.kind} of {node} by {process} rests on a probe of {whose}, {taken}")

    def _overrule(self, node: str) -> None:
        """Remember that a person decided: what is under way decides nothing any more."""
        for token in self._claims.values():
            if self.tokens[token].key == node:
                self.tokens[token].is_overruled = True

    def _see_claims(self, after: State, process: Process) -> None:
        now = {key: claim.token for key, claim in after.claims.items()}
        for key, token in self._claims.items():
            if now.get(key) != token:
                self.tokens[token].is_void = True
        for key, claim in after.claims.items():
            if claim.token not in self.tokens:
                until = process.looked_at + claim.deadline_at - claim.started_at
                self.tokens[claim.token] = SeenClaim(claim.node, key, process, until)
                self._refuse_disturbance(claim, after)
        self._claims = now

    def _refuse_disturbance(self, claim: Claim, after: State) -> None:
        """Raise Defect when a node is tested that is in use, as far as the last reading says that is still believed."""
        note, member = after.notes.get("occupancy desk"), after.member(claim.node)
        if note is None or claim.goal is not Goal.TEST or (member and member.tests_busy):
            return
        age_s = self.wall - float(str(note["read_at"])) if "read_at" in note else float("inf")
        if claim.node in str(note.get("busy", "")) and age_s <= STALE_AFTER_S:
            raise Defect(f"{claim.node} is tested while somebody uses it")

    def _compare(self, after: State) -> None:
        pools = {member.node: member.pool for member in after.members()}
        entered = {name: pools.get(name, "") for name, pool in self.pools.items() if not pool}
        self.pools.update(entered)
        if pools != self.pools:
            raise Defect(f"the journal replays to {self.pools}, the state says {pools}")
        vnodes = {vnode.key: vnode for vnode in after.vnodes()}
        for key in after.claims:
            if key not in pools and key not in vnodes:
                raise Defect(f"a claim of {key}, which is not there")
        for vnode in vnodes.values():
            if vnode.experiment not in after.experiments or vnode.state is VnodeState.SETTING_UP:
                raise Defect(f"{vnode.key} is of no experiment, or in no state of its own")
            if vnode.node not in pools and vnode.gone_at is None:
                raise Defect(f"{vnode.key} is on a node that is not there")
            if vnode.is_set_up and not vnode.vnode:
                raise Defect(f"{vnode.key} is set up and has no name")


def _words(found: object) -> list[object]:
    return found if isinstance(found, list) else []
