"""Run one probe: an assignment goes in, a report comes out, whatever happens in between.

I/O. Light to import: fabric and paramiko are loaded by `prepare`, when there is something to probe over SSH. The course
of a probe stands in `plabctl.probes.probe_run`.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Outcome, Report
from plabctl.core.recipe import Transport
from plabctl.core.settings import ANYWHERE, Origin, SshSettings
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.deferred_imports import defer_imports
from plabctl.probes.known_hosts_lines import strip_port
from plabctl.probes.local_shell import LocalShell
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.probe_run import ProbeRun
from plabctl.probes.shell import Shell
from plabctl.probes.stage_runner import OnStage, read_script
from plabctl.probes.target import Targets
from plabctl.probes.watchdog import Watchdog

if TYPE_CHECKING:
    from plabctl.probes.ssh import Ssh

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""


class Prober:
    """Runs probes; one for the whole process, used by many threads at once.

    `origin` is that of the configuration whose recipes it runs.
    """

    def __init__(
        self,
        ssh: SshSettings,
        clock: Clock,
        on_stage: OnStage | None = None,
        origin: Origin = ANYWHERE,
    ) -> None:
        self._on_stage = on_stage
        self._settings = ssh
        self._origin = origin
        self._clock = clock
        self._watchdog = Watchdog(clock)
        self._targets = Targets(ssh)
        # Re-entrant, because a signal handler may interrupt the very thread that holds it.
        self._lock = threading.RLock()
        self._ssh: Ssh | None = None
        self._cancellations: dict[Cancellation, str] = {}
        """Of the probes that run, each with its token."""
        self._is_interrupted = False

    def prepare(self) -> None:
        """Load the SSH library, the key and known_hosts, and allow as many descriptors as the system does.

        Called in the main thread before the first probe, so that threads do not queue behind an import. A key that
        cannot be used is no error here: every probe that needs it says so.
        """
        _raise_descriptor_limit()
        _spare_address_space()
        ssh = self._load_ssh()
        with suppress(ProbeError):
            ssh.identities.find()
        with suppress(ProbeError):
            ssh.known.load()
        with suppress(RuntimeError):  # no thread to be had: the probes will say so
            self._watchdog.start()

    def probe(self, assignment: Assignment) -> Report:
        """Carry out `assignment` by its deadline and return the report; never raises."""
        address: str | None = None
        alarm = None

        def open_shell(transport: Transport, end: float) -> Shell:
            nonlocal address
            if transport is Transport.LOCAL:
                return self._open_local(cancellation)
            try:
                shell, address = self._connect(assignment, end, cancellation)
            except ProbeError as error:
                address = "" if error.outcome is Outcome.FAIL else address
                raise
            return shell

        with self._follow_interrupts(assignment.token) as cancellation:
            try:
                with suppress(RuntimeError):  # no thread to be had: whatever needs one will say so
                    # It does nothing but keep the pulse going while the probe is under way.
                    alarm = self._watchdog.arm(self._clock.monotonic() + assignment.deadline_s, lambda: None)
                report = ProbeRun(
                    assignment,
                    open_shell,
                    cancellation,
                    self._clock,
                    self._on_stage,
                    self._watchdog.stall_detector,
                    self._origin.owners,
                ).run()
            finally:
                if alarm is not None:
                    alarm.disarm()
        return report if address is None else replace(report, address=address)

    def interrupt(self) -> None:
        """Cut all probes that run and those that are still to come; does not block, may come from a signal handler."""
        self._is_interrupted = True
        with self._lock:
            cuts = list(self._cancellations)
        for cancellation in cuts:
            cancellation.request()
        self._targets.interrupt()
        if self._ssh is not None:
            self._ssh.jump_hosts.interrupt()

    def cancel(self, token: str) -> None:
        """Cut the probe with this token if it runs; does not block."""
        with self._lock:
            cuts = [cancellation for cancellation, own in self._cancellations.items() if own == token]
        for cancellation in cuts:
            cancellation.request()

    def pack(self, assignment: Assignment) -> Assignment | str:
        """Return the assignment with what a prober elsewhere needs of this machine: scripts, and known host keys.

        Keys of ours are no part of that. Where something cannot be read, return why, in words.
        """
        recipes = {id(each): each for each in (assignment.recipe, *(recipe for _, recipe in assignment.leftovers))}
        stages = [stage for recipe in recipes.values() for stage in recipe.stages.values()]
        try:
            scripts = {stage.script: read_script(stage.script, self._origin.owners) for stage in stages if stage.script}
            host_keys: dict[str, tuple[str, ...]] = {}
            if any(recipe.transport is Transport.SSH for recipe in recipes.values()):
                known = self._load_ssh().known
                known.load()
                target = self._targets.find(assignment.node)
                labels = {name for each in (target, *target.jumps) for name in (each.label, strip_port(each.label))}
                host_keys = {label: known.format_lines(label) for label in sorted(labels)}
        except ProbeError as error:
            return error.reason
        return replace(assignment, scripts=scripts, host_keys=host_keys)

    @contextmanager
    def _follow_interrupts(self, token: str) -> Iterator[Cancellation]:
        """Yield what `interrupt` requests while the body runs, or has requested already."""
        cancellation = Cancellation()
        with self._lock:
            self._cancellations[cancellation] = token
            if self._is_interrupted:
                cancellation.request()
        try:
            yield cancellation
        finally:
            with self._lock:
                self._cancellations.pop(cancellation, None)

    def _open_local(self, cancellation: Cancellation) -> LocalShell:
        limit, folder = self._settings.output_limit, self._origin.folder
        return LocalShell(cancellation, self._watchdog, self._clock, limit, folder)

    def _connect(self, assignment: Assignment, end: float, cancellation: Cancellation) -> tuple[Shell, str]:
        if assignment.host_keys:
            self._load_ssh().known.carry(assignment.host_keys)
        target = replace(self._targets.find(assignment.node), address=assignment.address)
        return self._load_ssh().connect(target, end, cancellation, assignment.connect_timeout_s)

    def _load_ssh(self) -> Ssh:
        with self._lock:
            if self._ssh is None:
                with defer_imports():
                    from plabctl.probes.ssh import Ssh

                self._ssh = Ssh(self._settings, self._clock, self._watchdog, self._origin.owners)
            return self._ssh


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # as many as there are must do
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _spare_address_space() -> None:
    """Where address space is limited, have all threads allocate from one place.

    The C library reserves 64 MiB for each of many threads, and a process that runs out of that dies inside a library.
    """
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return
    import ctypes

    with suppress(AttributeError, OSError):  # another C library than GNU's
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
