"""Debian's cron for real: its own crontabs, its own clock, its own mailbox, and nothing of the machine's is touched.

I/O, root. It runs in a mount and a process namespace of the test's own, which end with the test, however that ends.
libfaketime lets cron's minutes pass in a second. Only cron sees that clock: what cron starts gets a fresh environment,
and has to be put behind `Cron.behind` to see it too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.network import end, read_ready, spawn
from tests.lab.requirements import SYSTEM_PATH, libfaketime, program
from tests.lab.sshd import children, descendants

_KEEPER = """
folder=$1
mount -t tmpfs cron /mnt
mkdir -p /mnt/spool/crontabs /mnt/cron.d /mnt/run /mnt/sbin /mnt/programs
chgrp crontab /mnt/spool/crontabs
chmod 1730 /mnt/spool/crontabs
: >/mnt/crontab
mount --bind /mnt/spool /var/spool/cron
mount --bind /mnt/cron.d /etc/cron.d
mount --bind /mnt/crontab /etc/crontab
mount --bind /mnt/run /run
# Where root's programs keep what they remember: a test must not find, nor leave, anything there.
mount -t tmpfs cron /var/lib
# cron hands mail to /usr/sbin/sendmail, which may not be there: all other programs stay beside ours.
mount --bind /usr/sbin /mnt/programs
ln -s /mnt/programs/* /mnt/sbin/
rm -f /mnt/sbin/sendmail
printf '#!/bin/sh\\ncd "%s" && cat >"$$" && mv "$$" mail/\\n' "$folder" >/mnt/sbin/sendmail
chmod 755 /mnt/sbin/sendmail
mount --bind /mnt/sbin /usr/sbin
echo ready
exec cat >/dev/null
"""


# What stands before a command that is to see cron's clock. It begins at the right instant and runs as many times too
# slow from there; its monotonic clock is the machine's. Each start and end is written down, by cron's clock. Python's
# sleep is to an instant of the monotonic clock, which libfaketime moves whatever it is told; so Python is told itself.
_BEHIND = """#!/bin/sh
real=$(date +%s%3N)
at=$(({at_ms} + (real - {began_ms}) * {speed}))
echo "$at $$ $1" >>"{folder}/record"
export PYTHONPATH="{folder}/clock" FAKE_SHIFT_MS="$((at - real))"
nice -n {less} "{command}" "$@"
code=$?
echo "$at $$ ended $code" >>"{folder}/record"
exit "$code"
"""
_AHEAD = 10
"""How nice cron is not, as its seconds are short; what it runs is as nice as everybody."""
_CLOCK = """
import os, time
real, shift = time.time, int(os.environ["FAKE_SHIFT_MS"]) / 1000
time.time = lambda: real() + shift
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program behind cron's clock."""

    began_at: float
    code: int | None
    """Its exit code; None while it runs."""


class Cron:
    """A cron whose files lie in `folder`, where a minute lasts `minute_s` seconds."""

    def __init__(self, folder: Path, *, minute_s: float = 1.0) -> None:
        self.folder = folder
        self.minute_s = minute_s
        self._speed = 60.0 / minute_s
        self._keeper: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self._pid = 0
        (folder / "mail").mkdir(parents=True)

    def __enter__(self) -> Self:
        flags = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._keeper = spawn([program("unshare"), *flags, "sh", "-ec", _KEEPER, "sh", str(self.folder)])
        read_ready(self._keeper)
        self._pid = children(self._keeper.pid)[0]
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for process in (self._keeper, self._daemon):
            if process:
                end(process)

    def inside(self) -> list[str]:
        """Return what to put before a command that is to see this cron's files."""
        return [program("nsenter"), "--target", str(self._pid), "--mount", "--pid", "--"]

    def run(self, argv: Sequence[str], *, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command that sees this cron's files."""
        return subprocess.run(
            [*self.inside(), *argv], check=False, capture_output=True, text=True, timeout=60, input=text
        )

    def start(self, at: float | None = None, zone: str = "UTC0") -> None:
        """Let cron run, from the instant `at` on, in a time zone as TZ names it."""
        library = libfaketime()
        assert library
        self._at = time.time() if at is None else at
        local = subprocess.check_output(
            ["date", "-d", f"@{self._at:.0f}", "+@%F %T"], env={"TZ": zone, "PATH": SYSTEM_PATH}, text=True
        )
        fake = [f"LD_PRELOAD={library}", f"FAKETIME={local.strip()} x{self._speed:g}", f"TZ={zone}"]
        self._began = time.time()
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [
                    *self.inside(),
                    program("nice"),
                    "-n",
                    f"-{_AHEAD}",
                    program("env"),
                    *fake,
                    program("cron"),
                    "-f",
                    "-L",
                    "15",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def now(self) -> float:
        """Return what cron's clock shows."""
        return self._at + (time.time() - self._began) * self._speed

    def behind(self, command: str) -> str:
        """Return a program that is `command`, written in Python, under cron's clock, once cron was started.

        Whenever it runs it leaves a record: see `runs`.
        """
        path = self.folder / Path(command).name
        values = {"at_ms": round(self._at * 1000), "began_ms": round(self._began * 1000), "speed": round(self._speed)}
        (self.folder / "clock").mkdir()
        (self.folder / "clock" / "sitecustomize.py").write_text(_CLOCK)
        path.write_text(_BEHIND.format(**values, less=_AHEAD, folder=self.folder, command=command))
        path.chmod(0o755)
        return str(path)

    def runs(self, verb: str) -> list[Run]:
        """Return when a program of `behind` was run with this first argument, in the order in which it began."""
        record = self.folder / "record"
        rows = [line.split() for line in record.read_text().splitlines()] if record.exists() else []
        codes = {(row[0], row[1]): int(row[3]) for row in rows if row[2] == "ended"}
        return [Run(int(at) / 1000, codes.get((at, pid))) for at, pid, word, *_ in rows if word == verb]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let cron stand still meanwhile."""
        self._signal(signal.SIGSTOP)
        yield
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill cron; what it started goes on."""
        assert self._daemon
        self._signal(signal.SIGKILL)
        end(self._daemon)

    def _signal(self, number: int) -> None:
        assert self._daemon
        for pid in descendants(self._daemon.pid):
            with suppress(FileNotFoundError, ProcessLookupError):  # one of them may end meanwhile
                if "cron" in Path(f"/proc/{pid}/comm").read_text(errors="replace"):
                    os.kill(pid, number)

    def mails(self) -> list[str]:
        """Return the mails that cron sent."""
        return [path.read_text(errors="replace") for path in sorted((self.folder / "mail").iterdir())]

    def crontab(self) -> str:
        """Return the user's crontab; empty when there is none."""
        return self.run([program("crontab"), "-l"]).stdout
