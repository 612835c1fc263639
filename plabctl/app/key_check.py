"""Check a private key and the certificate beside it.

I/O, reads only. Whether the key is the right one only nodes can say.
Tests: `tests/app/test_ssh_check.py`.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from plabctl.app import certificate_check
from plabctl.app.findings import Finding, fail, ok, warn
from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.probes.openssh_key import is_protected

_KEY_HINT = "set ssh.key, or make one: ssh-keygen -t ed25519 -N '' -f"
_PUBLIC = ("ssh-", "ecdsa-", "sk-")
"""How a public key begins."""
_MOST_CHARACTERS = 256 * 1024
"""No private key is longer."""


def check(name: str, *, agent: bool = False) -> Iterator[Finding]:
    """Yield what was found out about the key at the path `name`; with `agent`, one may have a passphrase."""
    if not name:
        yield fail("key", "the configuration names none", "set ssh.key")
        return
    path = Path(name)
    try:
        opened = open_trusted(name, anyone=True)
        mode = opened.status.st_mode
        with open(opened.fd, errors="replace") as file:
            text = file.read(_MOST_CHARACTERS) if stat.S_ISREG(mode) else ""
    except Untrusted as error:
        yield fail("key", f"'{path}' is not used: {error}", error.hint)
        return
    except FileNotFoundError:
        yield fail("key", f"'{path}' is not there", f"{_KEY_HINT} {path}")
        return
    except OSError as error:
        yield fail("key", f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}", "check owner and mode")
        return
    protected = is_protected(text)
    if protected is None and text.startswith(_PUBLIC):
        private = path.with_suffix("") if path.suffix == ".pub" else "the one without .pub"
        yield fail("key", f"'{path}' is a public key", f"set ssh.key to the private one: {private}")
    elif protected is None:
        yield fail("key", f"'{path}' is not a private key", f"{_KEY_HINT} PATH")
    elif protected and agent:
        yield ok("key", f"'{path}' has a passphrase, and is used if the agent holds it")
    elif protected:
        copy = f"{path}.plabctl"
        yield fail(
            "key",
            f"'{path}' has a passphrase, which nobody can type in a tick",
            f"set ssh.key to a copy without: cp {path} {copy} && ssh-keygen -p -N '' -f {copy}; "
            "or have an agent hold it, and set ssh.agent = true",
        )
    elif mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield warn("key", f"other users may read '{path}'", f"run: chmod 600 {path}")
    else:
        yield ok("key", f"'{path}'")


def check_certificate(key: str, now: float) -> Iterator[Finding]:
    """Yield what was found out about the certificate beside the key at the path `key`; nothing without one."""
    text, problem = certificate_check.check(key, now)
    if problem:
        yield warn("certificate", problem.reason, problem.remedy)
    elif text:
        yield ok("certificate", text)
