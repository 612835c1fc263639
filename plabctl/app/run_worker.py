"""Run a worker of a Dask cluster, or say whether one could: `plabctl worker`.

I/O. Tests are made by the `[ssh]` of this machine's own configuration; its state is not touched.
Tests: `tests/executors/dask/test_cluster.py`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

from plabctl.app import key_check
from plabctl.app.context import App
from plabctl.app.executor_check import make_finding
from plabctl.app.findings import Finding, Level, fail, warn
from plabctl.errors import ConfigError, Refused, UsageFault
from plabctl.executors.dask.options import INSTALL_HINT, MISSING, DaskOptions, explain_missing_tls, is_scheduler
from plabctl.probes.prober import Prober


def find_options(app: App, scheduler: str) -> DaskOptions:
    """Return how `scheduler` is spoken to, by the configured certificates; raise UsageFault or ConfigError."""
    given = app.settings.executor.options
    own = replace(given if isinstance(given, DaskOptions) else DaskOptions(), scheduler=scheduler)
    if not is_scheduler(scheduler):
        raise UsageFault(f"{scheduler!r} is no scheduler", hint="allowed: tls://HOST:PORT, or tcp://127.0.0.1:PORT")
    if fault := explain_missing_tls(scheduler):
        raise UsageFault(fault)
    missing = [name for name in ("ca", "cert", "key") if not getattr(own, name)]
    if scheduler.startswith("tls://") and missing:
        names = ", ".join(missing)
        hint = 'give [executor] with kind = "dask" here too; docs/dask.md'
        raise ConfigError([f"{app.settings.path}: executor: TLS needs {names}"], hint=hint)
    return own


def check_worker(app: App, own: DaskOptions) -> Iterator[Finding]:
    """Yield what keeps this machine from being a worker, or would."""
    try:
        from plabctl.executors.dask.check import diagnose
    except ImportError as error:
        yield fail("dask", f"{MISSING}: {error}", INSTALL_HINT)
        return
    if app.settings.ssh.key:
        yield from key_check.check(app.settings.ssh.key, agent=app.settings.ssh.agent)
    else:
        yield warn("key", "the configuration names none", "set ssh.key, unless all recipes are local")
    for remark in diagnose(own, app.clock.now(), {}):
        yield make_finding("dask", remark)


def serve(app: App, own: DaskOptions, site: str, slots: int, note: Callable[[str], None]) -> int:
    """Make tests until a signal comes; return the exit code. Raise ConfigError or Refused."""
    try:
        from plabctl.executors.dask.certificates import require_certificates
        from plabctl.executors.dask.worker import Profile, run_worker
    except ImportError as error:
        raise Refused(f"{MISSING}: {error}", hint=INSTALL_HINT) from error
    require_certificates(own, app.clock.now())
    for finding in key_check.check(app.settings.ssh.key, agent=app.settings.ssh.agent) if app.settings.ssh.key else ():
        if finding.level is Level.FAIL:
            raise ConfigError([f"ssh.{finding.topic}: {finding.text}"], hint=finding.advice)
    prober = Prober(app.settings.ssh, app.clock, origin=app.settings.origin)
    prober.prepare()
    return run_worker(own, Profile(socket.gethostname(), site, slots), prober, app.clock, note)
