"""The private key that nodes know us by: read once, shared by all connections.

I/O. Loads paramiko.
Tests: `tests/app/test_named_files.py`.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import paramiko

from plabctl.core.model import Cause
from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.probes.probe_error import ProbeError, format_exception


class PrivateKeys:
    """Private keys by path; a key that cannot be used is our fault, not the node's."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._found: dict[str, paramiko.PKey | ProbeError] = {}

    def find(self, path: str = "") -> paramiko.PKey:
        """Return the key at `path`, by default the configured one; raise ProbeError if it cannot be used."""
        path = path or self._path
        with self._lock:  # so that a thousand threads do not all parse it
            found = self._found.get(path)
            if found is None:
                found = self._found[path] = _read(path)
        if isinstance(found, ProbeError):
            raise ProbeError(found.cause, found.reason)
        return found


def _read(path: str) -> paramiko.PKey | ProbeError:
    if not path:
        return ProbeError(Cause.LOCAL, "no SSH key is configured ('key' under [ssh])")
    found = Path(path).expanduser()
    try:
        os.close(open_trusted(str(found), anyone=True, file_only=True).fd)  # a pipe would keep us waiting
        return paramiko.PKey.from_path(found)
    except Untrusted as error:
        return ProbeError(Cause.LOCAL, f"the SSH key '{path}' is not used: {error}")
    except paramiko.PasswordRequiredException:
        return ProbeError(Cause.LOCAL, f"the SSH key '{path}' has a passphrase; plabctl needs one without")
    except OSError as error:
        return ProbeError(Cause.LOCAL, f"the SSH key '{path}' cannot be read: {format_exception(error)}")
    except Exception as error:  # noqa: BLE001 - key parsers raise whatever they stumble over
        return ProbeError(Cause.LOCAL, f"the SSH key '{path}' cannot be used: {format_exception(error)}")
