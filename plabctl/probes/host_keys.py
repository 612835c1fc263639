"""The host keys we know: a known_hosts file of our own, in OpenSSH's format.

I/O. Looking a server up is one look into a dictionary: 10,000 nodes must not cost 10,000 comparisons each. Asking a
server for its keys stands in `plabctl.probes.scan_host_keys`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plabctl.core.model import Cause
from plabctl.errors import CommitUncertain, PlabctlError, StoreBusy
from plabctl.files.atomic import Unconfirmed, append_line
from plabctl.probes import known_hosts_file
from plabctl.probes.probe_error import ProbeError, format_exception

if TYPE_CHECKING:
    import paramiko

_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_FIELDS = 3


@dataclass(frozen=True, slots=True)
class HostKey:
    """A server's public key: its kind, such as `ssh-ed25519`, and its bytes."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """Return it as OpenSSH shows it."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def format_line(self, label: str) -> str:
        """Return the line of known_hosts, without its end, that says that `label` has this key."""
        return f"{label} {self.kind} {base64.b64encode(self.blob).decode()}"

    @classmethod
    def from_paramiko(cls, key: paramiko.PKey) -> HostKey:
        """Return paramiko's `key` as one of ours."""
        return cls(key.get_name(), key.asbytes())

    def parse(self) -> paramiko.PKey:
        """Return it as paramiko wants it."""
        import paramiko

        return paramiko.PKey.from_type_string(self.kind, self.blob)


class KnownHosts:
    """A known_hosts file, read once; may be used from many threads.

    Besides root and the current user, `owners` (user ids) may own it, and no one else.
    """

    def __init__(self, path: str | Path, owners: Collection[int] = ()) -> None:
        self._path = Path(path)
        self._owners = owners
        self._lock = threading.Lock()
        self._by_label: dict[str, list[HostKey]] | None = None
        self._hashed: list[tuple[str, HostKey]] = []
        self._error = "" if str(path) else "no file of known host keys is configured ('known_hosts' under [ssh])"

    def load(self) -> None:
        """Read the file if that was not done yet; raise ProbeError if it is there and cannot be read."""
        with self._lock:
            if self._by_label is None:
                try:
                    self._index(known_hosts_file.read(self._path, self._owners))
                except OSError as error:
                    self._error = f"known_hosts '{self._path}' cannot be read: {format_exception(error)}"
                    self._by_label = {}
        if self._error:
            raise ProbeError(Cause.LOCAL, self._error)

    def find(self, label: str) -> tuple[HostKey, ...]:
        """Return the keys known for a server, the kind we like best first."""
        self.load()
        with self._lock:
            found = list((self._by_label or {}).get(label.lower(), ()))
        found += [key for name, key in self._hashed if _hash_matches(name, label)]
        return tuple(sorted(found, key=lambda key: _KINDS.index(key.kind)))

    def learn(self, label: str, key: HostKey) -> bool:
        """Remember the first key of a server, on disk as well; return whether `key` is now the one known for it.

        Another thread or process may have learnt a key of the same server a moment ago. The second one finds that key
        in the file, under its lock, and must offer the same one.
        """
        self.load()
        with self._lock:
            try:
                with known_hosts_file.lock(self._path, self._owners):
                    self._index(known_hosts_file.read(self._path, self._owners))
                    known = (self._by_label or {}).get(label.lower(), [])
                    if not known:
                        append_line(str(self._path), key.format_line(label))
                        self._index(known_hosts_file.read(self._path, self._owners))
            except OSError as error:
                raise ProbeError(
                    Cause.LOCAL, f"known_hosts '{self._path}' cannot be written: {format_exception(error)}"
                ) from None
        return not known or key in known

    def _index(self, lines: Iterable[str]) -> None:
        by_label: dict[str, list[HostKey]] = {}
        self._hashed = []
        for names, key in _parse_entries(lines):
            for name in names:
                if name.startswith("|1|"):
                    self._hashed.append((name, key))
                else:
                    by_label.setdefault(name.lower(), []).append(key)
        self._by_label = by_label


def trust_keys(path: Path, label: str, keys: Sequence[HostKey], owners: Collection[int] = ()) -> None:
    """Make `keys` the only ones known for `label`, atomically and durably; `owners` are as for `KnownHosts`.

    Raises StoreBusy when another process keeps the file locked, CommitUncertain when the disk did not confirm what is
    in place now, and PlabctlError when the file cannot be written.
    """
    try:
        with known_hosts_file.lock(path, owners):
            kept = [line for line in known_hosts_file.read(path, owners) if not _is_about(line, label)]
            known_hosts_file.replace(path, [*kept, *(key.format_line(label) for key in keys)])
    except known_hosts_file.LockTaken as error:
        raise StoreBusy(str(error), hint="try again; if that process hangs, end it") from error
    except Unconfirmed as error:
        raise CommitUncertain(f"known_hosts '{path}': {error.strerror}", hint="check that disk") from error
    except OSError as error:
        raise PlabctlError(f"known_hosts '{path}' cannot be written: {format_exception(error)}") from error


def _parse_entries(lines: Iterable[str]) -> Iterator[tuple[list[str], HostKey]]:
    for line in lines:
        fields = line.split()
        if len(fields) < _FIELDS or fields[0][0] in "#@" or fields[1] not in _KINDS:
            continue  # comments, marked lines and kinds that we never negotiate
        try:
            yield fields[0].split(","), HostKey(fields[1], base64.b64decode(fields[2], validate=True))
        except binascii.Error:
            continue


def _is_about(line: str, label: str) -> bool:
    names = line.split(maxsplit=1)[0].split(",") if line.strip() else []
    return label.lower() in map(str.lower, names) or any(
        name.startswith("|1|") and _hash_matches(name, label) for name in names
    )


def _hash_matches(name: str, label: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in name.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    # OpenSSH hashes the name in lower case; others may have hashed it as somebody wrote it.
    return any(hmac.digest(salt, form.encode(), "sha1") == digest for form in {label.lower(), label})
