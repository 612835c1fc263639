"""A worker: a Dask worker in this process, which asks for each test that it is offered and makes it with our prober.

I/O. The tests and their reports outlive a connection to the scheduler: when that is lost they go on, and the next
connection begins with what runs and what was not acknowledged. Dask's own worker is made anew each time.
Tests: `tests/executors/dask/test_cluster.py`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from tempfile import TemporaryDirectory

import dask
from distributed import Worker

import plabctl
from plabctl.clock import Clock
from plabctl.executors.dask.link import LinkFault, OtherVersion, build_security, open_link
from plabctl.executors.dask.options import DaskOptions
from plabctl.executors.dask.protocol import PROTOCOL, Message
from plabctl.executors.dask.running_tests import CancellingProber, RunningTests

_PAUSE_S = 1.0
_REGISTER_S = 15.0
_LEAVE_S = 1.5
"""How long a worker that is told to end has for its last reports."""
_CLOSE_S = 3.0
"""How long is waited for a connection to close: when it broke, Dask may be at that for half a minute, or for ever."""
_QUIET = {
    "distributed.worker.http.routes": [],
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.diagnostics.nvml": False,
}
"""What Dask does of its own accord that is no use here."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a worker presents itself: its name, its site, and how many tests it makes at once."""

    name: str
    site: str
    slots: int


OnNote = Callable[[str], None]
"""Is told in words what becomes of the connection, each thing once."""


def run_worker(own: DaskOptions, profile: Profile, prober: CancellingProber, clock: Clock, note: OnNote) -> int:
    """Make tests until a signal says that it is enough; return the exit code. What runs then is interrupted."""
    with dask.config.set(_QUIET), TemporaryDirectory(prefix="plabctl-worker-") as folder:
        return asyncio.run(_Session(own, profile, note, folder).run(prober, clock))


def _stop(stop: asyncio.Future[int], code: int) -> None:
    if not stop.done():
        stop.set_result(code)


class _Session:
    """The connections of one worker, one after the other."""

    def __init__(self, own: DaskOptions, profile: Profile, note: OnNote, folder: str) -> None:
        self._own, self._profile, self._folder = own, profile, folder
        self._note = note
        self._said = ""
        self._security = build_security(own)

    async def run(self, prober: CancellingProber, clock: Clock) -> int:
        """Serve until a signal comes; return the exit code."""
        loop = asyncio.get_running_loop()
        stop: asyncio.Future[int] = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, stop, 128 + number)
        tests = RunningTests(prober, clock)
        async with asyncio.TaskGroup() as group:  # what one of them raises ends all
            looking, serving = group.create_task(tests.look()), group.create_task(self._serve(tests))
            code = await stop
            tests.interrupt()
            with suppress(TimeoutError):
                await asyncio.wait_for(tests.is_empty.wait(), _LEAVE_S)
            looking.cancel()
            serving.cancel()
        return code

    async def _serve(self, tests: RunningTests) -> None:
        while True:
            try:
                await self._try_link()
                await self._stay_connected(tests)
            except LinkFault as fault:
                self._say(str(fault))
            await asyncio.sleep(_PAUSE_S)

    async def _try_link(self) -> None:
        """Raise LinkFault when there is no scheduler that knows plabctl."""
        with suppress(OtherVersion):  # it takes us all the same, to be able to say so
            comm, _ = await open_link(self._own, self._security, "")
            comm.abort()

    async def _stay_connected(self, tests: RunningTests) -> None:
        """Be a worker of the scheduler until the connection is lost."""
        worker = Worker(
            self._own.scheduler,
            # Whoever reaches such a port may have code run: nobody needs to, as we are the ones who connect.
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            nthreads=1,
            memory_limit=0,
            local_directory=self._folder,
            dashboard=False,
            security=self._security,
            silence_logs=None,
        )
        handlers: dict[str, Callable[..., None]]
        handlers = {"offer": tests.on_offer, "drop": tests.on_drop, "run": tests.on_run, "cancel": tests.on_cancel}
        handlers |= {"ack": tests.on_ack, "welcome": self._on_welcome}
        worker.stream_handlers.update({f"plabctl-{op}": handler for op, handler in handlers.items()})

        def send(message: Message) -> None:
            with suppress(OSError):  # the next connection begins with what was not acknowledged
                worker.batched_stream.send(message)

        try:
            async with asyncio.timeout(_REGISTER_S):
                await worker
            version = {"protocol": PROTOCOL, "version": plabctl.__version__}
            tests.send = send
            send({"op": "plabctl-hello", **version, **asdict(self._profile), **tests.build_hello()})
            await worker.finished()
            self._say(f"the connection to the scheduler at {self._own.scheduler} is lost")
        except (OSError, TimeoutError, ValueError) as error:
            raise LinkFault(f"the scheduler at {self._own.scheduler} does not take this worker: {error}") from error
        finally:
            tests.send = lambda _: None
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await worker.close(timeout=1)

    def _on_welcome(self, problem: str) -> None:
        self._say(f"no tests are given to this worker: {problem}" if problem else "ready")

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._note(text)
