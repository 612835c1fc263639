"""Fetch a document of the page of another monitor from a web server, anew only when it has changed.

I/O. `plabctl.files.spool` keeps what was fetched, under the tag that the server gave it.
Tests: `tests/cli/test_from.py`, `tests/app/test_sources.py`.
"""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

from plabctl.errors import StoreError, UsageFault
from plabctl.files.spool import Cache
from plabctl.http_session import HttpSession

STATUS, STATS = "status.json", "stats.json"
"""What the status, and the statistics, are called in the directory of a page."""
_ANOTHER_NAME, _ANOTHER_TIME = "name the host that its certificate is for", "renew it there, or set the clock here"
_ADVICE = {9: _ANOTHER_TIME, 10: _ANOTHER_TIME, 62: _ANOTHER_NAME, 64: _ANOTHER_NAME}
"""By the number that OpenSSL has for what is wrong with a certificate (X509_V_ERR)."""
_MAX_FETCHED = 256 * 1024**2


def fetch(place: str, file: str, cache: Cache, seconds: float, *, hint: str = "") -> tuple[str, int]:
    """Return the address of the document `file` of the page at `place`, and a descriptor of what it has now.

    That begins at `HEADER`, and is what is cached if that is still the same. Raise StoreError, with `hint`, when there
    is none within so many seconds.
    """
    address = build_address(place, file)
    kept = cache.find(address)
    parts = urlsplit(address)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        base = f"{parts.scheme}://{parts.netloc}"
        with HttpSession(base, seconds, max_bytes=_MAX_FETCHED) as session:
            headers = {"Accept": "application/json", **({"If-None-Match": kept[1]} if kept else {})}
            is_same = False

            def fill(write: object) -> str:
                nonlocal is_same
                reply = session.request("GET", path, headers, take=write)  # type: ignore[arg-type]  # it writes bytes
                is_same = kept is not None and reply.status == 304
                if not is_same:
                    if reply.status == 304:  # unless it is asked whether there is anything new
                        raise StoreError(f"{address}: answered 304 Not Modified, which it was not asked", hint=hint)
                    if 300 <= reply.status < 400:
                        raise StoreError(_describe_redirect(address, reply.headers.get("Location", "")))
                    session.require_ok(reply)
                return "" if is_same else reply.headers.get("ETag", "")

            fd = cache.fetch(address, fill)
    except UsageFault as error:
        said = f"{error}".removeprefix(base)
        raise StoreError(f"{address}{said}", hint=_advise(error.__cause__) or hint) from error
    if is_same and kept:
        os.close(fd)
        fd = kept[0]
    return address, fd


def _describe_redirect(address: str, target: str) -> str:
    if not target:
        return f"{address}: redirects, and does not say where to"
    shown = "".join(char if char.isprintable() else "?" for char in target)[:200]
    return f"{address}: redirects to '{shown}', which is not followed: name that address, if it is the right one"


def _advise(error: BaseException | None) -> str:
    """Return what to do about a certificate that is not believed."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    return _ADVICE.get(error.verify_code, "name a file with its authority's certificate in SSL_CERT_FILE")


def build_address(place: str, file: str) -> str:
    """Return the address of the document `file` of the page at an address, which may name its status."""
    parts = urlsplit(place)
    folder = parts.path if not parts.path.endswith(".json") else parts.path.rpartition("/")[0]
    path = parts.path if parts.path.endswith(".json") and file == STATUS else f"{folder.rstrip('/')}/{file}"
    return parts._replace(path=path, fragment="").geturl()
