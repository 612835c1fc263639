"""The host keys we know: a known_hosts file of our own, in OpenSSH's format.

I/O. Looking a server up is one look into a dictionary: 10,000 nodes must not cost 10,000 comparisons each. Asking a
server for its keys stands in `plabctl.probes.scan_host_keys`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from plabctl.core.model import Cause
from plabctl.errors import CommitUncertain, PlabctlError, StoreBusy
from plabctl.files.atomic import Unconfirmed, append_line
from plabctl.probes import known_hosts_file
from plabctl.probes.known_hosts_lines import (
    HostKey,
    KnownKeys,
    list_faults,
    names_server,
    parse_authorities,
    strip_port,
)
from plabctl.probes.probe_error import ProbeError, format_exception


class KnownHosts:
    """A known_hosts file, read once; may be used from many threads.

    Besides root and the current user, `owners` (user ids) may own it, and no one else. `host_ca` names files with the
    keys of authorities whose certificates are believed for every host.
    """

    def __init__(self, path: str | Path, owners: Collection[int] = (), host_ca: Sequence[str] = ()) -> None:
        self._path = Path(path)
        self._owners = owners
        self._host_ca = host_ca
        self._authorities: tuple[HostKey, ...] = ()
        self._carried: dict[str, KnownKeys] = {}
        """What another machine knows, by server."""
        self._lock = threading.Lock()
        self._keys: KnownKeys | None = None
        self._error = "" if str(path) else "no file of known host keys is configured ('known_hosts' under [ssh])"

    def load(self) -> None:
        """Read the files if that was not done yet; raise ProbeError if one cannot be read."""
        with self._lock:
            if self._keys is None:
                self._keys = KnownKeys()
                try:
                    self._authorities = read_authorities(self._host_ca, self._owners)
                    self._keys = self._read()
                except OSError as error:
                    self._error = f"known_hosts '{self._path}' cannot be read: {format_exception(error)}"
                except PlabctlError as error:
                    self._error = str(error)
        if self._error:
            raise ProbeError(Cause.LOCAL, self._error)

    def find(self, label: str) -> tuple[HostKey, ...]:
        """Return the keys known for a server that are not revoked, the kind we like best first."""
        keys = self._load_keys().find(label)
        if carried := self._carried.get(label.lower()):
            keys = tuple(dict.fromkeys((*carried.find(label), *keys)))
            keys = tuple(key for key in keys if not self.is_revoked(label, key))
        return keys

    def is_revoked(self, label: str, key: HostKey) -> bool:
        """Return whether the file revokes `key` for a server."""
        carried = self._carried.get(label.lower())
        return self._load_keys().is_revoked(label, key) or (carried is not None and carried.is_revoked(label, key))

    def knows(self, label: str) -> bool:
        """Return whether a server can be accepted: a key or an authority is known for it, also without its port."""
        return any(self.find(each) or self.find_authorities(each) for each in (label, strip_port(label)))

    def list_faults(self) -> list[str]:
        """Return in words which lines of the file are passed over, and why; raise OSError if it cannot be read."""
        return list(list_faults(known_hosts_file.read(self._path, self._owners)))

    def has_revoked(self, label: str) -> bool:
        """Return whether the file revokes any key for a server."""
        carried = self._carried.get(label.lower())
        return self._load_keys().has_revoked(label) or (carried is not None and carried.has_revoked(label))

    def find_authorities(self, label: str) -> frozenset[HostKey]:
        """Return the authorities whose certificates are believed for a server."""
        found = self._load_keys().find_authorities(label)
        if carried := self._carried.get(label.lower()):
            found = frozenset(key for key in found | carried.find_authorities(label) if not self.is_revoked(label, key))
        return found

    def format_lines(self, label: str) -> tuple[str, ...]:
        """Return what the files say of a server, as lines for `carry` on another machine."""
        return self._load_keys().format_lines(label)

    def carry(self, lines: Mapping[str, Sequence[str]]) -> None:
        """Take what another machine knows of servers, by name, in place of what it knew before; nothing is written."""
        for label, own in lines.items():
            self._carried[label.lower()] = KnownKeys(own)

    def _read(self) -> KnownKeys:
        return KnownKeys(known_hosts_file.read(self._path, self._owners), self._authorities)

    def _load_keys(self) -> KnownKeys:
        self.load()
        assert self._keys is not None
        return self._keys

    def learn(self, label: str, key: HostKey) -> bool:
        """Remember the first key of a server, on disk as well; return whether `key` is now the one known for it.

        Another thread or process may have learnt a key of the same server a moment ago. The second one finds that key
        in the file, under its lock, and must offer the same one.
        """
        self.load()
        with self._lock:
            try:
                with known_hosts_file.lock(self._path, self._owners):
                    keys = self._read()
                    if keys.is_revoked(label, key):
                        return False
                    known = keys.find(label)
                    if not known:
                        append_line(str(self._path), key.format_line(label))
                        keys = self._read()
                    self._keys = keys
            except OSError as error:
                raise ProbeError(
                    Cause.LOCAL, f"known_hosts '{self._path}' cannot be written: {format_exception(error)}"
                ) from None
        return not known or key in known


def read_authorities(paths: Sequence[str], owners: Collection[int] = ()) -> tuple[HostKey, ...]:
    """Return the keys of the authorities that these files hold; raise PlabctlError for one that is of no use.

    The same people may own them as own known_hosts.
    """
    found: list[HostKey] = []
    for path in paths:
        try:
            keys = parse_authorities(known_hosts_file.read(Path(path), owners, missing_ok=False))
        except OSError as error:
            raise PlabctlError(f"'{path}' cannot be read: {format_exception(error)}") from error
        except ValueError as error:
            raise PlabctlError(f"'{path}' is no file of public keys: {error}") from error
        if not keys:
            raise PlabctlError(f"'{path}' holds no public key")
        found += keys
    return tuple(found)


def trust_keys(path: Path, label: str, keys: Sequence[HostKey], owners: Collection[int] = ()) -> None:
    """Make `keys` the only ones known for `label`, atomically and durably; `owners` are as for `KnownHosts`.

    Raises StoreBusy when another process keeps the file locked, CommitUncertain when the disk did not confirm what is
    in place now, and PlabctlError when the file cannot be written.
    """
    try:
        with known_hosts_file.lock(path, owners):
            kept = [line for line in known_hosts_file.read(path, owners) if not names_server(line, label)]
            known_hosts_file.replace(path, [*kept, *(key.format_line(label) for key in keys)])
    except known_hosts_file.LockTaken as error:
        raise StoreBusy(str(error), hint="try again; if that process hangs, end it") from error
    except Unconfirmed as error:
        raise CommitUncertain(f"known_hosts '{path}': {error.strerror}", hint="check that disk") from error
    except OSError as error:
        raise PlabctlError(f"known_hosts '{path}' cannot be written: {format_exception(error)}") from error
