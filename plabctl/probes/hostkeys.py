"""The host keys we know: a known_hosts file of our own, in OpenSSH's format.

I/O. Looking a server up is one look into a dictionary: 10,000 nodes must not cost 10,000 comparisons each. Asking a
server for its keys stands in `plabctl.probes.scan`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plabctl.core.model import Cause
from plabctl.errors import PlabctlError
from plabctl.probes.trouble import Trouble, words

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

    def line(self, label: str) -> str:
        """Return the line of known_hosts, without its end, that says that `label` has this key."""
        return f"{label} {self.kind} {base64.b64encode(self.blob).decode()}"

    @classmethod
    def of(cls, key: paramiko.PKey) -> HostKey:
        """Return paramiko's `key` as one of ours."""
        return cls(key.get_name(), key.asbytes())

    def parsed(self) -> paramiko.PKey:
        """Return it as paramiko wants it."""
        import paramiko  # noqa: PLC0415 - only a connection needs it

        return paramiko.PKey.from_type_string(self.kind, self.blob)


class KnownHosts:
    """A known_hosts file, read once; may be used from many threads."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._by_label: dict[str, list[HostKey]] | None = None
        self._hashed: list[tuple[str, HostKey]] = []
        self._trouble = "" if str(path) else "no file of known host keys is configured ('known_hosts' under [ssh])"

    def load(self) -> None:
        """Read the file if that was not done yet; raise Trouble if it is there and cannot be read."""
        with self._lock:
            if self._by_label is None:
                try:
                    self._index(_read(self._path))
                except OSError as error:
                    self._trouble = f"known_hosts '{self._path}' cannot be read: {words(error)}"
                    self._by_label = {}
        if self._trouble:
            raise Trouble(Cause.LOCAL, self._trouble)

    def find(self, label: str) -> tuple[HostKey, ...]:
        """Return the keys known for a server, the kind we like best first."""
        self.load()
        with self._lock:
            found = list((self._by_label or {}).get(label, ()))
        found += [key for name, key in self._hashed if _hash_matches(name, label)]
        return tuple(sorted(found, key=lambda key: _KINDS.index(key.kind)))

    def learn(self, label: str, key: HostKey) -> bool:
        """Remember the first key of a server, on disk as well; say whether `key` is now the one known for it.

        Another thread or process may have learnt a key of the same server a moment ago. Whoever comes second finds
        that key in the file, under its lock, and must offer the same one.
        """
        self.load()
        with self._lock:
            try:
                with _locked(self._path):
                    self._index(_read(self._path))
                    known = (self._by_label or {}).get(label, [])
                    if not known:
                        _append(self._path, [key.line(label)])
                        self._index(_read(self._path))
            except OSError as error:
                raise Trouble(Cause.LOCAL, f"known_hosts '{self._path}' cannot be written: {words(error)}") from None
        return not known or key in known

    def _index(self, lines: Iterable[str]) -> None:
        by_label: dict[str, list[HostKey]] = {}
        self._hashed = []
        for names, key in _entries(lines):
            for name in names:
                if name.startswith("|1|"):
                    self._hashed.append((name, key))
                else:
                    by_label.setdefault(name, []).append(key)
        self._by_label = by_label


def trust(path: Path, label: str, keys: Sequence[HostKey]) -> None:
    """Make `keys` the only ones known for `label`, atomically; raise PlabctlError if the file cannot be written."""
    try:
        with _locked(path):
            kept = [line for line in _read(path) if not _is_about(line, label)]
            _replace(path, [*kept, *(key.line(label) for key in keys)])
    except OSError as error:
        raise PlabctlError(f"known_hosts '{path}' cannot be written: {words(error)}") from error


def _entries(lines: Iterable[str]) -> Iterator[tuple[list[str], HostKey]]:
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
    return label in names or any(name.startswith("|1|") and _hash_matches(name, label) for name in names)


def _hash_matches(name: str, label: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in name.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, label.encode(), hashlib.sha1).digest(), digest)


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _append(path: Path, lines: Sequence[str]) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, ("\n" * torn + "".join(f"{line}\n" for line in lines)).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, lines: Sequence[str]) -> None:
    import tempfile  # noqa: PLC0415 - only `plabctl trust` needs it

    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from the start
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - it is open already
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of known_hosts: a file beside it, because `trust` puts a new file in its place."""
    import fcntl  # noqa: PLC0415 - only writing needs it

    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path.with_name(f"{path.name}.lock"), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
