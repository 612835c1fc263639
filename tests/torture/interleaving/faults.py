"""Everything that can go wrong, and how often it does at each step. Whoever is hit is for the dice to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.torture.interleaving import actors
from tests.torture.interleaving.machines import MOODS
from tests.torture.interleaving.scheduler import Process

if TYPE_CHECKING:
    from tests.torture.interleaving.episode import Episode

MOST_TICKS = 4


def mishap(episode: Episode) -> None:
    """Let something go wrong, or nothing."""
    roll = episode.scheduler.dice.random()
    for chance, happen in MISHAPS:
        roll -= chance
        if roll < 0:
            happen(episode)
            return


def tick(episode: Episode) -> None:
    """A tick starts, unless there are many already."""
    ticks = [process for process, _ in episode.living() if process.name.startswith("tick")]
    if len(ticks) < MOST_TICKS:
        episode.step_log.tell(episode.scheduler.now, "a tick starts")
        episode.start("tick", actors.tick)


def order(episode: Episode) -> None:
    """A person comes and gives an order."""
    if len(episode.living()) < 2 * MOST_TICKS:
        episode.start("operator", lambda app, stop: actors.Person(episode, app, stop).act())


def _any(episode: Episode) -> tuple[Process, actors.Asked] | None:
    living = episode.living()
    return episode.scheduler.dice.choice(living) if living else None


def kill(episode: Episode) -> None:
    """Some process is killed."""
    if found := _any(episode):
        episode.step_log.tell(episode.scheduler.now, "{} is killed", found[0])
        episode.scheduler.end(found[0])
        episode.killed += 1


def ask(episode: Episode) -> None:
    """Some process is asked to end."""
    if found := _any(episode):
        episode.step_log.tell(episode.scheduler.now, "{} is asked to stop", found[0])
        found[1].signal = 15


def stop(episode: Episode) -> None:
    """Some process is stopped."""
    found = _any(episode)
    if found and not found[0].is_stopped:
        episode.step_log.tell(episode.scheduler.now, "{} is stopped", found[0])
        found[0].is_stopped, found[0].stopped_at = True, episode.scheduler.now


def go_on(episode: Episode) -> None:
    """A process that was stopped goes on."""
    for process, _ in episode.living():
        if process.is_stopped:
            episode.step_log.tell(episode.scheduler.now, "{} goes on", process)
            process.is_stopped = False
            process.stopped_s = episode.scheduler.now - process.stopped_at
            process.stopped_at = episode.scheduler.now
            return


def fall_ill(episode: Episode) -> None:
    """A machine falls ill, or is well again."""
    machine = episode.bed.machine(episode.scheduler.dice.choice(episode.names))
    machine.mood = episode.scheduler.dice.choice(["well", "well", *MOODS])
    episode.step_log.tell(episode.scheduler.now, "{} is {}", machine.name, machine.mood)


def restart(episode: Episode) -> None:
    """A machine restarts, and nothing is on it any more."""
    machine = episode.bed.machine(episode.scheduler.dice.choice(episode.names))
    machine.reboot()
    episode.step_log.tell(episode.scheduler.now, "{} restarts", machine.name)


def cut_off(episode: Episode) -> None:
    """No machine can be reached any more, or all can again."""
    episode.bed.is_cut_off = not episode.bed.is_cut_off


def take(episode: Episode) -> None:
    """Somebody takes a node, or leaves it."""
    name = episode.scheduler.dice.choice(episode.names)
    episode.in_use ^= {name}
    episode.step_log.tell(episode.scheduler.now, "in use are {}", sorted(episode.in_use))


def close_desk(episode: Episode) -> None:
    """Nobody can say any more who uses which node, or somebody can again."""
    episode.is_desk_closed = not episode.is_desk_closed
    episode.step_log.tell(episode.scheduler.now, "the desk is {}", "closed" if episode.is_desk_closed else "open")


def straggle(episode: Episode) -> None:
    """A set-up of a process that is no more comes to its end."""
    episode.bed.straggle(episode.scheduler.dice)


def wait(episode: Episode) -> None:
    """Nobody runs for some seconds."""
    episode.scheduler.now += episode.scheduler.dice.expovariate(1 / 20.0)


def wait_long(episode: Episode) -> None:
    """Nobody runs for minutes."""
    episode.scheduler.now += episode.scheduler.dice.expovariate(1 / 400.0)


def set_clock(episode: Episode) -> None:
    """The clock is set, in some episodes."""
    if episode.sets_clock:
        by = episode.scheduler.dice.choice([-3600.0, -86400.0, -315360000.0, 86400.0, 3600.0, -1.6e9])
        episode.kernel.offset = max(0.0, episode.kernel.offset + by)
        episode.oracle.clock_set(by)
        episode.clock_set += 1
        episode.step_log.tell(episode.scheduler.now, "the clock is set by {} s", by)


def boot(episode: Episode) -> None:
    """The machine that all this runs on restarts."""
    for process, _ in episode.living():
        episode.scheduler.end(process)
    episode.kernel.boot = f"boot-{episode.step_log.steps}"
    episode.kernel.booted_at = episode.scheduler.now
    episode.step_log.tell(episode.scheduler.now, "the monitor restarts")


def configure(episode: Episode) -> None:
    """The configuration has another window from now on."""
    episode.settings = replace(episode.settings, window=episode.scheduler.dice.randint(1, 5))
    episode.step_log.tell(episode.scheduler.now, "the window is {}", episode.settings.window)


MISHAPS: list[tuple[float, Callable[[Episode], None]]] = [
    (0.012, tick),
    (0.008, order),
    (0.003, kill),
    (0.0015, stop),
    (0.004, go_on),
    (0.001, ask),
    (0.006, fall_ill),
    (0.001, restart),
    (0.0005, cut_off),
    (0.004, straggle),
    (0.01, wait),
    (0.001, wait_long),
    (0.0005, set_clock),
    (0.0004, boot),
    (0.0005, configure),
    (0.004, take),
    (0.0005, close_desk),
]
