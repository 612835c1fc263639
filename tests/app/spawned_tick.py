"""A tick from pickled settings, in a process of its own: `Installation.spawn_tick` starts it."""

import pickle
import sys
from pathlib import Path

from plabctl.app.context import App
from plabctl.app.goals import RetestGoal
from plabctl.app.signals import Stop
from plabctl.app.tick import run_tick
from plabctl.clock import SystemClock
from plabctl.store.store import Store

if __name__ == "__main__":
    settings = pickle.loads(Path(sys.argv[1]).read_bytes())
    clock, stop = SystemClock(), Stop()
    with stop.listen():
        tick_goal = RetestGoal(sys.argv[2:]) if sys.argv[2:] else None
        run_tick(App(settings, clock, Store(settings.state_dir, clock)), stop, tick_goal=tick_goal)
    sys.exit(stop.exit_code)
