"""Remembering which error the last tick ended with, so that cron mails it once and not every minute.

I/O: one small file, beside no state but in the user's own default state directory, because the errors to remember
include a configuration that names no usable state directory. The rule itself is `plabctl.core.nag`.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.core.nag import Complaint


class Nag:
    """The memory of one installation's ticks, told apart by the configuration they were given."""

    def __init__(self, directory: str, config_path: str) -> None:
        self._directory = directory
        self._path = f"{directory}/tick-error-{zlib.crc32(config_path.encode()):08x}.json"

    @property
    def remembers(self) -> bool:
        """Say whether there was an error that nobody was told the end of."""
        return os.path.exists(self._path)  # noqa: PTH110 - every idle tick asks, and pathlib is slow to import

    def failed(self, text: str, now: float) -> str | None:
        """Return what to say about an error, and remember it; what cannot be remembered is always said."""
        # Imported here, as below: most ticks have nothing to say.
        import json  # noqa: PLC0415
        from dataclasses import asdict  # noqa: PLC0415
        from pathlib import Path  # noqa: PLC0415

        from plabctl.core.nag import complain  # noqa: PLC0415

        complaint, message = complain(self._read(), text, now)
        try:
            Path(self._directory).mkdir(mode=0o700, parents=True, exist_ok=True)
            beside = Path(f"{self._path}.{os.getpid()}")
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
        from plabctl.core.nag import recovered  # noqa: PLC0415

        os.unlink(self._path)  # noqa: PTH108 - as above
        return recovered(before, now)

    def _read(self) -> Complaint | None:
        if not self.remembers:
            return None
        import json  # noqa: PLC0415

        from plabctl.core.nag import Complaint  # noqa: PLC0415

        try:
            with open(self._path, encoding="utf-8") as file:  # noqa: PTH123 - as above
                return Complaint(**json.load(file))
        except (OSError, ValueError, TypeError):
            return None
