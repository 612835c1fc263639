"""Check the SSH keys, ssh_config and the accepted host keys.

I/O, reads only, and asks no node; ssh_config is read by `ssh -G`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from plabctl.app import agent_check, certificate_check, key_check
from plabctl.app.findings import Finding, Level, fail, ok, warn
from plabctl.core.model import Node
from plabctl.core.recipe import Transport
from plabctl.core.settings import HostKeys, Settings, SshSettings
from plabctl.errors import ConfigError, PlabctlError
from plabctl.kinds import find
from plabctl.probes.host_keys import KnownHosts, read_authorities
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.ssh_config import SshConfig, find_files
from plabctl.probes.target import Targets

_NAMES_SHOWN = 5


def check(settings: Settings, nodes: Sequence[Node], now: float | None = None) -> Iterator[Finding]:
    """Yield what was found out about keys, ssh_config and known hosts; nothing when no recipe goes over SSH.

    With `now`, certificates beside the key and beside those of the nodes are looked at too, and the agent is asked.
    """
    if not certificate_check.uses_ssh(settings):
        return
    if _is_key_elsewhere(settings):
        pass  # keys are where the tests are made
    elif settings.ssh.key or not _has_own_keys(settings.ssh, nodes):
        yield from key_check.check(settings.ssh.key, agent=settings.ssh.agent)
    yield from _check_host_ca(settings)
    if now is not None:
        own_keys = {key for node in nodes if (key := node.variables.get("ssh_key"))}
        for key in filter(None, (settings.ssh.key, *sorted(own_keys))):
            yield from key_check.check_certificate(key, now)
        yield from agent_check.check(settings.ssh)
    if settings.ssh.use_ssh_config:
        yield from _check_ssh_config()
    if nodes:
        yield from _check_known_hosts(settings, nodes)


def require_key(settings: Settings, list_nodes: Callable[[], Iterable[Node]]) -> None:
    """Raise ConfigError when a pool tests over SSH and no probe could say anything, for want of a key or an authority.

    Nodes may have keys of their own, by ssh_config or by their variables; `list_nodes` is called when that matters.
    """
    if not certificate_check.uses_ssh(settings) or _is_key_elsewhere(settings):
        return
    is_needed = bool(settings.ssh.key) or not _has_own_keys(settings.ssh, list_nodes())
    for finding in (
        *(key_check.check(settings.ssh.key, agent=settings.ssh.agent) if is_needed else ()),
        *_check_host_ca(settings),
    ):
        if finding.level is Level.FAIL:
            raise ConfigError([f"ssh.{finding.topic}: {finding.text}"], hint=finding.advice)


def list_host_ca_faults(settings: Settings) -> list[str]:
    """Return what is wrong with the files of authorities for host certificates."""
    return [f"ssh.host_ca: {found.text}" for found in _check_host_ca(settings) if found.level is Level.FAIL]


def _is_key_elsewhere(settings: Settings) -> bool:
    """Return whether other machines log in to the nodes, and this one has no key for when they cannot be reached."""
    return not settings.ssh.key and bool(find("executor", settings.executor.kind).is_elsewhere)


def _check_host_ca(settings: Settings) -> Iterator[Finding]:
    for path in settings.ssh.host_ca:
        try:
            count = len(read_authorities([path], settings.origin.owners))
        except PlabctlError as error:
            yield fail("host_ca", str(error), "name a file with the public key of an authority for host certificates")
        else:
            yield ok("host_ca", f"'{path}': {count} authorit{'y' if count == 1 else 'ies'}")


def _has_own_keys(ssh: SshSettings, nodes: Iterable[Node]) -> bool:
    return ssh.agent or ssh.use_ssh_config or any(node.variables.get("ssh_key") for node in nodes)


def _check_ssh_config() -> Iterator[Finding]:
    config, topic = SshConfig(), "ssh_config"
    if config.is_missing():
        user, system = find_files()
        yield warn(topic, f"neither '{user}' nor '{system}' is there", "make one, or remove use_ssh_config")
    elif fault := config.check():
        yield fail(topic, fault, "correct it: no node can be reached until then")
    else:
        yield ok(topic, "ssh reads it without an error")


def _check_known_hosts(settings: Settings, nodes: Sequence[Node]) -> Iterator[Finding]:
    ssh, owners = settings.ssh, settings.origin.owners
    known = KnownHosts(ssh.known_hosts, owners, ssh.host_ca)
    targets, topic = Targets(settings.ssh), "known hosts"
    unknown: list[str] = []
    keys: set[str] = set()
    for node in nodes:
        own = settings.recipes.get(node.variables.get("recipe", ""))
        if own and own.transport is not Transport.SSH:
            continue
        try:
            target = targets.find(node)
            keys.update(target.keys)
            if not known.knows(target.label):
                unknown.append(node.name)
        except ProbeError as probe_error:
            yield fail(topic, str(probe_error), "correct it: no node that it concerns can be reached")
            return
    yield from _check_lines(known, ssh.known_hosts)
    for key in sorted(keys):
        yield from (finding for finding in key_check.check(key, agent=ssh.agent) if finding.level is not Level.OK)
    if not unknown:
        yield ok(topic, f"a key or an authority for each of {len(nodes)} nodes")
    elif settings.ssh.host_keys is HostKeys.FIRST_USE:
        yield ok(topic, f"{len(unknown)} of {len(nodes)} nodes have no key yet; the first one seen will be accepted")
    else:
        shown = " ".join(unknown[:_NAMES_SHOWN])
        more = " ..." if len(unknown) > _NAMES_SHOWN else ""
        yield warn(topic, f"{len(unknown)} of {len(nodes)} nodes have no key", f"run: plabctl trust {shown}{more}")


def _check_lines(known: KnownHosts, path: str) -> Iterator[Finding]:
    with suppress(OSError):  # which the look-up of the nodes has told
        if faults := known.list_faults():
            more = f" and {len(faults) - _NAMES_SHOWN} more" if len(faults) > _NAMES_SHOWN else ""
            text = f"lines of '{path}' are passed over: {'; '.join(faults[:_NAMES_SHOWN])}{more}"
            yield warn("known hosts", text, "correct them, or put # in front")
