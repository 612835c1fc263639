"""What to look at after a test that did not pass, and the command that helps where there is one.

Pure. The words stand in the table of `plabctl.core.evidence`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from plabctl.core.evidence import find_help
from plabctl.core.model import Cause
from plabctl.core.names import split_jump
from plabctl.core.settings import SshSettings


def format_help(cause: Cause | None, reason: str, name: str) -> str | None:
    """Return what to look at after a test of this node ended for `cause` with `reason`; None after a pass."""
    return cause and find_help(cause, reason).replace("NODE", name)


def format_remedy(cause: Cause | None, name: str, variables: Mapping[str, str], ssh: SshSettings) -> str | None:
    """Return the command to type after a test of this node ended for `cause`; None when there is none."""
    key = variables.get("ssh_key") or ssh.key
    if cause is not Cause.AUTH or not key:
        return None
    user = variables.get("ssh_user") or ssh.user
    host = variables.get("ssh_host") or name
    port = variables.get("ssh_port") or str(ssh.port)
    way = [] if port == "22" else ["-p", port]
    jumps = split_jump(variables["ssh_jump"]) if variables.get("ssh_jump") else ssh.jump
    if jumps:
        named = (hop if "@" in hop or not ssh.user else f"{ssh.user}@{hop}" for hop in jumps)
        way += ["-o", f"ProxyJump={','.join(named)}"]
    return shlex.join(["ssh-copy-id", "-i", f"{key}.pub", *way, f"{user}@{host}" if user else host])
