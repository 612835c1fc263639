"""The command that helps against a fault that only a person can mend.

Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from plabctl.core.model import Cause
from plabctl.core.settings import SshSettings


def format_remedy(cause: Cause | None, name: str, variables: Mapping[str, str], ssh: SshSettings) -> str | None:
    """Return the command to type after a test of this node ended for `cause`; None when there is none."""
    if cause is not Cause.AUTH or not ssh.key:
        return None
    user = variables.get("ssh_user") or ssh.user
    host = variables.get("ssh_host") or name
    port = variables.get("ssh_port") or str(ssh.port)
    way = [] if port == "22" else ["-p", port]
    return shlex.join(["ssh-copy-id", "-i", f"{ssh.key}.pub", *way, f"{user}@{host}" if user else host])
