"""The commands that experiments bring, as sinks: each is told of the events of its own experiment.

Pure.
Tests: `tests/app/test_swap_experiments.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plabctl.core.event_kinds import EXPERIMENT_HOOK_KINDS
from plabctl.core.model import Event
from plabctl.core.settings import SinkSettings
from plabctl.core.state import State
from plabctl.sinks.command import COMMAND, CommandOptions


def list_experiment_sinks(state: State, events: Sequence[Event], timeout_s: float) -> Iterator[SinkSettings]:
    """Yield a sink for each experiment with a command; one that is gone has left its own in the event that says so."""
    commands = {name: each.hook for name, each in state.experiments.items()}
    for event in events:
        hook = event.data.get("hook")
        if event.kind == "experiment-gone" and isinstance(hook, list):
            commands.setdefault(str(event.data["experiment"]), tuple(map(str, hook)))
    for name, command in commands.items():
        if command:
            yield SinkSettings(COMMAND.name, EXPERIMENT_HOOK_KINDS, timeout_s, CommandOptions(command), name)
