"""The product's own code, put onto the kernel of the weave for as long as an episode lasts.

What is replaced is what touches the world: slots, history, canaries, threads, queues, sleeping, dice, the boot's name.
All that decides, and all that carries it out step by step, is the product's: `run_tick`, the flight, the runner, the
course of a probe, the delivery, the orders.
"""

from __future__ import annotations

import queue
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, Protocol
from unittest import mock

from plabctl.app import deliver, slots_in_use, sync_occupancy, tick, wiring
from plabctl.core.occupancy import OccupancySettings
from plabctl.core.occupancy_changes import Listed, OccupancyReading
from plabctl.executors import threads
from plabctl.executors.threads import ThreadExecutor
from plabctl.sinks import history
from tests.torture.interleaving.kernel import Kernel, SimClock, SimHistory, SimSlots
from tests.torture.interleaving.machines import Testbed
from tests.torture.interleaving.scheduler import Scheduler
from tests.torture.interleaving.shells import SimProber

Replaced = dict[Any, dict[str, Any]]
"""By module or class: what stands in the place of which of its names."""


class World(Protocol):
    """What an episode is made of, as far as the product stands on it."""

    scheduler: Scheduler
    kernel: Kernel
    bed: Testbed
    delivered: dict[str, int]
    in_use: set[str]
    """The nodes that somebody uses."""
    is_desk_closed: bool
    """Whether nobody can say which those are."""


class _Thread:
    def __init__(
        self, scheduler: Scheduler, target: Callable[..., object], args: tuple[object, ...] = (), **_: object
    ) -> None:
        self._loom = scheduler
        self._work: Callable[[], object] = partial(target, *args)
        self._is_over = False

    def start(self) -> None:
        def body() -> None:
            self._work()
            self._is_over = True

        self._loom.begin(self._loom.process, body)

    def join(self) -> None:
        self._loom.wait(lambda: self._is_over)


class _Queue:
    def __init__(self, scheduler: Scheduler) -> None:
        self._loom = scheduler
        self._items: deque[Any] = deque()

    def put(self, item: object) -> None:
        self._items.append(item)

    def get(self, timeout: float | None = None) -> Any:
        if not self._items:
            scheduler = self._loom
            scheduler.wait(lambda: self._items, None if timeout is None else scheduler.now + timeout)
        return self.get_nowait()

    def get_nowait(self) -> Any:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()


class _Canaries:
    def __init__(self, world: World, targets: object) -> None:
        self._world = world
        self._targets = targets

    def are_all_silent(self) -> bool | None:
        if not self._targets:
            return None
        self._world.scheduler.wait()
        return self._world.bed.is_cut_off


def _ask_desk(world: World) -> Callable[[OccupancySettings, object, float], OccupancyReading]:
    def read(_source: OccupancySettings, _origin: object, now: float) -> OccupancyReading:
        found = OccupancyReading(now, {name: Listed() for name in world.in_use})
        if world.is_desk_closed:
            found = OccupancyReading(now, fault="closed", is_unread=True)
        world.scheduler.wait(until=world.scheduler.now + world.scheduler.dice.choice([0.0, 1.0, 70.0]))
        return found

    return read


def _dice_of(scheduler: Scheduler) -> SimpleNamespace:
    return SimpleNamespace(Random=lambda: random.Random(scheduler.dice.getrandbits(64)))


def _lock(world: World) -> Callable[[Any], bool]:
    def locked(delivery: Any) -> bool:
        is_mine = world.kernel.lock("deliver", 0.0)
        delivery._lock = 1 if is_mine else None
        return is_mine

    return locked


def _unlock(world: World) -> Callable[[Any], None]:
    def unlock(delivery: Any) -> None:
        if delivery._lock is not None and not world.scheduler.process.is_dead:
            delivery._lock = None
            world.kernel.unlock("deliver")

    return unlock


@contextmanager
def in_place(world: World) -> Iterator[None]:
    """Put the product onto `world` for the block."""
    scheduler, kernel = world.scheduler, world.kernel
    clock = SimClock(kernel)
    sim_threads = SimpleNamespace(
        Thread=lambda target, args=(), **more: _Thread(scheduler, target, args, **more), stack_size=lambda _: None
    )

    class Waiting(_Queue):
        def __init__(self) -> None:
            super().__init__(scheduler)

        def __class_getitem__(cls, _: object) -> type[_Queue]:
            return cls

    replaced: Replaced = {
        tick: {
            "Slots": lambda _, window, _owners: SimSlots(kernel, window),
            "Canaries": lambda targets, _: _Canaries(world, targets),
            "random": _dice_of(scheduler),
            "read_boot_id": lambda: kernel.boot,
        },
        sync_occupancy: {"read_source": _ask_desk(world)},
        deliver: {"threading": sim_threads},
        history: {"History": lambda _: SimHistory(kernel, world.delivered)},
        deliver.Delivery: {"_try_lock": _lock(world), "_unlock": _unlock(world)},
        slots_in_use: {"time": SimpleNamespace(sleep=lambda seconds: scheduler.wait(until=scheduler.now + seconds))},
        wiring: {"make_executor": lambda _: ThreadExecutor(SimProber(world.bed, clock), clock)},
        threads: {"threading": sim_threads, "queue": SimpleNamespace(SimpleQueue=Waiting, Empty=queue.Empty)},
    }
    with _all(replaced):
        yield


@contextmanager
def _all(replaced: Replaced) -> Iterator[None]:
    patches = [mock.patch.multiple(place, **parts) for place, parts in replaced.items()]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()
