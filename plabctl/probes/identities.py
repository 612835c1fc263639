"""What we log in with: private keys, each with the certificate beside it, read again when a file has changed.

I/O. Loads paramiko. `plabctl.probes.login` offers them to a server.
"""

from __future__ import annotations

import copy
import io
import os
import threading
from typing import NamedTuple

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.pkey import PublicBlob

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.probes.certificate_file import SUFFIX, CertificateFile, read_certificate, read_stamp
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.probes.user_certificates import UserCertificate

_MOST_BYTES = 256 * 1024
"""No private key is longer."""


class Identity(NamedTuple):
    """A key to offer; with a certificate, that is offered in its place."""

    key: paramiko.PKey
    certificate: UserCertificate | None = None


class Offer(NamedTuple):
    """What to offer to a server, in order, and in words what would have been offered but cannot be used."""

    identities: tuple[Identity, ...]
    faults: tuple[str, ...] = ()


class _Entry(NamedTuple):
    """What was read at one path, and how the files looked before."""

    stamp: object
    key: paramiko.PKey | ProbeError
    bare: Identity | None = None
    certified: Identity | None = None
    file: CertificateFile | None = None


class Identities:
    """The identities of this process, shared by all connections; one that cannot be used is our fault, not a node's."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, _Entry] = {}

    def find(self, paths: tuple[str, ...] = ()) -> Offer:
        """Return what to offer: the keys at `paths`, else the configured one; raise ProbeError if there is nothing."""
        identities: list[Identity] = []
        faults = []
        for entry in map(self._read, paths or (self._path,)):
            if isinstance(entry.key, ProbeError):
                faults.append(entry.key.reason)
                continue
            fault = entry.file.find_fault(entry.key.asbytes(), self._clock.now()) if entry.file else ""
            if fault and entry.file:
                faults.append(f"the certificate '{entry.file.path}' {fault}")
            identities += [each for each in (entry.certified if not fault else None, entry.bare) if each]
        if not identities:
            raise ProbeError(Cause.LOCAL, faults[0])
        return Offer(tuple(identities), tuple(faults))

    def _read(self, path: str) -> _Entry:
        """Return what is at `path` now; a certificate is renewed while we run, and so may be its key."""
        real = os.path.expanduser(path)
        stamp = (read_stamp(real), read_stamp(real + SUFFIX))
        with self._lock:  # so that a thousand threads do not all parse it
            entry = self._found.get(path)
            if entry is None or entry.stamp != stamp:
                entry = self._found[path] = _read_entry(path, real, stamp)
        return entry


def _read_entry(path: str, real: str, stamp: object) -> _Entry:
    key = _read_key(path, real)
    if isinstance(key, ProbeError):
        return _Entry(stamp, key)
    file = read_certificate(real)
    certified = None
    if file and file.certificate:
        with_certificate = copy.copy(key)
        with_certificate.public_blob = PublicBlob(file.certificate.kind, file.certificate.blob)
        certified = Identity(with_certificate, file.certificate)
    return _Entry(stamp, key, Identity(key), certified, file)


def _read_key(path: str, real: str) -> paramiko.PKey | ProbeError:
    if not path:
        return ProbeError(Cause.LOCAL, "no SSH key is configured ('key' under [ssh])")
    try:
        fd = open_trusted(real, anyone=True, file_only=True).fd  # a pipe would keep us waiting
    except Untrusted as error:
        return ProbeError(Cause.LOCAL, f"the SSH key '{path}' is not used: {error}")
    except OSError as error:
        return ProbeError(Cause.LOCAL, f"the SSH key '{path}' cannot be read: {format_exception(error)}")
    with open(fd, "rb") as file:
        data = file.read(_MOST_BYTES)
    try:
        return parse_key(data)
    except Exception as error:  # noqa: BLE001 - key parsers raise whatever they stumble over
        if "password" in str(error).lower():
            return ProbeError(Cause.LOCAL, f"the SSH key '{path}' has a passphrase; plabctl needs one without")
        return ProbeError(Cause.LOCAL, f"the SSH key '{path}' cannot be used: {format_exception(error)}")


def parse_key(data: bytes) -> paramiko.PKey:
    """Return the private key in `data`; raise whatever cryptography raises if it is none.

    paramiko's own parsers refuse half of all ECDSA keys that have no comment, and keys in PKCS#8.
    """
    try:
        loaded = serialization.load_ssh_private_key(data, None)
    except ValueError:
        loaded = serialization.load_pem_private_key(data, None)  # type: ignore[assignment]  # other kinds too
    if isinstance(loaded, rsa.RSAPrivateKey):
        return paramiko.RSAKey(key=loaded)
    if isinstance(loaded, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey(vals=(loaded, loaded.public_key()))
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        as_openssh = serialization.PrivateFormat.OpenSSH
        text = loaded.private_bytes(serialization.Encoding.PEM, as_openssh, serialization.NoEncryption())
        return paramiko.Ed25519Key.from_private_key(io.StringIO(text.decode()))
    message = "it is neither an Ed25519, an ECDSA nor an RSA key"
    raise ValueError(message)
