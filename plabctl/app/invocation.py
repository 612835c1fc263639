"""One invocation of `plabctl tick`: idle at once, or a whole tick; and the memory of what it complained about.

I/O. Nearly all invocations end in `end_idle`, so nothing is imported before that which only a busy tick needs.
Tests: `tests/app/test_directory.py`, `tests/app/test_idle_fold.py`.
"""

from __future__ import annotations

import os

from plabctl.app.access_changes import find_access_change, retest_refused
from plabctl.app.context import App, check_plugins, open_app
from plabctl.app.last_error import LastError
from plabctl.config.locate import find_state_dir
from plabctl.contexts import suppress
from plabctl.core.clock_skew import SETTLES_S, is_set_back
from plabctl.errors import ClockFault, PlabctlError, ReportFault, StoreError
from plabctl.store.journal import IDLE_SHARE, is_worth_folding
from plabctl.store.store import BEAT_NAME, SUCCESS_NAME
from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from plabctl.app.background import Background
    from plabctl.app.goals import OnProgress
    from plabctl.core.problems import ProblemKind
    from plabctl.core.settings import Settings

    Watch = Callable[[], AbstractContextManager[OnProgress]]
    """Opens what is told how it goes, such as a bar on a terminal."""


def end_idle(config_path: str | None) -> bool:
    """Return whether there was nothing to do and nothing to say, which is noted as a tick; raise nothing of ours.

    What goes wrong here goes wrong once more on the long way, which knows how often to say it.
    """
    try:
        app = open_app(config_path)
        if (
            app.settings.plugin_faults
            or app.settings.report.status_file
            or (app.settings.report.dir and _is_page_due(app))
            or (app.settings.eventless_sinks and _has_tick_sinks(app.settings))
            or is_clock_settling(app)
            or find_access_change(app)
            or not is_idle(app)
            or is_worth_folding(app.settings.state_dir)
            or _build_last_error(config_path, app.settings).has_error
        ):
            return False
        app.store.beat(BEAT_NAME, SUCCESS_NAME)
    except PlabctlError:
        return False
    return True


def _has_tick_sinks(settings: Settings) -> bool:
    from plabctl.app.due_sources import find_tick_sinks

    return bool(find_tick_sinks(settings.sinks))


def is_idle(app: App) -> bool:
    """Return whether nothing is due, running or untold, so that a tick may end at once.

    The answer is no whenever the clock looks set back since the last commit. Raise StoreError when the state is
    damaged.
    """
    head = app.store.head()
    now = app.clock.now()
    if head and head.wake_at is not None:
        # A time further ahead than any wait was written down by a clock that was set back since.
        waits = now < head.wake_at <= now + app.settings.longest_wait_s
        if not waits or is_set_back(now, head.saved_at):
            return False
    if not (app.settings.inventories or app.settings.occupancies or app.settings.eventless_sinks):
        return True
    from plabctl.app.due_sources import find_due_inventories, find_due_occupancies, find_due_syncs

    return not (find_due_inventories(app) or find_due_occupancies(app) or find_due_syncs(app))


def is_clock_settling(app: App) -> bool:
    """Return whether the clock cannot be believed yet, but may soon be set, as this machine was booted a moment ago.

    Raise ClockFault when it cannot be believed and that is no excuse any more.
    """
    why = app.store.explain_clock_doubt()
    if why and app.clock.uptime() >= SETTLES_S:
        raise ClockFault(why, hint="set the clock; until then nothing is tested and no node moves")
    return bool(why)


def tick(config_path: str | None, background: Background, watch: Watch | None = None) -> int:
    """Run one tick and return the exit code; what `watch` gives is told how it goes, if there is something to do.

    What it leaves to do for sinks goes to `background`.
    On a machine that was booted a moment ago and does not know the time yet it does nothing.
    Raise ConfigError, ClockFault or StoreError, and PluginFault, ReportFault or PageFault after all else is done.
    """
    app = open_app(config_path)
    if is_clock_settling(app):
        return 0
    _load_reports(app)
    code = _tick(app, background, watch)  # whoever remembers how it failed calls `report_failure`
    _write_reports(app, has_time=not code)
    return code


def report_failure(
    config_path: str | None, kind: ProblemKind | None, background: Background, *, may_tell: bool
) -> None:
    """Write the error that the tick just ended with, which was remembered, for others, as far as that is possible.

    If it `may_tell`, the history and the sinks are told as well. `kind` is the problem that it is a case of, if any.
    """
    with suppress(PlabctlError):  # what went wrong before is worse
        app = open_app(config_path)
        if may_tell:
            from plabctl.app.tell_failures import tell_failure

            tell_failure(app, kind, background)
        _write_reports(app, has_time=kind != "page")


def _load_reports(app: App) -> None:
    """Import what writes for others: while a tick runs another version may come into its place."""
    from importlib import import_module

    if app.settings.report.status_file:
        import_module("plabctl.app.status_file")
    if app.settings.report.dir:
        import_module("plabctl.app.due_page")


def _write_reports(app: App, *, has_time: bool) -> None:
    """Write what is for others: first the status file, then the page if it `has_time`. A fault of one keeps no other.

    Raise ReportFault or PageFault.
    """
    report = app.settings.report
    fault = None
    if report.status_file:
        from plabctl.app.status_file import write_status_file

        try:
            write_status_file(app)
        except ReportFault as error:
            fault = error
    if report.dir and has_time:
        from plabctl.app.due_page import write_due_page

        write_due_page(app)
    if fault:
        raise fault


def _is_page_due(app: App) -> bool:
    from plabctl.app.due_page import is_page_due

    return is_page_due(app)


def _tick(app: App, background: Background, watch: Watch | None) -> int:
    changed_at = find_access_change(app)  # since the last beat
    idle = changed_at is None and is_idle(app)
    if changed_at is not None:
        retest_refused(app, changed_at)  # if the state is locked, there is no beat, and the next tick sees the change
    app.store.beat()
    code = 0 if idle else _enter(app, background, watch)
    if idle and is_worth_folding(app.settings.state_dir):
        # What is in the journal is durable: that it cannot be folded now is no fault.
        with suppress(StoreError), app.store.session() as state:
            state.fold(IDLE_SHARE)
    if not code:
        check_plugins(app.settings)  # which all else did not have to wait for
        app.store.beat(SUCCESS_NAME)
    return code


def _enter(app: App, background: Background, watch: Watch | None) -> int:
    """Run a tick that has something to do, so that it can be seen whether it ends; return its exit code."""
    from plabctl.clock import read_boot_id
    from plabctl.store.tick_log import enter_tick

    background.prepare(app)
    with enter_tick(app.settings.state_dir, read_boot_id(), app.clock.now(), app.settings.origin.owners):
        return _run(app, background, watch)


def _run(app: App, background: Background, watch: Watch | None) -> int:
    # Imported here: an idle tick needs none of it.
    from contextlib import nullcontext
    from importlib import import_module

    from plabctl.app.goals import ignore_progress
    from plabctl.app.signals import Stop
    from plabctl.app.ssh_check import require_key
    from plabctl.app.tick import run_tick

    import_module("plabctl.app.tell_failures")  # as above: the tick may fail
    require_key(app.settings, lambda: app.store.snapshot().nodes())
    stop = Stop()
    with watch() if watch else nullcontext(ignore_progress) as on_progress, stop.listen():
        run_tick(app, stop, on_progress=on_progress, background=background)
    return stop.exit_code


def find_last_error(config_path: str | None) -> LastError:
    """Return the memory of what the ticks with this configuration complained about."""
    try:
        return _build_last_error(config_path, open_app(config_path).settings)
    except PlabctlError:
        return _build_last_error(config_path)


def record_success(config_path: str | None, background: Background, now: float) -> str | None:
    """Return what to say when the error that ticks ended with is over, and forget it.

    A source is read only now and then: until that is done without a fault, its error is not over.
    """
    last_error = find_last_error(config_path)
    if not last_error.has_error:
        return None
    from plabctl.app.tell_failures import tell_recovery
    from plabctl.core.tick_errors import find_inventory_problems, find_occupancy_problems

    app = open_app(config_path)
    state = app.store.snapshot()
    if find_inventory_problems(state, app.settings) or find_occupancy_problems(state, app.settings, now):
        return None
    with tell_recovery(app, last_error.list_failures(), background):
        return last_error.record_success(now)


def _build_last_error(config_path: str | None, settings: Settings | None = None) -> LastError:
    named = config_path or os.environ.get("PLABCTL_CONFIG") or ""
    configured = [settings.state_dir] if settings else []
    owners = settings.origin.owners if settings else ()
    directories = [*configured, find_state_dir(os.environ)]
    return LastError(directories, os.path.abspath(named), owners)
