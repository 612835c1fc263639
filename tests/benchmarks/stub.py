"""A cheap SSH server for all addresses at once, in one process: nodes that cost this machine next to nothing.

I/O. Run as `python -m tests.benchmarks.stub FOLDER PORT`. Any command is `true`, but for
`together N S`, which waits for N of its kind, lets all of them sleep S seconds from then on, and writes that instant
to FOLDER/together.
"""

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import Protocol

import asyncssh

from plabctl.probes.frame import MARK, build_end_mark
from plabctl.probes.script import SHELL
from tests.lab.stage_parser import parse_stages

TOGETHER = re.compile(r"together (\d+) ([\d.]+)")


class Session(Protocol):
    """Who waits: a channel of a connection."""

    def is_closing(self) -> bool:
        """Return whether it is gone."""
        ...


class Gate:
    """Where sessions wait for each other."""

    def __init__(self, folder: Path) -> None:
        self._mark = folder / "together"
        self._waiting: list[Session] = []
        self._open = asyncio.Event()

    async def pass_with(self, count: int, session: Session) -> None:
        """Return when `count` sessions are here; those of a client that was killed are not."""
        self._waiting.append(session)
        if len(self._waiting) >= count:
            self._waiting = [each for each in self._waiting if not each.is_closing()]
        if len(self._waiting) < count:
            await self._open.wait()
            return
        self._mark.write_text(str(time.time()))
        self._open.set()
        self._waiting, self._open = [], asyncio.Event()


async def serve(folder: Path, port: int) -> None:
    """Answer on `port` until the process is stopped."""
    gate = Gate(folder)

    async def obey(command: str, session: Session) -> None:
        if found := TOGETHER.search(command):
            await gate.pass_with(int(found[1]), session)
            await asyncio.sleep(float(found[2]))

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = (process.command or "").encode()
        if command.decode() == SHELL:
            received = b""
            answered = 0
            while piece := await process.stdin.read(65536):
                received += piece
                for number, text in list(parse_stages([received]))[answered:]:
                    process.stdout.write(MARK)
                    await obey(text.decode(), process.channel)
                    process.stdout.write(build_end_mark(number, 0))
                    answered += 1
        await obey(command.decode(), process.channel)
        process.exit(0)

    await asyncssh.listen(
        "0.0.0.0",
        port,
        backlog=4096,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=handle,
        encoding=None,
        login_timeout=300,
        compression_algs=None,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
