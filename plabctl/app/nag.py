"""Remembering which error the last tick ended with, so that cron mails it once and not every minute.

I/O: one small file, beside no state but in the user's own default state directory, because the errors to remember
include a configuration that names no usable state directory. The rule itself is `plabctl.core.nag`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from plabctl.core.nag import Complaint, complain, recovered


class Nag:
    """The memory of one installation's ticks, told apart by the configuration they were given."""

    def __init__(self, directory: Path, config_path: str) -> None:
        import zlib  # noqa: PLC0415 - only a tick that may have something to say gets here

        self._path = directory / f"tick-error-{zlib.crc32(config_path.encode()):08x}.json"

    @property
    def remembers(self) -> bool:
        """Say whether there was an error that nobody was told the end of."""
        return self._path.exists()

    def failed(self, text: str, now: float) -> str | None:
        """Return what to say about an error, and remember it; what cannot be remembered is always said."""
        complaint, message = complain(self._read(), text, now)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside = self._path.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps(asdict(complaint)))
            beside.replace(self._path)
        except OSError:
            return text
        return message

    def succeeded(self, now: float) -> str | None:
        """Return what to say when an error is over, and forget it."""
        before = self._read()
        if before is None:
            return None
        self._path.unlink(missing_ok=True)
        return recovered(before, now)

    def _read(self) -> Complaint | None:
        try:
            return Complaint(**json.loads(self._path.read_text()))
        except (OSError, ValueError, TypeError):
            return None
