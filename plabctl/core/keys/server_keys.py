"""The keys of what asks a server: where it is, and which authorities vouch for it.

Pure. `plabctl.http_session` goes by them.
Tests: `tests/inventories/test_netbox.py`.
"""

from __future__ import annotations

import re

from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key
from plabctl.core.keys.types import Text
from plabctl.core.names import is_endpoint, is_host

_URL = r"https?://(?:\[([0-9A-Fa-f:.]+)\]|([^/:\[\]]+))(?::([0-9]+))?(?:/[!$-;=A-Z_a-z~]*)?"
"""The path has no query, no fragment and nothing that must be quoted."""


def is_server_url(text: str) -> bool:
    """Return whether `text` is the URL of a server: `http` or `https`, a host, perhaps a port and a path, no user."""
    found = re.fullmatch(_URL, text)
    return found is not None and is_host(found[1] or found[2]) and (found[3] is None or is_endpoint(f"h:{found[3]}"))


SERVER_URL = Text('a URL such as "https://host/path", without user and query', is_server_url)
CA_KEY = Key(
    "ca",
    FilePath(),
    text="Certificates of the authorities to believe, in PEM.",
    example='"/etc/plabctl/ca.pem"',
    default="those of the system",
)
