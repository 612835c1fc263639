"""The sink `slurm`: nodes that are not usable are drained in Slurm, and resumed when they are usable again.

I/O: runs Slurm's `sinfo` and `scontrol`. What becomes of which node is decided in `plabctl.core.slurm_plan` from what
Slurm says now, so that it does not matter what happened while the controller was down, or what was changed by hand.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Duration, Flag
from plabctl.core.slurm_nodes import (
    NODE_FORMAT,
    SLURM_KEYS,
    Matches,
    SlurmNode,
    build_call,
    match_names,
    parse_nodes,
)
from plabctl.core.slurm_plan import Update, fold_list, plan_changes, split_updates
from plabctl.sinks.base import Scene, SinkContext, SyncResult, SyncSinkKind, TakenOut
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import SinkSettings
    from plabctl.core.standing import Standing
    from plabctl.process import CommandResult

_KEEP_BYTES = 64 * 1024**2
_REASON_LENGTH = 200
_MOST_FAULTS = 10
"""After so many failures of scontrol the rest is left to the next tick."""


@dataclass(frozen=True, slots=True)
class SlurmOptions:
    """What only a sink of this kind can be told."""

    conf: str = ""
    bin_dir: str = ""
    follow: bool = False
    every_s: float = 300.0


class SlurmKind(SyncSinkKind):
    """Slurm, in which nodes that are not usable are drained."""

    name = "slurm"
    help = "Slurm: nodes that are not usable are drained there, and resumed when they are usable again; see slurm.md"
    place_keys = ("conf",)
    keys = Table(
        "sink.slurm",
        SlurmOptions(),
        *SLURM_KEYS,
        Key(
            "follow",
            Flag(),
            text="Whether a node that a person, or Slurm itself, has drained is held in plabctl until that drain is "
            "over. Off because then whoever may drain nodes in Slurm may hold them here.",
            example="true",
        ),
        Key(
            "every",
            Duration(),
            "every_s",
            text="How often Slurm is asked although no node has moved in plabctl: somebody may have changed something "
            "there. 5m because few do that by hand, and a tick that asks is not idle.",
            example='"1m"',
        ),
    )

    def find_interval(self, own: SinkSettings) -> float:
        """Return what was configured."""
        return _find_options(own).every_s

    def identify(self, own: SinkSettings) -> str:
        """Return which cluster it is."""
        return _find_options(own).conf

    def describe(self, own: SinkSettings) -> str:
        """Return the name, and the configuration file where one is named."""
        conf = _find_options(own).conf
        return f"slurm {conf!r}" if conf else "slurm"

    def sync(
        self,
        own: SinkSettings,
        scene: Scene,
        timeout_s: float,
        context: SinkContext,
        *,
        is_rehearsal: bool = False,
    ) -> SyncResult:
        """Ask Slurm for its nodes, and change what is not as it should be."""
        caller = _Caller(self.describe(own), _find_options(own), timeout_s, context)
        standings = scene.list_standings(self.actor_prefix)
        try:
            pairs, remark = caller.read_pairs(standings)
            updates = plan_changes(pairs)
            holds, releases = plan_holds(pairs) if _find_options(own).follow else ({}, ())
            if is_rehearsal:
                return SyncResult(tuple(each.describe() for each in updates), "", remark, holds, releases)
            done, error = caller.update(updates)
            if error and caller.has_time and any(len(each.nodes) > 1 for each in updates):
                # Slurm 22.05 sometimes resumes the first of several nodes only, and refuses the others.
                singles = split_updates(plan_changes(caller.read_pairs(standings)[0]))
                more, error = caller.update(singles)
                done += more
        except _SlurmFault as fault:
            return SyncResult(error=str(fault))
        return SyncResult(tuple(done), error, remark, holds, releases)

    def list_named_files(self, options: SlurmOptions) -> Iterator[tuple[str, bool]]:
        """Yield the configuration of Slurm and the folder of its commands."""
        if options.conf:
            yield options.conf, False
        if options.bin_dir:
            yield options.bin_dir, True


SLURM = SlurmKind()


def plan_holds(pairs: Sequence[tuple[Standing, SlurmNode]]) -> tuple[dict[str, TakenOut], tuple[str, ...]]:
    """Return which nodes are to be held here as somebody drained them in Slurm, and whose hold is over."""
    others = {each.node: node for each, node in pairs if node.is_drained and not node.is_ours}
    holds = {
        each.node: TakenOut(others[each.node].user, others[each.node].reason)
        for each, _ in pairs
        if each.node in others and not each.is_followed
    }
    return holds, tuple(each.node for each, _ in pairs if each.is_followed and each.node not in others)


def describe_mismatch(matches: Matches) -> str:
    """Return which names do not match, in words; empty when all do."""
    parts = [
        (matches.ambiguous, "claimed by several nodes of plabctl"),
        (matches.not_in_slurm, "not in Slurm"),
        (matches.not_in_plabctl, "not in plabctl"),
    ]
    return "; ".join(f"{fold_list(names)} {what}" for names, what in parts if names)


class _SlurmFault(Exception):
    """Slurm cannot be asked, or does not say what can be understood; in words."""


class _Caller:
    """Runs Slurm's commands for `timeout_s` seconds from now, all together."""

    def __init__(self, name: str, options: SlurmOptions, timeout_s: float, context: SinkContext) -> None:
        self._name = name
        self._options = options
        self._timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s
        self._context = context

    @property
    def has_time(self) -> bool:
        """Return whether the time is not over."""
        return time.monotonic() < self._end

    def read_pairs(self, standings: Sequence[Standing]) -> tuple[list[tuple[Standing, SlurmNode]], str]:
        """Return the nodes that both sides have, and which names do not match in words; raise _SlurmFault."""
        printed = self._run("sinfo", "--all", "-N", "-h", "-o", NODE_FORMAT)
        try:
            nodes = parse_nodes(printed)
        except ValueError as why:
            raise _SlurmFault(f"{self._name}: sinfo is not understood: {why}") from why
        matches = match_names({each.node: each.variables for each in standings}, nodes)
        remark = describe_mismatch(matches)
        if standings and not matches.pairs:
            raise _SlurmFault(f"{self._name}: no node of plabctl has a node there: {remark}")
        pairs = matches.pairs
        return [(each, nodes[pairs[each.node]]) for each in standings if each.node in pairs], remark

    def update(self, updates: Sequence[Update]) -> tuple[list[str], str]:
        """Make the changes; return what was done, and the first thing that went wrong.

        What fails for some nodes is done for the others, unless it fails again and again. When the time is over, the
        next tick does the rest.
        """
        done: list[str] = []
        faults: list[str] = []
        for update in updates:
            if not self.has_time:
                faults.append(f"{self._name}: the time was over before all was done")
                break
            if len(faults) >= _MOST_FAULTS:
                break
            reason = [f"reason={update.reason}"] if update.reason else []
            nodes = ",".join(update.nodes)
            try:
                self._run("scontrol", "update", f"nodename={nodes}", f"state={update.state}", *reason)
            except _SlurmFault as fault:
                faults.append(f"{fault} ({update.describe()})")
            else:
                done.append(update.describe())
        return done, faults[0] if faults else ""

    def _run(self, program: str, *arguments: str) -> str:
        """Run one command and return what it printed; raise _SlurmFault."""
        from plabctl.process import run

        path, variables = build_call(program, self._options.bin_dir, self._options.conf)
        ran = run(
            [path, *arguments],
            timeout_s=max(0.1, self._end - time.monotonic()),
            keep_bytes=_KEEP_BYTES,
            flood_bytes=_KEEP_BYTES,
            variables=variables,
            folder=self._context.origin.folder,
            owners=self._context.origin.owners,
        )
        if ran.exit_code is None and not self.has_time:
            # Without the time that was left, which differs from tick to tick: the same fault is told once.
            ran = ran._replace(fault=f"did not end within {self._timeout_s:g} s")
        if ran.exit_code != 0:
            raise _SlurmFault(f"{self._name}: {program} {_explain(ran)}")
        return ran.output.decode(errors="replace")


def _explain(ran: CommandResult) -> str:
    """Return in words why a command did not succeed, with the last line of what it said."""
    why = ran.fault or f"ended with exit code {ran.exit_code}"
    lines = ran.errors.decode(errors="replace").strip().splitlines()
    said = "".join(char if char.isprintable() else "?" for char in lines[-1].strip()[:_REASON_LENGTH]) if lines else ""
    return f"{why}: {said}" if said else why


def _find_options(own: SinkSettings) -> SlurmOptions:
    assert isinstance(own.options, SlurmOptions), "the configuration fills it"
    return own.options
