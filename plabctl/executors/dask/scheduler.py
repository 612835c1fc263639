"""The scheduler's part: `dask scheduler --preload plabctl.executors.dask.scheduler`.

I/O: the network, by the connections of Dask's scheduler. Workers are Dask workers, whose connection carries our
messages as well; a monitor has a connection of its own. What is decided is decided in `registry`.
Tests: `tests/executors/dask/test_cluster.py`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from distributed import Scheduler
from distributed.comm import Comm, CommClosedError
from distributed.diagnostics.plugin import SchedulerPlugin

import plabctl
from plabctl.clock import SystemClock
from plabctl.executors.dask.link import pass_on
from plabctl.executors.dask.options import is_loopback
from plabctl.executors.dask.protocol import PROTOCOL, Message
from plabctl.executors.dask.registry import Registry

_SWEEP_S = 0.5


class TestBroker(SchedulerPlugin):  # type: ignore[misc]  # Dask is not type-checked
    """Hands tests from monitors to workers, and reports back."""

    name = "plabctl"
    __test__ = False

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._clock = SystemClock()
        self._registry = Registry(self._clock.uptime())
        self._queues: dict[str, asyncio.Queue[Message]] = {}
        self._count = 0
        scheduler.handlers["plabctl-attach"] = self.serve_monitor
        scheduler.stream_handlers.update(
            {
                "plabctl-hello": self._on_hello,
                "plabctl-accept": self._on_accept,
                "plabctl-report": self._on_report,
            }
        )

    async def start(self, scheduler: Scheduler) -> None:
        """Begin to do what time brings; called by Dask."""
        self._task = asyncio.ensure_future(self._sweep())

    async def close(self) -> None:
        """Stop that."""
        self._task.cancel()

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """Note that Dask has lost a worker."""
        self._registry.remove_worker(worker, self._clock.uptime())
        self._send()

    async def serve_monitor(self, comm: Comm, protocol: int, version: str, monitor: str) -> None:
        """Serve one monitor for as long as it is connected."""
        if protocol != PROTOCOL:
            await comm.write({"op": "refuse", "version": plabctl.__version__})
            await comm.close()
            return
        self._count += 1
        client = f"monitor-{self._count}"
        queue = self._queues[client] = asyncio.Queue()
        sender = asyncio.ensure_future(pass_on(queue, comm))
        try:
            self._registry.attach(client, monitor, self._clock.uptime())
            self._send()
            while True:
                for message in await comm.read(deserializers=["msgpack"]):
                    self._on_message(client, message)
                self._send()
        except CommClosedError:
            pass
        finally:
            del self._queues[client]
            self._registry.detach(client)
            sender.cancel()
            with suppress(OSError):
                await comm.close()

    def _on_message(self, client: str, message: Message) -> None:
        now, registry = self._clock.uptime(), self._registry
        match message["op"]:
            case "submit":
                registry.submit(client, message, now)
            case "adopt":
                registry.adopt(client, message["token"], message["age_s"], message["end_by"], now)
            case "cancel":
                registry.cancel(message["token"])
            case "ack":
                registry.acknowledge(message["token"])

    def _on_hello(self, worker: str, **hello: Any) -> None:
        self._registry.add_worker(worker, hello, self._clock.uptime())
        self._send()

    def _on_accept(self, worker: str, token: str) -> None:
        self._registry.accept(worker, token, self._clock.uptime())
        self._send()

    def _on_report(self, worker: str, token: str, monitor: str, document: str) -> None:
        self._registry.report(worker, token, monitor, document, self._clock.uptime())
        self._send()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._registry.sweep(self._clock.uptime())
            self._send()

    def _send(self) -> None:
        for to, message in self._registry.take():
            if to in self._queues:
                self._queues[to].put_nowait(message)
            elif stream := self._scheduler.stream_comms.get(to):
                with suppress(OSError):  # it is being lost, of which we shall be told
                    stream.send(message)


async def dask_setup(scheduler: Scheduler) -> None:
    """Add our part to a scheduler that starts, and end it if it listens to others without TLS."""
    for listener in scheduler.listeners:
        # Not its contact address: for one that listens everywhere that is a guess, on some machines 127.0.1.1.
        address = listener.listen_address
        if not address.startswith("tls://") and not is_loopback(address):
            # Any other error of a preload Dask merely logs.
            raise SystemExit(
                f"plabctl: a scheduler that listens at {address} needs --tls-ca-file, --tls-cert and --tls-key"
            )
    scheduler.add_plugin(TestBroker(scheduler))
