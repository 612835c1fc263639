"""Choose the concrete parts: what runs the probes of this installation.

I/O. Importing this module imports fabric.
Tests: `tests/app/test_tick.py`.
"""

from __future__ import annotations

from plabctl.app.context import App
from plabctl.executors.base import Executor, ExecutorKind
from plabctl.kinds import find
from plabctl.probes.prober import Prober
from plabctl.probes.stage_runner import OnStage


def make_executor(app: App, on_stage: OnStage | None = None) -> Executor:
    """Return the configured executor, which probes by this installation's SSH settings.

    `on_stage` is called as each stage of a probe ends.
    """
    prober = Prober(app.settings.ssh, app.clock, on_stage, app.settings.origin)
    prober.prepare()
    own = app.settings.executor
    kind: ExecutorKind = find("executor", own.kind)
    return kind.build(own, prober, app.clock, app.settings.state_dir)
