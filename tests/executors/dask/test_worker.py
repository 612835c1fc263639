"""What of a worker needs no cluster: that it ends when it is told to."""

import asyncio
import os
import signal
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from plabctl.clock import SystemClock
from plabctl.executors.dask import worker as worker_module
from plabctl.executors.dask.link import OtherVersion
from plabctl.executors.dask.options import DaskOptions
from plabctl.executors.dask.running_tests import CancellingProber
from plabctl.executors.dask.worker import Profile, run_worker


class Stuck:
    """A Dask worker whose connection broke: it began to close by itself, and does not come to the end of that."""

    def __init__(self, *_: object, **__: object) -> None:
        self.stream_handlers: dict[str, object] = {}
        self.batched_stream = SimpleNamespace(send=self._break)

    def __await__(self) -> Generator[Any, None, None]:
        yield from asyncio.sleep(0).__await__()

    def _break(self, _: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)  # now is the moment to tell it to end

    async def finished(self) -> None:
        await asyncio.sleep(60)

    async def close(self, **_: object) -> None:
        await asyncio.sleep(60)


@pytest.mark.timeout(20)
def test_it_ends_although_its_connection_cannot_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def link(*_: object) -> None:
        raise OtherVersion("it matters not")

    monkeypatch.setattr(worker_module, "Worker", Stuck)
    monkeypatch.setattr(worker_module, "open_link", link)
    monkeypatch.setattr(worker_module, "build_security", lambda _: None)
    monkeypatch.setattr(worker_module, "_CLOSE_S", 0.1)
    prober = cast("CancellingProber", SimpleNamespace(interrupt=lambda: None))

    code = run_worker(DaskOptions(), Profile("w1", "north", 1), prober, SystemClock(), lambda _: None)

    assert code == 128 + signal.SIGTERM
