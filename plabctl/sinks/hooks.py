"""Run commands when something happened: one run for each event, its JSON on standard input.

I/O. Never raises and always ends. Telling is at least once: the event's `id` lets a command know what it has seen.
`run_hook` tells one command of one event; `run_hooks` tells all commands of all events within a budget of time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from plabctl.clock import Clock
from plabctl.core.model import Event
from plabctl.core.settings import ANYWHERE, HookSettings, Origin
from plabctl.masks import mask_secrets
from plabctl.sinks.event_json import build_message

KEEP_BYTES = 64 * 1024
"""How much of what a command prints is kept, for the case that it fails."""
FLOOD_BYTES = 64 * 1024**2
GIVE_UP_AFTER_S = 86400.0
"""An event that a command could not be told of for so long is old news, and dropped."""
_SHOWN = 200
_NAME_SHOWN = 80

Receipt = tuple[str, str]
"""Which hook, by `name_hook`, knows of which event, by its id."""


class HookResult(NamedTuple):
    """Whether a command took an event; if not, why, and whether trying again is of no use."""

    ok: bool
    error: str = ""
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of telling a batch of events."""

    delivered: frozenset[str]
    """Ids of the events that nobody needs to be told of any more."""
    receipts: frozenset[Receipt]
    """Who knows already of events that others could not be told of; to be handed in next time."""
    faults: tuple[str, ...]
    """What went wrong, at most one line for each hook."""


def run_hook(
    hook: HookSettings,
    event: Event,
    timeout_s: float | None = None,
    origin: Origin = ANYWHERE,
) -> HookResult:
    """Run the command of `hook`, which a configuration from `origin` names, with `event`.

    Wait at most `timeout_s`, by default as long as the hook may take.
    """
    from plabctl.process import run

    ran = run(
        hook.command,
        timeout_s=hook.timeout_s if timeout_s is None else timeout_s,
        keep_bytes=KEEP_BYTES,
        flood_bytes=FLOOD_BYTES,
        given=build_message(event, has_output=hook.output),
        variables=build_variables(event),
        folder=origin.folder,
        owners=origin.owners,
    )
    if ran.exit_code == 0:
        return HookResult(ok=True)
    why = ran.fault or f"exit code {ran.exit_code}"
    said = _read_last_line(ran.errors) or _read_last_line(ran.output)
    error = f"hook {hook.command[0][:_NAME_SHOWN]!r}: {why}{f': {said}' if said else ''}"
    return HookResult(ok=False, error=error, permanent=ran.never_ran)


def build_variables(event: Event) -> dict[str, str]:
    """Return what a command finds in its environment; nothing that a node said is in it."""
    return {
        "PLABCTL_EVENT": event.kind,
        "PLABCTL_NODE": event.node or "",
        "PLABCTL_EXPERIMENT": str(event.data.get("experiment", "")),
        "PLABCTL_EVENT_ID": event.id,
    }


def run_hooks(
    hooks: Sequence[HookSettings],
    events: Sequence[Event],
    clock: Clock,
    budget_s: float,
    receipts: Collection[Receipt] = (),
    origin: Origin = ANYWHERE,
) -> BatchResult:
    """Tell each hook of the events it wants, oldest first, within `budget_s`; `origin` is as for `run_hook`.

    A hook that fails is not tried again in this delivery: its events wait for the next, unless trying is of no use or
    the event is a day old. Hooks in `receipts` are not told of the same event again.
    """
    end, known = clock.monotonic() + budget_s, set(receipts)
    faults = []
    waiting: set[str] = set()
    for hook in hooks:
        name = name_hook(hook)
        failed = False
        for event in events:
            is_ours = event.kind in hook.on and hook.experiment in {"", event.data.get("experiment")}
            if not is_ours or (name, event.id) in known:
                continue
            left = end - clock.monotonic()
            if failed or left <= 0:
                waiting.add(event.id)
                continue
            told = run_hook(hook, event, min(hook.timeout_s, left), origin)
            if told.error and told.error not in faults:
                faults.append(told.error)
            failed = not told.ok and not told.permanent
            if failed and clock.now() - event.at < GIVE_UP_AFTER_S:
                waiting.add(event.id)
            else:
                known.add((name, event.id))
    return BatchResult(
        delivered=frozenset(event.id for event in events) - waiting,
        receipts=frozenset(receipt for receipt in known if receipt[1] in waiting),
        faults=tuple(faults),
    )


def name_hook(hook: HookSettings) -> str:
    """Return what a hook is called by us: what its arguments say may be a secret, and this is stored."""
    return hashlib.blake2b("\0".join(hook.command).encode("utf-8", "replace"), digest_size=9).hexdigest()


def _read_last_line(output: bytes) -> str:
    """Return the last line of what a command printed, short and inert."""
    line = output.decode(errors="replace").strip().split("\n")[-1].strip()
    return mask_secrets("".join(char if char.isprintable() else "?" for char in line[:_SHOWN]))
