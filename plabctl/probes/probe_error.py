"""The exception by which a probe's failure, with its cause, gets from where it is noticed into the report.

Pure. Raised inside `plabctl.probes` only; `plabctl.probes.probe_run` turns it into the report's cause and reason. Whom
a cause speaks about is in `plabctl.core.evidence`.
"""

from __future__ import annotations

import socket

from plabctl.core.evidence import find_outcome
from plabctl.core.model import Cause, Outcome
from plabctl.core.our_errnos import OUR_ERRNOS, ROUTE_ERRNOS

_NO_SUCH_NAME = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
)

_ROUGH_S = 2


class ProbeError(Exception):
    """A probe cannot pass: the cause, and the reason in words.

    `is_inconclusive` says that this is no evidence about the node, although its cause usually is.
    """

    def __init__(self, cause: Cause, reason: str, *, is_inconclusive: bool = False) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
        self.is_inconclusive = is_inconclusive

    @property
    def outcome(self) -> Outcome:
        """Return whether this is evidence about the node or about us."""
        return Outcome.UNKNOWN if self.is_inconclusive else find_outcome(self.cause)


def format_exception(error: BaseException) -> str:
    """Return what an exception says, in lower case and without its number."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if not text:
        return "the connection ended" if isinstance(error, EOFError) else type(error).__name__
    return text[:1].lower() + text[1:]


def build_not_ready_error(said: str) -> ProbeError:
    """Return the error for a node that says itself that it is not ready; how long it may, the state decides."""
    return ProbeError(Cause.NOT_READY, f"the node says that it is not ready: {said}", is_inconclusive=True)


def build_resolver_error(name: str, error: OSError) -> ProbeError:
    """Return the error for a name that was not resolved: the name's fault, or the resolver's, which is ours."""
    if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME:
        return ProbeError(Cause.DNS, f"no address for '{name}': {format_exception(error)}")
    return ProbeError(Cause.LOCAL, f"the resolver could not look up '{name}': {format_exception(error)}")


def build_socket_error(place: str, error: OSError, *, has_route: bool = True) -> ProbeError:
    """Return the error for a connection that was not made; without a route from here it says nothing of the node."""
    if error.errno in OUR_ERRNOS or (error.errno in ROUTE_ERRNOS and not has_route):
        return ProbeError(Cause.LOCAL, f"no connection can be made from here to {place}: {format_exception(error)}")
    return ProbeError(Cause.CONNECT, f"{place}: {format_exception(error)}")


def build_local_error(error: BaseException) -> ProbeError:
    """Return the error for an exception that nobody foresaw or that says that this machine is short of something."""
    if isinstance(error, MemoryError):
        return ProbeError(Cause.LOCAL, "out of memory here")
    if isinstance(error, OSError | RuntimeError):
        return ProbeError(Cause.LOCAL, f"a fault on this machine: {format_exception(error)}")
    return ProbeError(Cause.LOCAL, f"a bug in plabctl: {type(error).__name__}: {error}")


def format_wait(seconds: float) -> str:
    """Return how long was waited, so roughly that two waits with the same time-out read the same."""
    return f"{round(seconds, 1 if seconds < _ROUGH_S else None):g} s"
