"""The sink `command`: one run of a command for each event, or for all that wait, as JSON on its standard input.

I/O: runs the command. `[[hook]]` is the short form of this kind, and an experiment may bring such a command of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from plabctl.core.keys.path_types import Argv
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Flag
from plabctl.sinks.base import SinkContext, SinkKind, TellResult
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.experiments.model import Experiment
    from plabctl.core.model import Event
    from plabctl.core.settings import SinkSettings

KEEP_BYTES = 64 * 1024
"""How much of what a command prints is kept, for the case that it fails."""
FLOOD_BYTES = 64 * 1024**2
_SHOWN = 200
_NAME_SHOWN = 80


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """What only a sink of this kind can be told."""

    command: tuple[str, ...] = ()
    output: bool = False
    batch: bool = False


_KEYS = Table(
    "sink.command",
    CommandOptions(),
    Key(
        "command",
        Argv(),
        text="The command, run without a shell. A relative path is relative to the config file; a bare name is looked "
        "up in `PATH`.",
        example='["logger", "-t", "plabctl"]',
        required=True,
    ),
    Key(
        "output",
        Flag(),
        text="Whether it also gets the output of the stages of a probe. Off because the output may contain secrets, "
        "and a command may pass them on; it always gets the reason of a failure, which is the last line of "
        "output.",
        example="true",
    ),
    Key(
        "batch",
        Flag(),
        text="Whether it is run once for all events that wait, with a JSON list on its standard input: at the end of a "
        "tick, or when one of them has waited for a minute, with at most 1000 events. Off because a command for one "
        "event is simpler to write; set it where many nodes may move at once.",
        example="true",
    ),
)


class CommandKind(SinkKind):
    """A command that is told what happens."""

    name = "command"
    help = "a command, run for each event, or for a batch of them, with the event as JSON on its standard input"
    keys = _KEYS

    def identify(self, own: SinkSettings) -> str:
        """Return a digest of the arguments: what they say may be a secret."""
        import hashlib

        command = _find_options(own).command
        return hashlib.blake2b("\0".join(command).encode("utf-8", "replace"), digest_size=9).hexdigest()

    def describe(self, own: SinkSettings) -> str:
        """Return the program, which is no secret."""
        return f"hook {_find_options(own).command[0][:_NAME_SHOWN]!r}"

    def takes_batches(self, own: SinkSettings) -> bool:
        """Return whether that was asked for."""
        return _find_options(own).batch

    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        """Run the command with the events."""
        from plabctl.process import run
        from plabctl.sinks.event_json import build_message

        options = _find_options(own)
        ran = run(
            options.command,
            timeout_s=timeout_s,
            keep_bytes=KEEP_BYTES,
            flood_bytes=FLOOD_BYTES,
            given=build_message(events, context, is_batch=options.batch, has_output=options.output),
            variables={"PLABCTL_EVENT_COUNT": str(len(events))} if options.batch else build_variables(events[0]),
            folder=context.origin.folder,
            owners=context.origin.owners,
        )
        if ran.exit_code == 0:
            return TellResult(ok=True)
        why = ran.fault or f"exit code {ran.exit_code}"
        said = _read_last_line(ran.errors) or _read_last_line(ran.output)
        return TellResult(ok=False, error=f"{self.describe(own)}: {why}{f': {said}' if said else ''}")

    def list_named_files(self, options: CommandOptions) -> Iterator[tuple[str, bool]]:
        """Yield the program, if a path names it."""
        if "/" in options.command[0]:
            yield options.command[0], True


COMMAND = CommandKind()


def build_variables(event: Event) -> dict[str, str]:
    """Return what a command finds in its environment; nothing that a node said is in it."""
    return {
        "PLABCTL_EVENT": event.kind,
        "PLABCTL_NODE": event.node or "",
        "PLABCTL_EXPERIMENT": str(event.data.get("experiment", "")),
        "PLABCTL_EVENT_ID": event.id,
    }


def _find_options(own: SinkSettings) -> CommandOptions:
    assert isinstance(own.options, CommandOptions), "the configuration fills it"
    return own.options


def _read_last_line(output: bytes) -> str:
    """Return the last line of what a command printed, short and inert."""
    from plabctl.masks import mask_secrets

    line = output.decode(errors="replace").strip().split("\n")[-1].strip()
    return mask_secrets("".join(char if char.isprintable() else "?" for char in line[:_SHOWN]))


def list_experiment_sinks(
    experiments: Mapping[str, Experiment], events: Sequence[Event], timeout_s: float
) -> Iterator[SinkSettings]:
    """Yield a sink for each experiment with a command; one that is gone has left its own in the event that says so."""
    commands = {name: each.hook for name, each in experiments.items()}
    for event in events:
        hook = event.data.get("hook")
        if event.kind == "experiment-gone" and isinstance(hook, list):
            commands.setdefault(str(event.data["experiment"]), tuple(map(str, hook)))
    for name, command in commands.items():
        if command:
            yield build_experiment_sink(name, command, timeout_s)


def build_experiment_sink(experiment: str, command: tuple[str, ...], timeout_s: float) -> SinkSettings:
    """Return the sink of an experiment that came with a command."""
    from plabctl.core.event_kinds import EXPERIMENT_HOOK_KINDS
    from plabctl.core.settings import SinkSettings

    return SinkSettings(COMMAND.name, EXPERIMENT_HOOK_KINDS, timeout_s, CommandOptions(command), experiment)


def find_command(own: SinkSettings) -> tuple[str, ...]:
    """Return the command of such a sink, to be kept until it was told that the experiment is gone."""
    return _find_options(own).command if own.experiment else ()
