"""Where concrete parts are chosen: what runs the probes of this installation.

I/O. Importing this module imports fabric.
"""

from __future__ import annotations

from plabctl.app.context import App
from plabctl.probes.prober import Prober
from plabctl.probes.steps import OnStage
from plabctl.runner.threads import ThreadRunner


def make_runner(app: App, on_stage: OnStage | None = None) -> ThreadRunner:
    """Return a runner whose probes go by this installation's SSH settings; `on_stage` is told of each stage's end."""
    prober = Prober(app.settings.ssh, app.clock, on_stage, app.settings.origin)
    prober.prepare()
    return ThreadRunner(prober, app.clock)
