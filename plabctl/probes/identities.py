"""What we log in with: private keys, each with the certificate beside it, read again when a file has changed.

I/O. Loads paramiko. `plabctl.probes.login` offers them to a server.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple

import paramiko

from plabctl.core.model import Cause
from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.probes.probe_error import ProbeError, format_exception


class Offer(NamedTuple):
    """What to offer to a server, in order, and in words what would have been offered but cannot be used."""

    keys: tuple[paramiko.PKey, ...]
    faults: tuple[str, ...] = ()


class Identities:
    """The identities of this process, shared by all connections; one that cannot be used is our fault, not a node's."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._found: dict[str, paramiko.PKey | ProbeError] = {}

    def find(self, paths: tuple[str, ...] = ()) -> Offer:
        """Return what to offer: the keys at `paths`, else the configured one; raise ProbeError if there is nothing."""
        paths = paths or (self._path,)
        found = []
        for path in paths:
            with self._lock:  # so that a thousand threads do not all parse it
                if path not in self._found:
                    self._found[path] = _read(path)
                found.append(self._found[path])
        keys = tuple(each for each in found if not isinstance(each, ProbeError))
        faults = [each for each in found if isinstance(each, ProbeError)]
        if not keys:
            raise ProbeError(faults[0].cause, faults[0].reason)
        return Offer(keys, tuple(fault.reason for fault in faults))


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
