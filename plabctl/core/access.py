"""Nodes that were refused with the user, key, port or jump hosts of the configuration, once these are others.

Pure. What changes of single nodes, by their variables, is in `plabctl.core.enrolment`; `plabctl.app.access_changes`
looks at the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from plabctl.core.enrolment import make_due
from plabctl.core.model import Cause, Outcome
from plabctl.core.notes import NoteKind
from plabctl.core.state import Changes, State

_MENDED_BY_ACCESS: Mapping[Outcome, frozenset[Cause]] = {
    Outcome.FAIL: frozenset({Cause.AUTH, Cause.SUDO, Cause.HOST_KEY, Cause.CONNECT, Cause.DNS, Cause.PROTOCOL}),
    Outcome.UNKNOWN: frozenset({Cause.AUTH, Cause.LOCAL, Cause.JUMP}),
}
"""What another user, key, port or way may mend."""
_MENDED_BY_CERTIFICATE: Mapping[Outcome, frozenset[Cause]] = {
    Outcome.FAIL: frozenset({Cause.AUTH}),
    Outcome.UNKNOWN: frozenset({Cause.AUTH, Cause.LOCAL, Cause.JUMP}),
}
"""What a new certificate may mend. There may be one every few minutes, so dead nodes are left to their back-off."""


class Access(NamedTuple):
    """How nodes are logged in to where their variables do not say: the key by its path and when it was changed."""

    user: str = ""
    port: int = 0
    key: str = ""
    key_changed_at: float = 0.0
    certificate_changed_at: float = 0.0
    jump: str = ""
    """The jump hosts, separated by blanks."""
    ssh_config_changed_at: float = 0.0
    """When ssh_config was changed last, where it is in use."""


ACCESS_NOTE = NoteKind(
    "access",
    decode=lambda reader: Access(
        reader.read_text("user", ""),
        reader.read_count("port"),
        reader.read_text("key", ""),
        reader.read_number("key_changed_at", 0.0),
        reader.read_number("certificate_changed_at", 0.0),
        reader.read_text("jump", ""),
        reader.read_number("ssh_config_changed_at", 0.0),
    ),
    encode=lambda access: access._asdict(),
)


def retest_refused(state: State, access: Access, changed_at: float, now: float) -> Changes:
    """Make due the nodes whose test before `changed_at` ended with what another user, key, port or way may mend.

    No changes where `access` is what the state has noted; else it is noted, and a test of such a node that is under
    way, begun with what was configured before, decides nothing.
    """
    noted = ACCESS_NOTE.read(state.notes)
    if noted == access:
        return Changes()
    is_renewal = noted and noted._replace(certificate_changed_at=access.certificate_changed_at) == access
    mended = _MENDED_BY_CERTIFICATE if is_renewal else _MENDED_BY_ACCESS
    refused = [
        member
        for member in state.members()
        if member.last
        and member.last.cause in mended.get(member.last.outcome, ())
        and member.last.at < changed_at
        and member.absent_since_at is None
    ]
    claims = [claim for member in refused if (claim := state.claims.get(member.node))]
    return Changes(
        members=tuple(make_due(member, now) for member in refused),
        claims=tuple(replace(claim, superseded=True) for claim in claims if claim.started_at < changed_at),
        notes=ACCESS_NOTE.write(access),
    )
