"""The files of TLS: whether they fit together, are in date and private, before anything is connected.

I/O, reads only. Dask checks no names of hosts under TLS: whoever has a certificate of the authority is let in.
Tests: `tests/executors/dask/test_certificates.py`.
"""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from plabctl.errors import ConfigError, Untrusted
from plabctl.executors.dask.options import DaskOptions
from plabctl.files.trusted import open_trusted

_MOST_BYTES = 256 * 1024
_FLIGHTS = 3
"""So often each end of a handshake has its turn, and one more."""


def require_certificates(own: DaskOptions, now: float) -> None:
    """Raise ConfigError when the files of TLS will not do."""
    if own.scheduler.startswith("tls://"):
        for key, fault, hint in find_faults(own, now):
            raise ConfigError([f"executor.{key}: {fault}"], hint=hint)


def find_faults(own: DaskOptions, now: float) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with the files: the key that names it, what it is, and what to do; the first says enough."""
    texts = {}
    for name in ("ca", "cert", "key"):
        path = getattr(own, name)
        try:
            texts[name] = _read(path, is_private=name == "key")
        except Untrusted as error:
            yield name, f"'{path}' is not used: {error}", error.hint
        except PermissionError as error:
            yield name, f"'{path}' {error.strerror}", f"run: chmod 600 {path}"
        except OSError as error:
            yield name, f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}", "see docs/dask.md"
    if len(texts) == len(("ca", "cert", "key")):
        yield from _compare(own, texts, datetime.fromtimestamp(now, UTC))


def read_end(own: DaskOptions) -> float:
    """Return when the certificate of this machine expires; call it for files without faults."""
    return x509.load_pem_x509_certificate(_read(own.cert)).not_valid_after_utc.timestamp()


def _read(path: str, *, is_private: bool = False) -> bytes:
    opened = open_trusted(path, anyone=True, file_only=True)
    with open(opened.fd, "rb") as file:
        if is_private and opened.status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise PermissionError(1, "may be read by others, and whoever has it runs code on the workers")
        return file.read(_MOST_BYTES)


def _compare(own: DaskOptions, texts: dict[str, bytes], now: datetime) -> Iterator[tuple[str, str, str]]:
    try:
        authorities = x509.load_pem_x509_certificates(texts["ca"])
    except ValueError:
        yield "ca", f"'{own.ca}' is no certificate in PEM", "see docs/dask.md"
        return
    try:
        certificate = x509.load_pem_x509_certificate(texts["cert"])
    except ValueError:
        yield "cert", f"'{own.cert}' is no certificate in PEM", "see docs/dask.md"
        return
    try:
        key = load_pem_private_key(texts["key"], None)
    except (ValueError, TypeError):
        yield "key", f"'{own.key}' is no private key in PEM without a passphrase", "see docs/dask.md"
        return
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        yield "key", f"'{own.key}' is not the key of '{own.cert}'", "name the two that were made together"
    elif not any(_is_signed_by(certificate, authority) for authority in authorities):
        yield "cert", f"'{own.cert}' is not signed by '{own.ca}'", "have it signed by that authority"
    else:
        faults = [*_check_dates("cert", own.cert, certificate, now)]
        for authority in authorities:
            faults += _check_dates("ca", own.ca, authority, now)
        if not faults and (why := _try_handshake(own)):
            faults = [("cert", f"TLS does not take '{own.cert}': {why}", "make it as docs/dask.md says")]
        yield from faults


def _try_handshake(own: DaskOptions) -> str:
    """Return why this Python would refuse a client with these files, as its versions differ in that; or ""."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=own.ca)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        for context in (server, client):
            context.load_cert_chain(own.cert, own.key)
        ends = client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
        for end in ends * _FLIGHTS:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLError as error:
        return getattr(error, "verify_message", "") or (error.reason or "it cannot read these files").lower().replace(
            "_", " "
        )
    return ""


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_dates(name: str, path: str, certificate: x509.Certificate, now: datetime) -> Iterator[tuple[str, str, str]]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        yield name, f"'{path}' expired on {end:%Y-%m-%d %H:%M} UTC", "renew it"
    elif now < begin:
        yield name, f"'{path}' is not valid before {begin:%Y-%m-%d %H:%M} UTC", "see whether the clock is right"
