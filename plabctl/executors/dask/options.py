"""Where the scheduler is and how it is spoken to; and which addresses will do.

Pure.
Tests: `tests/executors/dask/test_kind.py`.
"""

from __future__ import annotations

import ipaddress

from plabctl.core.names import is_host
from plabctl.values import dataclass

MISSING = "Dask is not installed here"
INSTALL_HINT = "pip install 'plabctl[dask]'"
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class DaskOptions:
    """Where the scheduler is, by which certificate it is spoken to, and what becomes of tests without it."""

    scheduler: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    site_label: str = "site"
    fallback_after_s: float = 0.0


def is_loopback(address: str) -> bool:
    """Return whether a scheduler's address such as `tcp://127.0.0.1:8786` is on this machine."""
    host = address.partition("://")[2].rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_scheduler(text: str) -> bool:
    """Return whether `text` is an address of a scheduler, such as `tls://dask.example.org:8786`."""
    scheme, _, place = text.partition("://")
    host, _, port = place.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT
    return scheme in {"tls", "tcp"} and is_port and _is_host(host)


def _is_host(text: str) -> bool:
    if text.startswith("[") and text.endswith("]"):
        try:
            ipaddress.IPv6Address(text[1:-1])
        except ValueError:
            return False
        return True
    return is_host(text) and ":" not in text


def explain_missing_tls(scheduler: str) -> str:
    """Return why an address will not do because it is not TLS; or ""."""
    if scheduler.startswith("tls://") or is_loopback(scheduler):
        return ""
    return f"'{scheduler}' is not encrypted, which only a scheduler on this machine may be: write tls://"
