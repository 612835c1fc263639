"""Check that the jump hosts let us in: they are logged in at, as tests do it.

I/O: the network, within the configured connect time-out for each way, several at once.
Tests: `tests/cli/test_trust.py`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from plabctl.app import certificate_check
from plabctl.app.context import App
from plabctl.app.findings import Finding, fail, ok
from plabctl.core.model import Cause, Node
from plabctl.core.recipe import Transport
from plabctl.counts import format_count
from plabctl.probes.probe_error import ProbeError, build_local_error
from plabctl.probes.target import Target, Targets
from plabctl.probes.watchdog import Watchdog

if TYPE_CHECKING:
    from plabctl.probes.ssh import Ssh

_GRACE_S = 5.0
"""For a login that does not end in its time."""
_Way = tuple[Target, ...]


def check(app: App, nodes: Sequence[Node]) -> Iterator[Finding]:
    """Yield for each way over jump hosts, one or several in a row, whether it is open."""
    ways = _count_ways(app, nodes) if certificate_check.uses_ssh(app.settings) else {}
    if not ways:
        return
    from plabctl.probes.ssh import Ssh

    ssh = Ssh(app.settings.ssh, app.clock, Watchdog(app.clock), app.settings.origin.owners)
    faults: dict[_Way, ProbeError | None] = {}
    threads = [threading.Thread(target=_try_way, args=(app, ssh, way, faults), daemon=True) for way in ways]
    for thread in threads:
        thread.start()
    end = app.clock.monotonic() + app.settings.ssh.connect_timeout_s + _GRACE_S
    for thread in threads:
        thread.join(max(end - app.clock.monotonic(), 0))
    ssh.jump_hosts.interrupt()
    told: set[str] = set()
    for way, count in ways.items():
        behind = f"{format_count(count, 'node')} behind it"
        fault = faults.get(way, ProbeError(Cause.LOCAL, "the login did not end"))
        if fault is None:
            yield ok("jump host", f"'{way[-1].label}' lets us in; {behind}")
        elif fault.reason not in told:
            told.add(fault.reason)
            what = "correct that" if fault.cause is Cause.LOCAL else "look at that host"
            yield fail("jump host", fault.reason, f"{what}: until then {behind} cannot be tested")


def _count_ways(app: App, nodes: Sequence[Node]) -> Counter[_Way]:
    targets, ways = Targets(app.settings.ssh), Counter[_Way]()
    for node in nodes:
        own = app.settings.recipes.get(node.variables.get("recipe", ""))
        if own is None or own.transport is Transport.SSH:
            with suppress(ProbeError):  # which the check of known_hosts tells
                if jumps := targets.find(node).jumps:
                    ways[jumps] += 1
    return ways


def _try_way(app: App, ssh: Ssh, way: _Way, faults: dict[_Way, ProbeError | None]) -> None:
    try:
        ssh.jump_hosts.log_in(way, app.clock.monotonic() + app.settings.ssh.connect_timeout_s)
        faults[way] = None
    except ProbeError as probe_error:
        faults[way] = probe_error
    except Exception as error:  # noqa: BLE001 - it is told, and the other ways are looked at
        faults[way] = build_local_error(error)
