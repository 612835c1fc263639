"""What cron does for a site: start `plabctl tick` again and again, whether the one before has ended or not.

I/O. What a tick prints goes to a file, as cron would mail it: nothing, when all is well.
Tests: `tests/demo/test_run.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import plabctl

GRACE_S = 5.0
"""A tick that is told to stop has 2 s to do so; after this long it is killed."""


class Ticker:
    """Ticks for one configuration, every `every_s` from the first `poll` on; the last ones are stopped at its exit."""

    def __init__(self, config_path: Path, state_dir: Path, every_s: float) -> None:
        # -P: without it Python would look for modules in the current directory first, which may be another user's.
        self._command = [sys.executable, "-P", "-m", "plabctl", "tick", "--config", str(config_path)]
        # Wherever else a tick would leave a note about itself, the person's own installation is not to be touched.
        self._environment = {**os.environ, **_build_python_path(), "PLABCTL_STATE_DIR": str(state_dir)}
        self._every_s = every_s
        self._next_at = time.monotonic()
        self._running: list[subprocess.Popen[bytes]] = []
        self.log_path = config_path.with_name("ticks.log")
        self.started_count = 0
        self.most_at_once = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def poll(self) -> None:
        """Start a tick when it is time for one."""
        self._running = [process for process in self._running if process.poll() is None]
        if time.monotonic() < self._next_at:
            return
        self._next_at += self._every_s
        with self.log_path.open("ab") as log:
            # In a session of its own: Ctrl-C at the demo's terminal is for the demo, which then stops its ticks.
            process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        self.started_count += 1
        self.most_at_once = max(self.most_at_once, len(self._running))

    def stop(self) -> None:
        """Tell the ticks to stop, as a shutdown would, and wait until they have."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        for process in self._running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def read_output(self) -> str:
        """Return what the ticks printed."""
        try:
            return self.log_path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def _build_python_path() -> dict[str, str]:
    """Return the variables by which another Python finds this package where it is not installed for all."""
    place = Path(plabctl.__file__).absolute().parents[1]
    if place.name in {"site-packages", "dist-packages"}:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(place))))}
