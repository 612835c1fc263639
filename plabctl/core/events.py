"""How what happened is written down: one function for each kind of event.

Pure. The ids are made so that writing the same thing twice is recognised: what a probe led to carries its token.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

from plabctl.core.model import Claim, Event, Report, Transition
from plabctl.core.pools.base import Move

if TYPE_CHECKING:
    from plabctl.core.experiments.model import Vnode  # most states have none

MACHINE = "plabctl"
"""The actor of everything that no person did."""


def make_token(rng: Random) -> str:
    """Return 16 random hexadecimal digits."""
    return f"{rng.getrandbits(64):016x}"


def build_probe_event(report: Report, pool: str, now: float, *, late: bool = False, **more: object) -> Event:
    """Return the event of a probe that ended; `late` when its claim was not current any more: it decided nothing.

    `more` is data that only probes of vnodes have.
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
        **more,
    }
    kind = "late" if late else "vnode-probe" if report.experiment else "probe"
    return Event(f"{report.token}-{kind}", now, kind, report.node, MACHINE, _drop_empty(data))


def build_move_event(move: Move, report: Report, now: float) -> Event:
    """Return the event of a step between pools that a report led to."""
    transition = Transition(report.node, move.origin, move.target, move.at, MACHINE, move.cause, move.evidence)
    return Event(f"{report.token}-{move.kind}", now, move.kind, report.node, MACHINE, _describe_transition(transition))


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


def build_transition_event(transition: Transition, until_at: float | None, rng: Random) -> Event:
    """Return the event of a move that a person made."""
    data = _drop_empty({**_describe_transition(transition), "until_at": until_at})
    return Event(make_token(rng), transition.at, "transition", transition.node, transition.actor, data)


def build_person_event(kind: str, node: str, actor: str, now: float, rng: Random, **data: object) -> Event:
    """Return the event of something else that a person did to a node."""
    return Event(make_token(rng), now, kind, node, actor, _drop_empty(data))


def build_void_event(claim: Claim, why: str, now: float) -> Event:
    """Return the event of a claim whose holder is gone."""
    data = {"pool": claim.pool, "vnode": claim.vnode, "tick": claim.tick, "started_at": claim.started_at, "reason": why}
    more = {"experiment": claim.experiment, "goal": str(claim.goal)} if claim.experiment else {}
    return Event(f"{claim.token}-void", now, "void", claim.node, MACHINE, {**data, **more})


def _describe_transition(transition: Transition) -> dict[str, object]:
    return {
        "from": transition.origin,
        "to": transition.target,
        "since_at": transition.at,
        "cause": transition.cause,
        "reason": transition.evidence,
    }


def _drop_empty(data: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in data.items() if value is not None and value not in ("", [])}
