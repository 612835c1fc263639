"""Mask secrets in configuration values before they are shown.

Pure. A configuration has no key that is for a secret, but commands and URLs carry them. What looks like one is masked:
what a password, a token or their like is set to, and in URLs the user, the query and every part that is like a token.
"""

from __future__ import annotations

import re

MASK = "***"
_URL = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<place>[^\s\"'<>/?#]+)(?P<rest>[^\s\"'<>]*)", re.IGNORECASE)
_TOKEN = re.compile(r"(?=[^/?#]*\d)[A-Za-z0-9_.~=+-]{16,}")
_NAME = r"[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|credentials?|authorization)[\w-]*"
_ASSIGNED = rf"\b{_NAME}\s*[=:]\s*[\"']?(?:(?:bearer|basic)\s+)?"
_SET = re.compile(rf"(?P<name>{_ASSIGNED}|-{_NAME}[\"',\s]+)(?P<value>[^\s\"',;)]+)", re.IGNORECASE)


def mask_secrets(text: str) -> str:
    """Return `text` with what looks like a secret in it replaced by `***`."""
    return _SET.sub(lambda found: f"{found['name']}{MASK}", _URL.sub(_mask_url, text))


def _mask_url(found: re.Match[str]) -> str:
    user, at, host = found["place"].rpartition("@")
    path, mark, _ = found["rest"].partition("?")
    shown = _TOKEN.sub(MASK, path) + (f"?{MASK}" if mark else "")
    return f"{found['scheme']}{MASK if user else ''}{at}{host}{shown}"
