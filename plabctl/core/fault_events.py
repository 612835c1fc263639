"""Tell that a fault of plabctl began, and that it is over: once each, in the words of `check`, `doctor` and `status`.

Pure. What is wrong is found by `plabctl.core.find_problems`; a note in the state remembers what was told. Go on with
`plabctl.app.tell_faults`, which says when this is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING
from zlib import crc32

from plabctl.core.events import MACHINE, make_token
from plabctl.core.model import Event
from plabctl.core.notes import Document, NoteKind, NoteReader
from plabctl.core.problems import Problem, ProblemKind
from plabctl.core.source_note import make_source_note
from plabctl.core.state import Changes
from plabctl.values import dataclass, replace

if TYPE_CHECKING:
    from plabctl.core.state import State

MAX_WORDS = 1000
"""Of the reason in an event, in characters: rows of an inventory may say anything."""
LASTING_S = 60.0
"""A lock or slots that a process keeps are told when that is still so after so many seconds."""
_MOMENTARY = frozenset({ProblemKind.LOCK.value, ProblemKind.SLOTS.value})
"""What may be seen at any moment of a process that somebody looks into with a debugger."""
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))


@dataclass(frozen=True, slots=True)
class ToldFault:
    """A fault that was told and is not over: in which words, and since when it lasts."""

    kind: str
    reason: str
    since_at: float
    subject: str = ""
    severity: str = ""
    mark: str = ""
    """What it is told anew for when it changes: see `_compute_mark`."""
    seen_at: float | None = None
    """When it was first seen, if it has not lasted long enough yet to be told."""


ToldFaults = Mapping[str, ToldFault]
"""By what tells a fault from all others: its kind, and what it is about."""

_TEXTS = ("kind", "reason", "subject", "severity", "mark")


def _decode(reader: NoteReader) -> ToldFaults:
    return {
        key: ToldFault(
            since_at=row.read_number("since_at", 0.0),
            seen_at=row.read_number("seen_at", None),
            **{name: row.read_text(name, "") for name in _TEXTS},
        )
        for key, row in reader.read_objects("faults").items()
    }


def _encode(faults: ToldFaults) -> Document:
    if not faults:
        return {}
    rows = {key: _encode_one(fault) for key, fault in faults.items()}
    # A sink is well again when the tick that told it has looked for faults already, and nothing may be due for an hour
    # then: `due_at` makes the next tick look. All else that ends, ends with something that a tick has to do anyway.
    is_awake = any(fault.kind == ProblemKind.SINK for fault in faults.values())
    return {"faults": rows, **({"due_at": 0.0} if is_awake else {})}


def _encode_one(fault: ToldFault) -> Document:
    seen = {} if fault.seen_at is None else {"seen_at": fault.seen_at}
    return {"since_at": fault.since_at, **seen, **{name: text for name in _TEXTS if (text := getattr(fault, name))}}


FAULTS_NOTE: NoteKind[ToldFaults] = NoteKind("faults", _decode, _encode)


def tell_faults(state: State, problems: Iterable[Problem], now: float, rng: Random) -> Changes:
    """Return the events of what is wrong now and was not told yet, and of what was told and is over.

    A fault that lasts is told once, however its words change with time; an inventory whose bad rows are others now, or
    that has another fault, is told again.
    """
    told = FAULTS_NOTE.read(state.notes)
    found: dict[str, tuple[Problem, ToldFault]] = {}
    for problem in problems:
        if problem.kind is ProblemKind.STUCK:  # each of these nodes has an event of its own
            continue
        fault = ToldFault(
            problem.kind.value,
            _shorten(problem.reason),
            min(problem.since_at or now, now),
            problem.subject or "",
            problem.severity.value,
            _compute_mark(problem, state),
        )
        found.setdefault(f"{fault.kind} {fault.subject}".rstrip(), (problem, fault))
    lasting = {key: _choose_entry(told.get(key), fault, now) for key, (_, fault) in found.items()}
    was_open = {key: fault.seen_at is None for key, fault in told.items()}
    is_open = {key: fault.seen_at is None for key, fault in lasting.items()}
    over = [_build_end(told[key], now, rng) for key in told if was_open[key] and not is_open.get(key)]
    begun = [_build_begin(*found[key], now, rng) for key in found if is_open[key] and lasting[key] is not told.get(key)]
    is_same = lasting.keys() == told.keys() and all(lasting[key] is told[key] for key in told)
    return Changes() if is_same else Changes(events=(*over, *begun), notes=FAULTS_NOTE.write(lasting))


def _choose_entry(before: ToldFault | None, fault: ToldFault, now: float) -> ToldFault:
    """Return what is remembered of a fault that is there: `before` if there is nothing new to tell of it."""
    is_same = before is not None and before.mark == fault.mark
    if before is not None and is_same and before.seen_at is None:
        return before
    if fault.kind not in _MOMENTARY:
        return fault
    if before is not None and is_same and before.seen_at is not None:
        return fault if now - before.seen_at >= LASTING_S else before
    return replace(fault, seen_at=now)


def _build_begin(problem: Problem, fault: ToldFault, now: float, rng: Random) -> Event:
    data = _describe(fault)
    if problem.remedy:
        data["remedy"] = problem.remedy
    return Event(make_token(rng), now, "fault", None, MACHINE, data)


def _build_end(fault: ToldFault, now: float, rng: Random) -> Event:
    return Event(make_token(rng), now, "fault-over", None, MACHINE, {**_describe(fault), "until_at": now})


def _describe(fault: ToldFault) -> dict[str, object]:
    about = {"subject": fault.subject} if fault.subject else {}
    return {
        "problem": fault.kind,
        **about,
        "severity": fault.severity,
        "reason": fault.reason,
        "since_at": fault.since_at,
    }


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 3]}..."


def _compute_mark(problem: Problem, state: State) -> str:
    """Return what stays the same as long as a fault needs no second telling.

    Of an inventory that is the set of its bad rows, or else its fault without the numbers, which count what goes on; of
    an occupancy source whether it is still believed; of a lock the process.
    """
    if problem.kind is ProblemKind.LOCK:
        return str(problem.pid or "")
    if problem.kind is ProblemKind.OCCUPANCY:
        return problem.severity.value
    if problem.kind is not ProblemKind.INVENTORY or not problem.subject:
        return ""
    note = make_source_note(problem.subject).read(state.notes)
    return note.bad_rows or f"{crc32(note.fault.translate(_NO_DIGITS).encode(errors='replace')):08x}"
