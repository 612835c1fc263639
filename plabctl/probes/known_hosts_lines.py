"""The lines of a known_hosts file: which keys they give a server, and which they revoke.

Pure. The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": names with `*` and `?`, `!` before those that are
left out, hashed names, and the mark `@revoked`. Lines of authorities (`@cert-authority`) are passed over. The file
itself stands in `plabctl.probes.known_hosts_file`.
Tests: `tests/probes/test_host_keys.py`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import paramiko

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""The kinds of keys that we negotiate, the one we like best first."""
_FIELDS = 3
_REVOKED = "@revoked"
_HASHED = "|1|"


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


class KnownKeys:
    """What the lines say, indexed: a plain name costs one look into a dictionary, hashed names and patterns a pass."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._plain: dict[str, list[HostKey]] = {}
        self._matched: list[tuple[list[str], HostKey]] = []
        self._revoked: list[tuple[list[str], HostKey]] = []
        for mark, names, key in _parse_entries(lines):
            if mark:
                self._revoked.append((names, key))
            elif any(name.startswith(_HASHED) or _is_pattern(name) for name in names):
                self._matched.append((names, key))
            else:
                for name in names:
                    self._plain.setdefault(name.lower(), []).append(key)

    def find(self, label: str) -> tuple[HostKey, ...]:
        """Return the keys of a server that are not revoked, the kind we like best first."""
        found = self._plain.get(label.lower(), []) + [key for names, key in self._matched if _covers(names, label)]
        if self._revoked:
            found = [key for key in found if not self.is_revoked(label, key)]
        return tuple(sorted(found, key=lambda key: KINDS.index(key.kind)))

    def is_revoked(self, label: str, key: HostKey) -> bool:
        """Return whether a line revokes `key` for this server."""
        return any(key == revoked and _covers(names, label) for names, revoked in self._revoked)


def names_server(line: str, label: str) -> bool:
    """Return whether the line gives the server a key by its name, plain or hashed, rather than by a pattern."""
    names = line.split(maxsplit=1)[0].split(",") if line.strip() else []
    return label.lower() in map(str.lower, names) or any(
        name.startswith(_HASHED) and _hash_matches(name, label) for name in names
    )


def _parse_entries(lines: Iterable[str]) -> Iterator[tuple[str, list[str], HostKey]]:
    for line in lines:
        fields = line.split()
        mark = fields.pop(0) if fields and fields[0] == _REVOKED else ""
        if len(fields) < _FIELDS or fields[0][0] in "#@" or fields[1] not in KINDS:
            continue  # comments, authorities and kinds that we never negotiate
        try:
            yield mark, fields[0].split(","), HostKey(fields[1], base64.b64decode(fields[2], validate=True))
        except binascii.Error:
            continue


def _is_pattern(name: str) -> bool:
    return name.startswith("!") or "*" in name or "?" in name


def _covers(names: list[str], label: str) -> bool:
    """Return whether one of the names is the server's, and none of those with `!`."""
    if any(name.startswith("!") and _matches(name[1:], label) for name in names):
        return False
    return any(not name.startswith("!") and _matches(name, label) for name in names)


def _matches(name: str, label: str) -> bool:
    if name.startswith(_HASHED):
        return _hash_matches(name, label)
    pattern = re.escape(name.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, label.lower()) is not None


def _hash_matches(name: str, label: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in name.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    # OpenSSH hashes the name in lower case; others may have hashed it as somebody wrote it.
    return any(hmac.digest(salt, form.encode(), "sha1") == digest for form in {label.lower(), label})
