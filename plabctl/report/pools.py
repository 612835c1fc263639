"""The pools: how many nodes they hold, and their rules in words.

Pure.
"""

from __future__ import annotations

from plabctl.core.settings import Backoff, BackoffKind, PoolKind, PoolSettings, Settings
from plabctl.durations import format_duration
from plabctl.report.instants import iso
from plabctl.report.listing import Cell, Column, Listing, Row, plain, text_of
from plabctl.report.status import Situation
from plabctl.report.words import GLYPHS

FIELDS = (
    "name",
    "kind",
    "nodes_count",
    "testing_count",
    "due_count",
    "held_count",
    "suspect_count",
    "recipe",
    "goes_to",
    "backoff",
)
"""The columns of `pool list -o tsv`: new ones are only ever added at the end."""


def pool_rows(situation: Situation) -> list[Row]:
    """Return the row of each pool, in the order of the configuration."""
    now = situation.now
    counts = {
        name: dict.fromkeys(("nodes", "testing", "due", "held", "suspect"), 0) for name in situation.settings.pools
    }
    for member in situation.state.members():
        if member.pool in counts:
            own = counts[member.pool]
            testing = member.node in situation.state.claims
            own["nodes"] += 1
            own["testing"] += testing
            own["due"] += member.due_at <= now and not testing
            own["held"] += member.is_held(now)
            own["suspect"] += member.is_suspect
    return [_row(pool, counts[name]) for name, pool in situation.settings.pools.items()]


def _row(pool: PoolSettings, counts: dict[str, int]) -> Row:
    return {
        "name": pool.name,
        "kind": pool.kind.value,
        **{f"{what}_count": count for what, count in counts.items()},
        "recipe": pool.recipe,
        "goes_to": pool.goes_to,
        "backoff": backoff_words(pool.backoff),
    }


def listing(situation: Situation) -> Listing:
    """Return the pools as a listing."""
    return Listing(
        plural="pools",
        rows=pool_rows(situation),
        fields=FIELDS,
        columns=(
            Column("POOL", lambda row: Cell(f"{GLYPHS[text_of(row, 'kind')]} {row['name']}", text_of(row, "kind"))),
            Column("NODES", plain("nodes_count")),
            Column("TESTING", plain("testing_count"), rank=2),
            Column("DUE", plain("due_count"), rank=3),
            Column("HELD", plain("held_count"), rank=5),
            Column("SUSPECT", plain("suspect_count"), rank=4),
            Column("RECIPE", plain("recipe"), rank=6),
            Column("BACK-OFF", plain("backoff"), rank=7, flexible=True),
        ),
        head={"generated_at": iso(situation.now), "rev": situation.state.rev},
    )


def pool_story(row: Row, settings: Settings) -> list[tuple[str, Cell]]:
    """Return what there is to say about one pool, line by line."""
    pool = settings.pools[text_of(row, "name")]
    counts = ", ".join(
        f"{row[key]} {word}"
        for key, word in (
            ("testing_count", "being tested"),
            ("due_count", "due now"),
            ("held_count", "held"),
            ("suspect_count", "suspect"),
        )
        if row[key]
    )
    is_disabled = pool.name in settings.disabled
    disabled = ("disabled", Cell("a plug-in cannot be used; see: plabctl config check", "bad"))
    return [
        ("pool", Cell(f"{GLYPHS[pool.kind]} {pool.name}", pool.kind)),
        *([disabled] if is_disabled else []),
        ("nodes", Cell(f"{row['nodes_count']}{f' ({counts})' if counts else ''}")),
        ("test", Cell(f"recipe {pool.recipe}, unless a node has its own")),
        ("leaves", Cell(leaving_words(pool, settings))),
        ("back-off", Cell(backoff_words(pool.backoff))),
        ("new nodes", Cell("enter here" if settings.entry_pool == pool.name else f"enter {settings.entry_pool}")),
    ]


def leaving_words(pool: PoolSettings, settings: Settings) -> str:
    """Return when a node leaves the pool, in words."""
    flap = settings.flap
    if pool.kind is PoolKind.BAD:
        more = f"one more for each flop not yet forgotten (half in {format_duration(flap.half_life_s)})"
        return f"to {pool.goes_to} after one pass, and {more}, {format_duration(flap.apart_s)} apart"
    if pool.confirm:
        return f"to {pool.goes_to} when a failure was confirmed by {pool.confirm} quick retests"
    if not pool.suspects:
        return f"to {pool.goes_to} at the first failure"
    return f"to {pool.goes_to} at the first failure, as a suspect that is tested again at once"


def backoff_words(backoff: Backoff) -> str:
    """Return the back-off in words."""
    how = f"what the plug-in {backoff.plugin} says" if backoff.plugin else _how(backoff)
    jitter = f", jitter up to {format_duration(backoff.jitter_s)}" if backoff.jitter_s else ""
    return f"{how}, at most {format_duration(backoff.max_s)}{jitter}"


def _how(backoff: Backoff) -> str:
    base, step = format_duration(backoff.base_s), format_duration(backoff.step_s)
    return {
        BackoffKind.ADDITIVE: f"{base} and {step} for each equal result in a row",
        BackoffKind.FIXED: f"{base} always",
        BackoffKind.EXPONENTIAL: f"{base}, doubled by each equal result in a row",
        BackoffKind.LINEAR: f"{base} times the equal results in a row",
        BackoffKind.QUADRATIC: f"{base} times the square of the equal results in a row",
        BackoffKind.AGE: f"{base}, twice as long at four times the age",
        BackoffKind.ADAPTIVE: f"at least {base}, by how long its states last and what a test costs",
    }[backoff.kind]
