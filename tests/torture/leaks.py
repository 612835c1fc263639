"""Very many probes in one process: nothing is held in the end that was not held before, and no stall costs more.

I/O: servers that stall at each stage of the protocol, a real sshd, and `soaking` in a process of its own. Go on with
`frozen`, where the sshd is stopped at any moment, and with `endless`, where nodes print without end.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.lab import requirements
from tests.lab.sshd import Sshd, free_port
from tests.probes.stalling_servers import STAGES, StallingServer
from tests.torture import endless, frozen
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions

missing = requirements.for_sshd

PATIENCE_S = 4.0
"""How long a server stalls: longer than any probe of it may wait."""
GROWTH_KIB = 16 * 1024


def run(options: TortureOptions) -> list[Finding]:
    """Run the probes, and return what was still held."""
    parts = list(_soaked(options))
    # The short run shares the machine with other tests, which may keep it from looking for seconds.
    return [*_of_soak(parts, options.count(1, 6)), *frozen.run(options), *endless.run(options)]


def _soaked(options: TortureOptions) -> Iterator[dict[str, Any]]:
    """Yield what the process holds after each part of its probes."""
    with contextlib.ExitStack() as stack:
        sshd = stack.enter_context(Sshd(options.folder / "sshd", totals=False))
        servers = [stack.enter_context(_stalling_server(stage, options.folder)) for stage in STAGES]
        slammer = stack.enter_context(_slammer())
        known = sshd.known_hosts() + "".join(stalling_server.known_hosts.read_text() for stalling_server in servers)
        (options.folder / "known_hosts").write_text(known)
        kinds: list[tuple[str, int]] = [(stalling_server.stage, stalling_server.port) for stalling_server in servers]
        kinds += [("refused", free_port()), ("slammed", slammer), *[("sound", sshd.port)] * 5, ("endless", sshd.port)]
        given = {
            "user": sshd.user,
            "key": str(sshd.key),
            "known_hosts": str(options.folder / "known_hosts"),
            "kinds": kinds,
            "parts": options.count(10, 2),
            "each": options.count(1000, 2 * len(kinds)),
            "at_once": options.count(40, 30),
            "settled_s": options.count(3, 1),
        }
        argv = [sys.executable, "-m", "tests.torture.soak"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(given))
            process.stdin.close()
            yield from map(json.loads, process.stdout)
        assert process.returncode == 0, "the soaking process died"


@contextlib.contextmanager
def _stalling_server(stage: str, folder: Path) -> Iterator[StallingServer]:
    own = folder / stage
    own.mkdir()
    stalling_server = StallingServer(stage, own, max_wait_s=PATIENCE_S)
    try:
        yield stalling_server
    finally:
        stalling_server.stop()


@contextlib.contextmanager
def _slammer() -> Iterator[int]:
    """A server that closes every connection at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:

        def slam() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=slam, daemon=True).start()
        port: int = server.getsockname()[1]
        yield port
        server.shutdown(socket.SHUT_RDWR)


def _of_soak(parts: list[dict[str, Any]], late_s: int) -> list[Finding]:
    first, last = parts[0], parts[-1]
    count = sum(sum(sum(counted.values()) for counted in part["outcomes"].values()) for part in parts)
    early = count // len(parts)
    late = {kind: max(part["late_s"][kind] for part in parts) for kind in first["late_s"]}
    tardy = [f"{kind}: {seconds} s" for kind, seconds in late.items() if seconds > late_s]
    wrong = [
        f"{kind}: {outcomes}"
        for part in parts
        for kind, outcomes in part["outcomes"].items()
        if _is_wrong(kind, outcomes)
    ]
    stalls = sum(kind in STAGES for kind in late)
    return [
        none_of(f"stages of {stalls} at which a stall cost more than the deadline and 1 s", tardy, f"{len(late)}"),
        Finding(
            "longest after its deadline that a report came", f"{max(late.values()):.2f} s", f"{late_s} s", not tardy
        ),
        none_of("kinds of servers that were judged otherwise than they behave", wrong, f"{len(late)}"),
        *(
            Finding(
                f"{what} after {count} probes, more than after {early}",
                f"{last[key] - first[key]:+d}",
                f"at most {bound:+d}",
                last[key] - first[key] <= bound,
                "" if last[key] - first[key] <= bound else str([part[key] for part in parts]),
            )
            for what, key, bound in (
                ("descriptors", "descriptors", 0),
                ("threads", "tasks", 2),
                ("children", "children", 0),
                ("KiB of memory", "kib", GROWTH_KIB),
            )
        ),
    ]


def _is_wrong(kind: str, outcomes: Mapping[str, int]) -> bool:
    """Return whether some probe of such a server passed that should not, or the other way round.

    No verdict is right for either: on a machine that is too busy to look, a probe knows that it could not.
    """
    return any(said.startswith("fail" if kind == "sound" else "pass") for said in outcomes)
