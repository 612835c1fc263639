"""Certificates of hosts: what one says, whether its authority signed it, and whether it is good for a host now.

Pure. Loads paramiko, which computes signatures. The format is that of OpenSSH's PROTOCOL.certkeys, and the rules are
those of its `ssh`, which `tests/probes/test_host_certificates.py` asks. Which authorities are known is the matter of
`plabctl.probes.host_keys`; what follows from a certificate, of `plabctl.probes.host_key_policy`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import paramiko

from plabctl.probes.algorithms import CERTIFICATE, find_kind
from plabctl.probes.clean import clean_line
from plabctl.probes.known_hosts_lines import AUTHORITY_KINDS, HostKey
from plabctl.probes.signatures import find_signer, pack
from plabctl.probes.user_certificates import FieldReader

_HOST, _USER = 2, 1
_KEY_FIELDS = {"ssh-ed25519": 1}
"""How many fields a key has; two unless it is named here."""
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
_MOST_PRINCIPALS = 256
"""As in OpenSSH."""
_SHOWN = 3
_LONGEST = 60
_LAST_YEAR = 253402300799
"""9999-12-31T23:59:59Z."""


class BadCertificate(paramiko.SSHException):
    """What a server shows as its certificate is none, or its authority did not sign it."""


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """A certificate that `authority` signed; the instants are seconds since 1970, and valid until before the last."""

    key: HostKey
    authority: HostKey
    signature_kind: str
    is_for_hosts: bool
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    critical_options: tuple[str, ...]


class _Reader(FieldReader):
    """Raises BadCertificate where the fields end too early."""

    def text(self) -> str:
        """Return a string that is meant for people; OpenSSH accepts none with a null byte."""
        data = self.string()
        if b"\0" in data:
            raise BadCertificate("it has a null byte in a name")
        return data.decode(errors="replace")

    def list(self) -> list[bytes]:
        """Return the strings that a string is made of."""
        inner, found = _Reader(self.string()), []
        while not inner.is_done:
            found.append(inner.string())
        return found

    @property
    def is_done(self) -> bool:
        return self.place == len(self._data)

    def _take(self, size: int) -> bytes:
        try:
            return super()._take(size)
        except ValueError as error:
            raise BadCertificate(str(error)) from None


def parse_certificate(data: bytes, algorithm: str) -> HostCertificate:
    """Return what a certificate says that was shown for `algorithm`, such as `rsa-sha2-512-cert-v01@openssh.com`.

    Raise BadCertificate if it is malformed, or not signed by the authority that it names.
    """
    reader, kind = _Reader(data), find_kind(algorithm)
    if reader.text() != kind + CERTIFICATE:
        raise BadCertificate(f"it is none for a key of the kind {kind}")
    reader.string()  # a nonce
    key = HostKey(kind, pack(kind.encode(), *(reader.string() for _ in range(_KEY_FIELDS.get(kind, 2)))))
    reader.number(8)  # a serial number
    purpose = reader.number(4)
    reader.text()  # what the authority calls the key
    principals = reader.list()
    valid_after, valid_before = reader.number(8), reader.number(8)
    options, extensions = reader.list(), reader.list()
    reader.string()  # reserved
    authority = _read_authority(reader.string())
    signed = data[: reader.place]
    signature = reader.string()
    if not reader.is_done or len(options) % 2 or len(extensions) % 2 or purpose not in {_HOST, _USER}:
        raise BadCertificate("it is malformed")
    if len(principals) > _MOST_PRINCIPALS or any(b"\0" in each for each in principals):
        raise BadCertificate("the names in it are malformed")
    return HostCertificate(
        key,
        authority,
        _check_signature(authority, signature, signed),
        purpose == _HOST,
        tuple(each.decode(errors="replace") for each in principals),
        valid_after,
        valid_before,
        tuple(each.decode(errors="replace") for each in options[::2]),
    )


def _read_authority(data: bytes) -> HostKey:
    kind = _Reader(data).text()
    if kind not in AUTHORITY_KINDS:
        raise BadCertificate(f"it is signed by a key of the kind {clean_line(kind, _LONGEST)}")
    return HostKey(kind, data)


def _check_signature(authority: HostKey, signature: bytes, signed: bytes) -> str:
    """Return the kind of the signature; raise BadCertificate if it is not the authority's.

    RSA by SHA-1 is not computed, which `find_fault` refuses anyway.
    """
    kind = _Reader(signature).text()
    if kind == authority.kind == "ssh-rsa":
        return kind
    is_right_kind = kind in _RSA_SIGNATURES if authority.kind == "ssh-rsa" else kind == authority.kind
    try:
        if is_right_kind and find_signer(authority, kind, signature, signed):
            return kind
    except Exception as error:  # the parsers raise whatever they stumble over
        raise BadCertificate("the signature of its authority is malformed") from error
    raise BadCertificate("it was not signed by the authority that it names")


def find_fault(certificate: HostCertificate, name: str, now: float) -> str:
    """Return why a certificate is not good for the host `name` at `now`, with the certificate as subject; or "".

    The name is that of the host as it was given, in lower case and without a port. As for `ssh` up to OpenSSH 10.2, a
    certificate without names is good for every host, and a name stands for itself alone.
    """
    return next(_list_faults(certificate, name, now), "")


def _list_faults(certificate: HostCertificate, name: str, now: float) -> Iterator[str]:
    principals, options = certificate.principals, certificate.critical_options
    if not certificate.is_for_hosts:
        yield "is one for users"
    if now < certificate.valid_after:
        yield f"is not valid before {_format_time(certificate.valid_after)}"
    if now >= certificate.valid_before:
        yield f"expired at {_format_time(certificate.valid_before)}"
    if principals and name not in principals:
        more = f" and {len(principals) - _SHOWN} more" if len(principals) > _SHOWN else ""
        yield f"is for {', '.join(map(_quote, principals[:_SHOWN]))}{more}, not for {_quote(name)}"
    if options:
        yield f"has the critical option {_quote(options[0])}, which is not known"
    if certificate.signature_kind == "ssh-rsa":
        yield "was signed with SHA-1"


def _quote(text: str) -> str:
    return f"'{clean_line(text, _LONGEST)}'"


def _format_time(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if at <= _LAST_YEAR else "the year 10000"
