"""What it says about the node, and what about the way to it, when a jump host opens no tunnel.

Pure. The words are those of OpenSSH, dropbear and asyncssh: what `connect(2)` or the resolver said at the jump host.
Tests: `tests/probes/test_jump_hosts.py`.
"""

from __future__ import annotations

import errno
import os

from plabctl.core.jump_fault import build_jump_reason, find_jump_host
from plabctl.core.model import Cause
from plabctl.core.our_errnos import OUR_ERRNOS
from plabctl.probes.clean import MAX_REASON, clean_line
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.target import Target

_PROHIBITED, _CONNECT_FAILED, _SHORTAGE = 1, 2, 4
"""RFC 4254, section 5.1."""
_NO_SUCH_NAME = ("name or service not known", "no address associated", "nodename nor servname", "unknown host")
_HOSTS_OWN = (
    *(os.strerror(number).lower() for number in {*OUR_ERRNOS, errno.ENETUNREACH, errno.EACCES}),
    "temporary failure in name resolution",
    "non-recoverable failure in name resolution",
    "system error",
)
"""What the jump host lacks: a route, descriptors, a resolver. "No route to host" is not among these: at a machine in
the network of the node it says that the node did not answer to its address."""


def is_shortage(refusal: tuple[int, str]) -> bool:
    """Return whether the jump host opens no more tunnels now."""
    return refusal[0] == _SHORTAGE


def build_jump_error(hop: Target, error: ProbeError) -> ProbeError:
    """Return the error of a login at a jump host as that of a node behind it: it says nothing about the node."""
    if error.cause in {Cause.LOCAL, Cause.INTERRUPTED} or (error.cause is Cause.JUMP and find_jump_host(error.reason)):
        return error
    # The words are those for a login at a node.
    return ProbeError(Cause.JUMP, build_jump_reason(hop.label, error.reason.replace("the node", "it")))


def build_silence(hop: Target, host: str, port: int, waited_s: float) -> ProbeError:
    """Return the error for a node that does not answer to a jump host that is well."""
    return ProbeError(
        Cause.CONNECT, f"no answer from {host} port {port} within {waited_s:.3g} s, by way of {hop.label}"
    )


def judge_refusal(hop: Target, host: str, port: int, code: int, said: str) -> ProbeError:
    """Return the error for a tunnel to a port of `host` that the jump host refused with this code and these words."""
    place, said = f"{host} port {port}", clean_line(said, MAX_REASON).strip()
    text = said.lower()
    if code == _CONNECT_FAILED and not any(words in text for words in _HOSTS_OWN):
        if any(words in text for words in _NO_SUCH_NAME):
            return ProbeError(Cause.DNS, f"{hop.label} finds no address for '{host}': {said}")
        return ProbeError(Cause.CONNECT, f"{place}, by way of {hop.label}: {said or 'the connection failed'}")
    if code == _SHORTAGE:
        why = f"it opens no more connections to nodes: {said}"
    elif code == _CONNECT_FAILED:
        why = f"it cannot connect to {place}: {said}"
    else:
        why = f"it does not forward to {place} (AllowTcpForwarding, PermitOpen): {said}"
    return ProbeError(Cause.JUMP, build_jump_reason(hop.label, why.removesuffix(": ")))
