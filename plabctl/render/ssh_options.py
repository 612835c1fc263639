"""Options of OpenSSH's client by which a server is reached as plabctl reaches it.

Pure. What OpenSSH would read as anything else than it is, such as a line break or `${HOME}` in a path, is left out.
Tests: `tests/render/test_ssh_exports.py`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import lru_cache

from plabctl.views.exports import SshAccess, SshServer

_PLAIN = r"[A-Za-z0-9_./:@%+,=~-]+"
_MARKS = r'(["\\])'


def list_options(server: SshServer, access: SshAccess) -> Iterator[tuple[str, str]]:
    """Yield keyword and value, as in ssh_config, of all but host, port, user and the way there."""
    keys = [text for path in server.keys if (text := format_path(path))]
    for key in keys:
        yield "IdentityFile", key
    for path in server.certificates:
        if text := format_path(path):
            yield "CertificateFile", text
    if access.has_only_these_keys:
        yield "IdentitiesOnly", "yes"
    if server.alias and (alias := format_word(server.alias)):
        yield "HostKeyAlias", alias
    if access.known_hosts and (known_hosts := format_path(access.known_hosts)):
        yield "UserKnownHostsFile", known_hosts
    if access.checking:
        yield "StrictHostKeyChecking", access.checking


def format_word(text: str) -> str | None:
    """Return a value in which OpenSSH replaces nothing, quoted as needed; None when it cannot be written."""
    if not text or not text.isprintable() or "%" in text or "${" in text:
        return None
    return _quote(text)


def format_path(text: str) -> str | None:
    """Return a value in which OpenSSH replaces what follows a `%`, quoted as needed; None when it cannot be written."""
    if not text or not text.isprintable() or "${" in text:
        return None
    return _quote(text.replace("%", "%%"))


def _quote(text: str) -> str:
    return text if re.fullmatch(_PLAIN, text) else '"' + re.sub(_MARKS, r"\\\1", text) + '"'


@lru_cache(maxsize=64)  # most nodes have the same way
def build_proxy_command(jumps: tuple[SshServer, ...], access: SshAccess) -> str:
    """Return the value of `ProxyCommand` that leads over these jump hosts, the first one first; empty for none.

    `ProxyJump` would reach a jump host with none of these options.
    """
    command = ""
    for hop in jumps:
        words = ["ssh"]
        for keyword, value in list_options(hop, access):
            words += ["-o", f"{keyword}={value}"]
        if command:
            words += ["-o", f"ProxyCommand={command}"]
        words += ["-p", str(hop.port), *(["-l", hop.user] if hop.user else []), "-W"]
        # Each ssh replaces what follows a % in the whole command, before the shell that it starts takes it apart.
        before, host = (shlex.join(part).replace("%", "%%") for part in (words, [hop.host]))
        command = f"{before} '[%h]:%p' {host}"
    return command
