"""Values with plausible defaults, so that a test names only what it is about. Pure: no hidden state."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.model import Cause, Claim, Member, Node, Outcome, Report, TickMark
from plabctl.core.node_orders import Order
from plabctl.core.notes import Document
from plabctl.core.occupancy import OccupancyNote, OccupancySettings, Use, make_occupancy_note
from plabctl.core.pools.bad import BAD
from plabctl.core.pools.base import Judgement, Reading, build_pools
from plabctl.core.pools.good import GOOD, GoodOptions
from plabctl.core.recipe import Recipe, Stage
from plabctl.core.settings import InventorySettings, PoolSettings, Settings, SinkSettings
from plabctl.core.state import Changes
from plabctl.kinds import find_builtin
from tests.memory_state import MemoryState

NOW = 1_700_000_000.0
STEADY = Backoff(ADDITIVE, jitter_s=0.0)
"""The default back-off without its dice."""


def make_recipe(name: str = "process", **fields: Any) -> Recipe:
    stage = Stage(run="true", timeout_s=10.0)
    return replace(Recipe(name, setup=stage, up=stage, check=stage, teardown=stage), **fields)


def make_settings(*, backoff: Backoff = STEADY, confirm: int = 0, **fields: Any) -> Settings:
    pools = {
        "good": PoolSettings("good", GOOD, "bad", backoff=backoff, options=GoodOptions(confirm)),
        "bad": PoolSettings("bad", BAD, "good", backoff=backoff),
    }
    settings = Settings("plabctl.toml", "/nowhere", pools, {"process": make_recipe()})
    return replace(settings, **fields)


def make_inventory(
    kind: str, *, every_s: float = 300.0, timeout_s: float = 60.0, match: Iterable[str] = (), **options: Any
) -> InventorySettings:
    """An inventory as the configuration makes it, with the options of its kind."""
    found = find_builtin("inventory", kind)
    own = replace(found.keys.defaults, **options)
    name = f"{kind}:{found.identify(own)}"
    return InventorySettings(kind, every_s, timeout_s, match=tuple(match), name=name, options=own)


def make_hook(
    on: Iterable[str], command: Iterable[str], timeout_s: float = 30.0, *, output: bool = False
) -> SinkSettings:
    """A sink of the kind `command`, as the configuration makes it."""
    own = replace(find_builtin("sink", "command").keys.defaults, command=tuple(command), output=output)
    return SinkSettings("command", tuple(on), timeout_s, own)


def make_node(name: str = "n1", **variables: str) -> Node:
    return Node(name, variables)


def make_member(node: str = "n1", pool: str = "good", **fields: Any) -> Member:
    return replace(Member(node, pool, since_at=NOW - 86400.0, due_at=NOW), **fields)


def make_state(*members: Member, claims: Iterable[Claim] = ()) -> MemoryState:
    nodes = tuple(Node(member.node) for member in members)
    return MemoryState(Changes(nodes=nodes, members=members, claims=tuple(claims)))


def make_claim(node: str = "n1", **fields: Any) -> Claim:
    claim = Claim(
        node=node,
        token=f"token-of-{node}",
        slot=1,
        tick="tick-1",
        boot="boot-1",
        pool="good",
        recipe="process",
        vnode=f"plabctl-{node}",
        started_at=NOW,
        deadline_at=NOW + 600.0,
    )
    return replace(claim, **fields)


def make_report(node: str = "n1", outcome: str = "pass", **fields: Any) -> Report:
    cause = {"pass": None, "fail": Cause.CONNECT, "unknown": Cause.LOCAL}[outcome]
    reason = "" if outcome == "pass" else "connection refused"
    report = Report(node, f"token-of-{node}", Outcome(outcome), cause, reason, NOW, 2.0)
    return replace(report, **fields)


def make_order(
    *, actor: str = "ada", reason: str = "disk swapped", now: float = NOW, seed: int = 1, if_rev: int | None = None
) -> Order:
    return Order(actor, reason, now, Random(seed), if_rev)


def make_mark(tick: str = "tick-1", started_at: float = NOW) -> TickMark:
    return TickMark(tick, started_at)


def judged(member: Member, outcome: str, *, at: float = NOW, settings: Settings | None = None) -> Judgement:
    """What one probe that ends `at` with `outcome` makes of `member`."""
    pools = build_pools(settings or make_settings())
    return pools[member.pool].judge(member, Reading(make_report(member.node, outcome), at, 0.0))


def played(member: Member, outcomes: str, *, settings: Settings | None = None) -> list[Member]:
    """The member after each probe of a history such as "PFFP?" (? is unknown), each run when it is due."""
    words = {"P": "pass", "F": "fail", "?": "unknown"}
    members = []
    for letter in outcomes:
        member = judged(member, words[letter], at=max(NOW, member.due_at), settings=settings).member
        members.append(member)
    return members


def make_occupancy(
    name: str = "scheduler",
    *,
    every_s: float = 60.0,
    timeout_s: float = 30.0,
    stale_after_s: float = 900.0,
    **options: Any,
) -> OccupancySettings:
    """An occupancy source of the kind `command`, as the configuration makes it."""
    own = replace(find_builtin("occupancy", "command").keys.defaults, **options)
    return OccupancySettings("command", name, every_s, timeout_s, stale_after_s, own)


def make_busy(*names: str, source: str = "scheduler", read_at: float = NOW, **fields: Any) -> dict[str, Document]:
    """The note of an occupancy source that listed these nodes."""
    busy = {name.lower(): Use("ada", read_at - 600.0) for name in names}
    return write_occupancy(OccupancyNote(read_at, busy, **fields), source)


def write_occupancy(note: OccupancyNote, source: str = "scheduler") -> dict[str, Document]:
    """The stored note of an occupancy source, by its topic."""
    return {topic: doc for topic, doc in make_occupancy_note(source).write(note).items() if doc is not None}
