"""The lines of a known_hosts file: which keys they give a server, and which they revoke.

Pure. The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": names with `*` and `?`, `!` before those that are
left out, hashed names, and the marks `@revoked` and `@cert-authority`. The file itself stands in
`plabctl.probes.known_hosts_file`.
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
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import paramiko

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""The kinds of keys that we negotiate, the one we like best first."""
TOKEN_KINDS = {
    "sk-ssh-ed25519@openssh.com": "ssh-ed25519",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ecdsa-sha2-nistp256",
}
"""The kinds of keys on FIDO tokens, each with the kind that it is of besides."""
AUTHORITY_KINDS = (*KINDS, *TOKEN_KINDS)
_FIELDS = 3
_REVOKED, _AUTHORITY = "@revoked", "@cert-authority"
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


class _Entry(NamedTuple):
    """What one line says of a key; `fault` says why the line is passed over."""

    mark: str
    names: list[str]
    key: HostKey
    fault: str = ""


class KnownKeys:
    """What the lines say, indexed: a plain name costs one look into a dictionary, hashed names and patterns a pass.

    `authorities` are those whose certificates are believed for every host.
    """

    def __init__(self, lines: Iterable[str] = (), authorities: Iterable[HostKey] = ()) -> None:
        self._plain: dict[str, list[HostKey]] = {}
        self._matched: list[_Entry] = []
        self._revoked: list[_Entry] = []
        self._authorities = [_Entry(_AUTHORITY, ["*"], key) for key in authorities]
        marked = {_REVOKED: self._revoked, _AUTHORITY: self._authorities}
        for entry in filter(None, map(_parse_line, lines)):
            if entry.fault:
                continue
            if entry.mark:
                marked[entry.mark].append(entry)
            elif any(name.startswith(_HASHED) or _is_pattern(name) for name in entry.names):
                self._matched.append(entry)
            else:
                for name in entry.names:
                    self._plain.setdefault(name.lower(), []).append(entry.key)

    def find(self, label: str) -> tuple[HostKey, ...]:
        """Return the keys of a server that are not revoked, the kind we like best first."""
        found = self._plain.get(label.lower(), []) + _select(self._matched, label)
        if self._revoked:
            found = [key for key in found if not self.is_revoked(label, key)]
        return tuple(sorted(found, key=lambda key: KINDS.index(key.kind)))

    def format_lines(self, label: str) -> tuple[str, ...]:
        """Return lines that say of this server alone what all lines say of it."""
        keys = self._plain.get(label.lower(), []) + _select(self._matched, label)
        marked = ((_AUTHORITY, self._authorities), (_REVOKED, self._revoked))
        return (
            *(key.format_line(label) for key in keys),
            *(f"{mark} {key.format_line(label)}" for mark, entries in marked for key in _select(entries, label)),
        )

    def find_authorities(self, label: str) -> frozenset[HostKey]:
        """Return the authorities, none of them revoked, whose certificates are believed for a server."""
        return frozenset(key for key in _select(self._authorities, label) if not self.is_revoked(label, key))

    def has_revoked(self, label: str) -> bool:
        """Return whether any key is revoked for this server."""
        return any(_covers(entry.names, label) for entry in self._revoked)

    def is_revoked(self, label: str, key: HostKey) -> bool:
        """Return whether a line revokes `key`, be it a server's or an authority's, for this server."""
        return any(entry.key == key and _covers(entry.names, label) for entry in self._revoked)


def _select(entries: Iterable[_Entry], label: str) -> list[HostKey]:
    return [entry.key for entry in entries if _covers(entry.names, label)]


def strip_port(label: str) -> str:
    """Return the name of a server without the port that may be part of it: `[pc1]:2222` is `pc1`."""
    return label[1:].rpartition("]:")[0] if label.startswith("[") and "]:" in label else label


def list_faults(lines: Iterable[str]) -> Iterator[str]:
    """Yield in words which lines are passed over, and why."""
    for number, line in enumerate(lines, 1):
        entry = _parse_line(line)
        if entry and entry.fault:
            yield f"line {number}: {entry.fault}"


def parse_authorities(lines: Iterable[str]) -> tuple[HostKey, ...]:
    """Return the keys that a file of public keys holds, one in a line; raise ValueError for a line that is none."""
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip() and line.lstrip()[0] != "#":
            entry = _parse_line(f"{_AUTHORITY} * {line}")
            fault = entry.fault if entry else "no public key"
            if entry and not fault and not entry.key.blob[4:].startswith(entry.key.kind.encode()):
                fault = f"the key is not of the kind '{entry.key.kind}'"
            if entry is None or fault:
                raise ValueError(f"line {number}: {fault}")
            found.append(entry.key)
    return tuple(found)


def names_server(line: str, label: str) -> bool:
    """Return whether the line gives the server a key by its name, plain or hashed, rather than by a pattern."""
    names = line.split(maxsplit=1)[0].split(",") if line.strip() else []
    return label.lower() in map(str.lower, names) or any(
        name.startswith(_HASHED) and _hash_matches(name, label) for name in names
    )


def _parse_line(line: str) -> _Entry | None:
    """Return what a line says; None for one that is empty or a comment."""
    fields = line.split()
    if not fields or fields[0][0] == "#":
        return None
    mark = fields.pop(0) if fields[0][0] == "@" else ""
    if mark not in {"", _REVOKED, _AUTHORITY}:
        return _pass_over(f"there is no mark '{mark}'")
    if len(fields) < _FIELDS:
        return _pass_over("a name, a kind of key or a key is missing")
    names, kind, data = fields[:_FIELDS]
    if kind not in (AUTHORITY_KINDS if mark else KINDS):
        return _pass_over(f"keys of the kind '{kind}' are not used")
    try:
        return _Entry(mark, names.split(","), HostKey(kind, base64.b64decode(data, validate=True)))
    except binascii.Error:
        return _pass_over("the key is not in base64")


def _pass_over(fault: str) -> _Entry:
    return _Entry("", [], HostKey("", b""), fault)


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
