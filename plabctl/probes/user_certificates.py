"""Certificates for our login: what one says, whether it can be offered, and when a person must be told.

Pure, and light: `status` asks it. The format is that of OpenSSH's PROTOCOL.certkeys; who signed it is for the nodes to
check. The file is read by `plabctl.probes.certificate_file`.
Tests: `tests/probes/test_identities.py`.
"""

from __future__ import annotations

import time
from binascii import Error, a2b_base64
from collections.abc import Iterator
from typing import NamedTuple

from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.durations import format_duration

WARNING_S = 86400.0
"""How long before the end of a certificate `check`, `status` and `doctor` warn of it."""
SKEW_S = 60.0
"""By how much a node's clock may differ from ours: a refusal so near to either end of the validity proves nothing."""
_SUFFIX = b"-cert-v01@openssh.com"
_KEY_FIELDS = {
    b"ssh-rsa": 2,
    b"ssh-ed25519": 1,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
    b"sk-ssh-ed25519@openssh.com": 2,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
"""Of how many fields a public key of each kind consists, its name left out."""
KEY_KINDS = frozenset(map(bytes.decode, _KEY_FIELDS))
"""The kinds of public keys that are offered."""
_FOR_USERS = 1
_LAST_YEAR = 253402300799
"""9999-12-31T23:59:59Z; `ssh-keygen` writes the largest number of 64 bits for a certificate that is valid for ever."""


class UserCertificate(NamedTuple):
    """A certificate for the public key `key`, valid from `valid_after` until before `valid_before` (since 1970)."""

    kind: str
    """As it is named on the wire, such as `ssh-ed25519-cert-v01@openssh.com`."""
    blob: bytes
    key: bytes
    is_for_users: bool
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int

    def is_near_an_end(self, now: float) -> bool:
        """Return whether a node whose clock differs a little may see it as not yet, or no longer valid."""
        return now - self.valid_after < SKEW_S or self.valid_before - now < SKEW_S


class FieldReader:
    """Reads the fields of a certificate one after the other; raises ValueError where they end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def number(self, size: int) -> int:
        """Return a number of so many bytes."""
        return int.from_bytes(self._take(size))

    def string(self) -> bytes:
        """Return what follows its own length."""
        return self._take(self.number(4))

    def _take(self, size: int) -> bytes:
        self.place += size
        if self.place > len(self._data):
            message = "it is cut off"
            raise ValueError(message)
        return self._data[self.place - size : self.place]


def parse_line(text: str) -> UserCertificate:
    """Return the certificate in the one line of a file; raise ValueError if it is none."""
    fields = text.split(maxsplit=2)
    try:
        blob = a2b_base64(fields[1], strict_mode=True)
    except (Error, IndexError, ValueError):
        message = "it is not a line of kind and base64"
        raise ValueError(message) from None
    certificate = parse_certificate(blob)
    if certificate.kind != fields[0]:
        message = "its line and its content name different kinds"
        raise ValueError(message)
    return certificate


def parse_certificate(blob: bytes) -> UserCertificate:
    """Return what a certificate says; raise ValueError if it is none, or one of an unknown kind."""
    reader = FieldReader(blob)
    kind = reader.string()
    plain = kind.removesuffix(_SUFFIX) if kind.endswith(_SUFFIX) else b""
    plain += b"@openssh.com" if plain.startswith(b"sk-") else b""
    if plain not in _KEY_FIELDS:
        message = "it is a public key" if kind in _KEY_FIELDS else "it is of no known kind"
        raise ValueError(message)
    reader.string()  # a nonce
    begin = reader.place
    for _ in range(_KEY_FIELDS[plain]):
        reader.string()
    key = len(plain).to_bytes(4) + plain + blob[begin : reader.place]
    reader.number(8)  # a serial number
    purpose = reader.number(4)
    reader.string()  # what the authority calls the key
    names = FieldReader(reader.string())
    principals = []
    while names.place < len(names._data):
        principals.append(names.string().decode(errors="replace"))
    after, before = reader.number(8), reader.number(8)
    return UserCertificate(kind.decode(), blob, key, purpose == _FOR_USERS, tuple(principals), after, before)


def read_kind(blob: bytes) -> str:
    """Return the kind of a public key or certificate as on the wire."""
    return blob[4 : 4 + int.from_bytes(blob[:4])].decode(errors="replace")


def find_fault(certificate: UserCertificate, key: bytes | None, now: float) -> str:
    """Return why a certificate is not offered with the public key `key` at `now`, with it as the subject, or "".

    Without a `key`, whether it is for that one is not looked at.
    """
    return next(_list_faults(certificate, key, now), "")


def _list_faults(certificate: UserCertificate, key: bytes | None, now: float) -> Iterator[str]:
    if not certificate.is_for_users:
        yield "is one for hosts"
    if key is not None and certificate.key != key:
        yield "was made for another key"
    if now < certificate.valid_after:
        yield f"is not valid before {format_instant(certificate.valid_after)}"
    if now >= certificate.valid_before:
        yield f"expired at {format_instant(certificate.valid_before)}"


def judge(path: str, certificate: UserCertificate | None, fault: str, now: float) -> Problem | None:
    """Return the problem with the certificate at `path`: that of `fault`, or that it ends soon; None if there is none.

    `fault` has the certificate as its subject.
    """
    if fault:
        reason = f"the certificate '{path}' {fault}: nodes are offered the bare key alone"
        remedy = "renew or remove it; the next login uses what is there then"
        return Problem(ProblemKind.CERTIFICATE, reason, remedy, severity=Severity.WARNING)
    if certificate is None:
        return None
    left_s = certificate.valid_before - now
    if left_s >= WARNING_S:
        return None
    reason = (
        f"the certificate '{path}' expires in {format_duration(left_s)}, at {format_instant(certificate.valid_before)}"
    )
    remedy = "renew it; the next login uses what is there then"
    return Problem(ProblemKind.CERTIFICATE, reason, remedy, severity=Severity.WARNING)


def format_instant(at: int) -> str:
    """Return an instant as programs and people read it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if at <= _LAST_YEAR else "the end of time"
