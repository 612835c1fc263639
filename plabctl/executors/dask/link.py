"""A monitor's connection to the scheduler, in a thread of its own: messages go in and come out, it connects again.

I/O. Loads `distributed`, which takes a quarter of a second.
Tests: `tests/executors/dask/test_cluster.py`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from distributed.comm import Comm, CommClosedError, connect
from distributed.security import Security

import plabctl
from plabctl.executors.dask.options import DaskOptions
from plabctl.executors.dask.protocol import PROTOCOL, Message

CONNECT_S = 5.0
_PAUSE_S = 1.0
_FLUSH_S = 1.0
_NO_TLS = "WRONG_VERSION_NUMBER"
"""How OpenSSL calls an answer that is no TLS."""


class LinkFault(Exception):
    """Why there is no connection, in words."""


def build_security(own: DaskOptions) -> Security:
    """Return how Dask encrypts: by our own authority alone, or not at all."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # we tell what matters, in our own words
    if not own.scheduler.startswith("tls://"):
        return Security()
    return Security(
        require_encryption=True,
        tls_ca_file=own.ca,
        tls_client_cert=own.cert,
        tls_client_key=own.key,
        tls_worker_cert=own.cert,
        tls_worker_key=own.key,
        tls_min_version=ssl.TLSVersion.TLSv1_2,
    )


class OtherVersion(LinkFault):
    """The scheduler runs a plabctl with which we cannot talk."""


async def open_link(own: DaskOptions, security: Security, monitor: str) -> tuple[Comm, Message]:
    """Return a connection and what the scheduler says first; raise LinkFault."""
    try:
        arguments = security.get_connection_args("client")
        comm = await connect(own.scheduler, timeout=CONNECT_S, **arguments)
    except (OSError, ValueError) as error:
        raise LinkFault(explain(own.scheduler, error)) from error
    try:
        attach = {"protocol": PROTOCOL, "version": plabctl.__version__, "monitor": monitor}
        await comm.write({"op": "plabctl-attach", "reply": False, **attach}, serializers=["msgpack"])
        first = await asyncio.wait_for(comm.read(deserializers=["msgpack"]), CONNECT_S)
    except TimeoutError:
        comm.abort()
        why = f"the scheduler at {own.scheduler} has not loaded plabctl: --preload plabctl.executors.dask.scheduler"
        raise LinkFault(why) from None
    except OSError as error:
        comm.abort()
        raise LinkFault(explain(own.scheduler, error)) from error
    message = first[0] if isinstance(first, list | tuple) else first
    if message["op"] == "refuse":
        comm.abort()
        raise OtherVersion(
            f"the scheduler at {own.scheduler} runs plabctl {message['version']}, another version than this one "
            f"({plabctl.__version__})"
        )
    return comm, message | {"rest": list(first[1:]) if isinstance(first, list | tuple) else []}


def explain(scheduler: str, error: BaseException) -> str:
    """Return why a connection failed, in words: what TLS said, or the last reason of the system."""
    causes = list(_list_causes(error))
    for each in causes:
        if isinstance(each, ssl.SSLError):
            what = getattr(each, "verify_message", "") or (each.reason or str(each)).lower().replace("_", " ")
            what = "what listens there does not speak TLS" if each.reason == _NO_TLS else what
            return f"TLS with the scheduler at {scheduler} failed: {what}"
    last = causes[-1]
    if isinstance(last, OSError) and last.strerror:
        return f"the scheduler at {scheduler} cannot be reached: {last.strerror.lower()}"
    if isinstance(last, CommClosedError):
        return f"the scheduler at {scheduler} closed the connection"
    return f"the scheduler at {scheduler} cannot be reached: no answer in {CONNECT_S:.0f} s"


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def pass_on(queue: asyncio.Queue[Message], comm: Comm) -> None:
    """Send what comes into the queue until the connection is lost."""
    with suppress(OSError):
        while True:
            await _send_queued(queue, comm, await queue.get())


async def _send_queued(queue: asyncio.Queue[Message], comm: Comm, *first: Message) -> None:
    """Send what is in the queue, several messages at once where they have gathered."""
    batch = list(first)
    while not queue.empty():
        batch.append(queue.get_nowait())
    if batch:
        await comm.write(batch, serializers=["msgpack"])


class Link:
    """The connection; all but `_run` and what it calls is for the thread that made it.

    `receive` is called in the connection's thread: with messages of the scheduler, with `up` and what it said first
    when it is connected, and with `down` and why not.
    """

    def __init__(self, own: DaskOptions, monitor: str, receive: Callable[[Message], None]) -> None:
        self._own = own
        self._monitor = monitor
        self._receive = receive
        self._loop = asyncio.new_event_loop()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="plabctl-link", daemon=True)
        self._thread.start()

    def send(self, *messages: Message) -> None:
        """Have messages sent; they are lost if the connection is."""
        with suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self._put, messages)

    def close(self) -> None:
        """Send what was to be sent, and close the connection; takes a second at most."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(_FLUSH_S)

    def _put(self, messages: tuple[Message, ...]) -> None:
        for message in messages:
            self._outgoing.put_nowait(message)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        serving = asyncio.ensure_future(self._stay_connected())
        await self._closing.wait()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    async def _stay_connected(self) -> None:
        security = build_security(self._own)
        while True:
            try:
                comm, first = await open_link(self._own, security, self._monitor)
            except LinkFault as fault:
                self._receive({"op": "down", "reason": str(fault)})
            else:
                await self._exchange(comm, first)
            await asyncio.sleep(_PAUSE_S)

    async def _exchange(self, comm: Comm, first: Message) -> None:
        """Pass messages on in both directions until the connection is lost."""
        while not self._outgoing.empty():
            self._outgoing.get_nowait()  # for a connection that is gone
        self._receive({**first, "op": "up"})
        for message in first["rest"]:
            self._receive(message)
        sender = asyncio.ensure_future(pass_on(self._outgoing, comm))
        try:
            while True:
                for message in await comm.read(deserializers=["msgpack"]):
                    self._receive(message)
        except OSError as error:
            self._receive({"op": "down", "reason": explain(self._own.scheduler, error)})
        finally:
            sender.cancel()
            if self._closing.is_set():
                await self._flush(comm)
            comm.abort()

    async def _flush(self, comm: Comm) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_FLUSH_S / 2):
                await _send_queued(self._outgoing, comm)
