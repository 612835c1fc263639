"""What must be true after a command was killed or failed in the middle, and after the next one.

I/O: reads the state and the history, and runs the next command. Go on with `tests.torture.calls`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plabctl.errors import StoreError
from tests.lab.forked_runs import Child, Job, run_forked
from tests.torture.scenarios import ENVIRON, Look, Scenario, happened, list_outbox, list_untold, look, run

UNCERTAIN = "did not confirm"
_HALF = "the keys were accepted, but"
_OURS = {
    "state.json", "state.json.previous", "state.lock", "deliver.lock", "slots", "ticks", "history.db",
    "last_tick", "last_success", "tick_took", "known_hosts", "known_hosts.lock",
}  # fmt: skip
_MOST_JOURNALS = 3
_OLD_S = 100_000.0
_LINE_AND_HINT = 2


@dataclass(frozen=True, slots=True)
class Reference:
    """What a run in peace made: each of its states by its `rev`, and the directories before and after it."""

    scenario: Scenario
    states: Mapping[int, Collection[Look]]
    before: Path
    after: Path

    def end(self, folder: Path, child: Child) -> Iterator[str]:
        """Yield what is wrong after the next command."""
        state_dir, said = folder / "state", (folder / "err").read_text()
        if child.code != 0:
            yield f"the next command ended with {child.code}: {said.strip()}"
            return
        try:
            found = look(state_dir)
            seen, old, new = happened(state_dir), happened(self.before), happened(self.after)
        except StoreError as error:
            yield f"unreadable after the next command: {error}"
            return
        if self.scenario.goes_on and not self.scenario.is_done(found):
            yield f"the next tick did not end what was begun: {found}"
        if untold := list_untold(state_dir):
            yield f"the next command left something untold: {sorted(untold)}"
        if self.scenario.goes_on and (waiting := list_outbox(state_dir)):
            yield f"the next tick left in the outbox: {waiting}"
        for each in [key for key in seen if key[1] == "zz9"]:
            del seen[each]
        if not self.scenario.goes_on and seen not in (old, new):
            yield f"the history has {seen - old} more than before, where it should have {new - old} or nothing"
        if self.scenario.goes_on and _list_strange(state_dir):
            run(folder, "node", "add", "zz9")  # a tick that had nothing to commit takes nothing away
        if strange := _list_strange(state_dir):
            yield f"left behind: {strange}"


def _list_strange(state_dir: Path) -> list[str]:
    """Return the names of the files that should not be there."""
    strange = {path.name for path in state_dir.iterdir() if ".damaged-" not in path.name} - _OURS
    # That of the state file and that of the previous one; and one that was made in vain goes with the next fold.
    strange -= set(sorted(name for name in strange if name.startswith("state.journal."))[:_MOST_JOURNALS])
    return sorted(strange)


def judge(reference: Reference, folder: Path, child: Child) -> Iterator[str]:
    """Yield what is wrong right after the fault."""
    err = (folder / "err").read_text()
    if "Traceback" in err or "bug in plabctl" in err:
        yield f"a bug: {err.strip()[-300:]}"
    if child.code == -signal.SIGALRM:
        yield "it did not end"
    if child.code > 0 and not (1 <= len(err.strip().splitlines()) <= _LINE_AND_HINT and err.startswith("plabctl: ")):
        yield f"exit code {child.code}, and it said: {err!r}"
    try:
        found = look(folder / "state")
    except StoreError as error:
        if not reference.scenario.is_damaged:
            yield f"unreadable: {error}"
        elif child.code == 0 or UNCERTAIN in err:
            yield f"lost: it was restored and is not: {error}"
        return
    expected = reference.states.get(found.rev, ())
    if found not in expected:
        yield f"a mixture: {found}, and revision {found.rev} should be one of {expected}"
    yield from _told(reference.scenario, found, child, (folder / "out").read_text(), err)


def _told(conditions: Scenario, found: Look, child: Child, out: str, err: str) -> Iterator[str]:
    """Yield where what was said is not what was done."""
    is_done = conditions.is_done(found)
    has_said = err.startswith("accepted") if conditions.is_beside else bool(out) and not conditions.goes_on
    if not is_done and (child.code == 0 or has_said):
        yield f"lost: it said {out!r} and ended with {child.code}, and the state has it not"
    is_told = UNCERTAIN in err or (conditions.is_beside and _HALF in err)
    if child.code > 0 and not conditions.goes_on and is_done is not is_told:
        yield f"half told: the change was{'' if is_done else ' not'} made, and it said {err!r}"


def after(conditions: Scenario, folders: Sequence[str], path: Path) -> list[Child]:
    """Let a day and more go by, and run the command that must work then, in each of the folders."""
    then = time.time() - _OLD_S
    for folder in folders:
        for name in ("out", "err"):
            Path(folder, name).unlink()
        for entry in os.scandir(Path(folder, "state")) if Path(folder, "state").exists() else ():
            os.utime(entry, (then, then))
    if conditions.is_damaged:
        # It is refused where the state is sound.
        codes = {child.code for child in run_forked(Job(("doctor", "--restore"), folders), path, ENVIRON)}
        assert codes <= {0, 1}, codes
    return run_forked(Job(conditions.then, folders), path, ENVIRON)
