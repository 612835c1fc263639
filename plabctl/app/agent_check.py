"""Check that the agent which `[ssh] agent` wants can be asked, as ticks ask it: cron sets no SSH_AUTH_SOCK.

I/O, asks the agent for the names of its keys.
Tests: `tests/app/test_ssh_check.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.app.findings import Finding, fail, ok, warn
from plabctl.clock import SystemClock
from plabctl.core.settings import SshSettings
from plabctl.counts import format_count
from plabctl.probes.agent import Agent, AgentError


def check(ssh: SshSettings) -> Iterator[Finding]:
    """Yield whether the agent holds keys; nothing where none is wanted."""
    if not ssh.agent:
        if ssh.agent_socket:
            yield warn("agent", "ssh.agent_socket is set, and no agent is used", "set ssh.agent = true, or remove it")
        return
    make = warn if ssh.key else fail
    try:
        keys, _ = Agent(ssh.agent_socket, SystemClock()).list_keys()
    except AgentError as error:
        yield make("agent", str(error), "start one that cron can reach, add the key to it, and set ssh.agent_socket")
        return
    what = f"it holds {format_count(len(keys), 'key')}"
    if ssh.agent_socket:
        yield ok("agent", f"'{ssh.agent_socket}': {what}")
    else:
        text = f"{what}; it is the one of this session, by SSH_AUTH_SOCK, which cron does not set"
        yield warn("agent", text, "set ssh.agent_socket, or SSH_AUTH_SOCK in the crontab")
