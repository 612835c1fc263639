"""Explain how a node is reached over SSH, without connecting to it.

I/O, reads only: the state, keys, known_hosts and, where it is in use, ssh_config.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from plabctl.app import certificate_check
from plabctl.app.context import App
from plabctl.app.queries import find_one, read_context_of
from plabctl.core.settings import HostKeys, SshSettings
from plabctl.errors import PlabctlError
from plabctl.probes.host_keys import KnownHosts
from plabctl.probes.known_hosts_lines import HostKey, strip_port
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.target import DEFAULT, SSH_CONFIG, Target, Targets
from plabctl.views.ssh_route import RouteList, RouteNumber, RouteText, SshRoute


def explain_ssh(app: App, word: str) -> SshRoute:
    """Return how the node that `word` means is reached.

    Raise NoSuchNode or UsageFault, and PlabctlError where a test would say the same: that it cannot be reached so.
    """
    context, ssh = read_context_of(app), app.settings.ssh
    node = context.state.node(find_one(context, word))
    assert node is not None
    try:
        target, origins = Targets(ssh).explain(node)
        known = KnownHosts(ssh.known_hosts, app.settings.origin.owners, ssh.host_ca)
        host_key = _explain_host_key(target, known, ssh.host_keys)
    except ProbeError as probe_error:
        raise PlabctlError(probe_error.reason) from None
    keys = target.keys or ((ssh.key,) if ssh.key else ())
    now = app.clock.now()
    certificates = tuple(text for key in keys if (text := certificate_check.check(key, now)[0]))
    named = target.rules.certificates
    has_own_file = ssh.known_hosts != f"{app.settings.state_dir}/known_hosts"
    return SshRoute(
        node=node.name,
        address=RouteText(target.host, origins.host),
        port=RouteNumber(target.port, origins.port),
        user=RouteText(target.user, origins.user),
        jump=RouteList(tuple(f"{hop.user}@{_format_place(hop)}" for hop in target.jumps), origins.jumps),
        key=RouteList(keys, origins.keys),
        certificate=RouteList(
            (*certificates, *named), SSH_CONFIG if named else "beside the key" if certificates else DEFAULT
        ),
        agent=_explain_agent(target, ssh),
        known_hosts=RouteText(ssh.known_hosts, "[ssh] known_hosts" if has_own_file else DEFAULT),
        known_as=RouteText(target.label, origins.label),
        host_key=host_key,
    )


def _explain_agent(target: Target, ssh: SshSettings) -> RouteText:
    if not ssh.agent:
        return RouteText("none", DEFAULT)
    if target.rules.agent:
        return RouteText(target.rules.agent, SSH_CONFIG)
    if ssh.agent_socket:
        return RouteText(ssh.agent_socket, "[ssh] agent_socket")
    return RouteText(os.environ.get("SSH_AUTH_SOCK") or "none", "SSH_AUTH_SOCK, which cron does not set")


def _format_place(hop: Target) -> str:
    return f"[{hop.host}]:{hop.port}" if ":" in hop.host else f"{hop.host}:{hop.port}"


def _explain_host_key(target: Target, known: KnownHosts, host_keys: HostKeys) -> RouteList:
    """Return the keys and authorities that are known for a server, and what decides on the key that it shows."""
    for label in dict.fromkeys((target.label, strip_port(target.label))):
        found = (*_describe(known.find(label)), *_describe(known.find_authorities(label), "authority "))
        if found:
            return RouteList(tuple(found), "known_hosts, host_ca" if known.find_authorities(label) else "known_hosts")
    if host_keys is HostKeys.FIRST_USE:
        return RouteList((), "the first key that it shows is learnt")
    return RouteList((), f"refused until known: plabctl trust {target.node}")


def _describe(keys: Iterable[HostKey], word: str = "") -> list[str]:
    return sorted(f"{word}{key.kind} {key.fingerprint}" for key in keys)
