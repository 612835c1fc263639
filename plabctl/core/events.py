"""Build events: one function for each kind.

Pure. Ids are deterministic, so that recording an event twice is recognised: those of a probe contain its token.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

from plabctl.core.model import Claim, Event, Report
from plabctl.core.pools.base import Move
from plabctl.core.strikes import describe_strikes

if TYPE_CHECKING:
    from plabctl.core.experiments.model import Vnode  # most states have none
    from plabctl.core.model import Member
    from plabctl.core.settings import FlapSettings

MACHINE = "plabctl"
"""The actor of everything that no person did."""


def make_token(rng: Random) -> str:
    """Return 16 random hexadecimal digits."""
    return f"{rng.getrandbits(64):016x}"


def build_probe_event(report: Report, pool: str, now: float, *, late: bool = False, **more: object) -> Event:
    """Return the event of a probe that ended; `late` when its claim was not current any more: it decided nothing.

    `more` is data that only some probes have: those of vnodes, and failures that count for nothing.
    """
    data: dict[str, object] = {
        "pool": pool,
        "outcome": str(report.outcome),
        "cause": str(report.cause) if report.cause else None,
        "reason": report.reason,
        "started_at": report.started_at,
        "seconds": round(report.seconds, 3),
        "note": report.note,
        "left": list(report.left),
        "stages": [
            {
                "stage": run.stage,
                "seconds": round(run.seconds, 3),
                "exit_code": run.exit_code,
                "output": run.output,
                "truncated": run.truncated,
            }
            for run in report.stages
        ],
        "experiment": report.experiment,
        "vantage": report.vantage,
        **more,
    }
    kind = "late" if late else "vnode-probe" if report.experiment else "probe"
    return Event(f"{report.token}-{kind}", now, kind, report.node, MACHINE, _drop_empty(data))


def build_move_event(move: Move, report: Report, now: float) -> Event:
    """Return the event of a step between pools that a report led to."""
    return Event(f"{report.token}-{move.kind}", now, move.kind, report.node, MACHINE, describe_move(move))


def build_stuck_event(member: Member, report: Report, flap: FlapSettings, now: float) -> Event:
    """Return the event of a node that does not return before a person releases it, as its report was one too many."""
    data = {
        "pool": member.pool,
        "strikes": len(member.strike_ats),
        "within_s": flap.strikes_within_s,
        "reason": describe_strikes(len(member.strike_ats), flap),
    }
    return Event(f"{report.token}-stuck", now, "stuck", member.node, MACHINE, data)


def build_vnode_event(kind: str, claim: Claim, report: Report, after: Vnode | None, now: float) -> Event:
    """Return the event of a step in the life of a vnode that a report led to."""
    data = {
        "experiment": claim.experiment,
        "vnode": claim.vnode,
        "state": str(after.state) if after else None,
        "tries": after.tries if after else None,
        "cause": str(report.cause) if report.cause else None,
        "reason": report.reason,
        "due_at": after.due_at if after else None,
    }
    return Event(f"{report.token}-{kind}", now, kind, claim.node, MACHINE, _drop_empty(data))


def build_experiment_event(
    kind: str,
    experiment: str,
    node: str | None,
    now: float,
    rng: Random,
    data: Mapping[str, object],
    actor: str = MACHINE,
) -> Event:
    """Return the event of something else that became of an experiment, or of its member on `node`."""
    return Event(make_token(rng), now, kind, node, actor, _drop_empty({"experiment": experiment, **data}))


def build_transition_event(node: str, move: Move, actor: str, rng: Random, **more: object) -> Event:
    """Return the event of a move that a person made.

    `more` says how long it is in force, `until_at`, and what keeps the node there, `kept_by`: the `move` itself, the
    `hold` that was in force before, or only its `tests`.
    """
    return Event(make_token(rng), move.at, move.kind, node, actor, _drop_empty({**describe_move(move), **more}))


def build_person_event(kind: str, node: str, actor: str, now: float, rng: Random, **data: object) -> Event:
    """Return the event of something else that a person did to a node."""
    return Event(make_token(rng), now, kind, node, actor, _drop_empty(data))


def build_void_event(claim: Claim, why: str, now: float) -> Event:
    """Return the event of a claim whose holder is gone."""
    data = {"pool": claim.pool, "vnode": claim.vnode, "tick": claim.tick, "started_at": claim.started_at, "reason": why}
    more = {"experiment": claim.experiment, "goal": str(claim.goal)} if claim.experiment else {}
    return Event(f"{claim.token}-void", now, "void", claim.node, MACHINE, {**data, **more})


def describe_move(move: Move) -> dict[str, object]:
    """Return what the event of a move says about it."""
    return {
        "from": move.origin,
        "to": move.target,
        "since_at": move.at,
        "cause": move.cause,
        "reason": move.evidence,
    }


def _drop_empty(data: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in data.items() if value is not None and value not in ("", [])}
