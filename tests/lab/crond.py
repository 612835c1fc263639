"""Debian's cron for real: its own crontabs, its own clock, its own mailbox, and nothing of the machine's is touched.

I/O, root. It runs in a mount and a process namespace of the test's own, which end with the test, however that ends.
libfaketime lets cron's minutes pass in a second. Only cron sees that clock: what cron starts gets a fresh environment.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.namespace import end, read_ready, spawn
from tests.lab.needs import libfaketime, program
from tests.lab.sshd import children

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


class Cron:
    """A cron whose files lie in `folder`, where a minute lasts `minute_s` seconds."""

    def __init__(self, folder: Path, *, minute_s: float = 1.0) -> None:
        self.folder = folder
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

    def start(self) -> None:
        """Let cron run."""
        library = libfaketime()
        assert library
        fake = [f"LD_PRELOAD={library}", f"FAKETIME=+0 x{self._speed:g}"]
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [*self.inside(), program("env"), *fake, program("cron"), "-f", "-L", "15"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def mails(self) -> list[str]:
        """Return the mails that cron sent."""
        return [path.read_text(errors="replace") for path in sorted((self.folder / "mail").iterdir())]

    def crontab(self) -> str:
        """Return the user's crontab; empty when there is none."""
        return self.run([program("crontab"), "-l"]).stdout
