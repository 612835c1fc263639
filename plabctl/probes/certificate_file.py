"""The certificate beside a private key: `KEY-cert.pub`, opened as the key is, and read.

I/O. Light: `status` reads it. What it says is judged in `plabctl.probes.user_certificates`.
Tests: `tests/probes/test_identities.py`.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.probes import user_certificates
from plabctl.probes.user_certificates import UserCertificate

SUFFIX = "-cert.pub"
_MOST_BYTES = 256 * 1024
"""Far more than any has: 256 names of users, and a key of the authority."""


class CertificateFile(NamedTuple):
    """A certificate and where it stands; without one, `fault` says why, with the certificate as the subject."""

    path: str
    certificate: UserCertificate | None = None
    fault: str = ""

    def find_fault(self, key: bytes | None, now: float) -> str:
        """Return why it is not offered with the public key `key` at `now`, or ""; see `user_certificates`."""
        if self.certificate is None:
            return self.fault
        return user_certificates.find_fault(self.certificate, key, now)


def read_certificate(key_path: str) -> CertificateFile | None:
    """Return the certificate beside the private key at `key_path`; None when there is no file of that name."""
    return read_certificate_at(key_path + SUFFIX)


def read_certificate_at(path: str) -> CertificateFile | None:
    """Return the certificate in the file at `path`; None when there is no such file."""
    try:
        opened = open_trusted(path, anyone=True, file_only=True)
    except FileNotFoundError:
        return None
    except Untrusted as error:
        return CertificateFile(path, fault=f"is not used: {error}")
    except OSError as error:
        return CertificateFile(path, fault=f"cannot be read: {(error.strerror or str(error)).lower()}")
    with open(opened.fd, "rb") as file:
        text = file.read(_MOST_BYTES).decode(errors="replace")
    try:
        return CertificateFile(path, user_certificates.parse_line(text))
    except ValueError as error:
        return CertificateFile(path, fault=f"cannot be used: {error}")


def read_stamp(path: str) -> tuple[int, ...] | None:
    """Return what differs once the file at `path` was changed or replaced; None when there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
