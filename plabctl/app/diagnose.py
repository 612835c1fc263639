"""Find what is wrong with an installation, and go back to the last good state when a person says so.

I/O. `diagnose` looks and changes nothing; `restore` is the one order given here. The checks: `trust_check`,
`state_check`, `ssh_check`, `source_check`, `cron_check`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from plabctl.app import (
    cron_check,
    crontab,
    executor_check,
    jump_check,
    source_check,
    ssh_check,
    state_check,
    trust_check,
)
from plabctl.app.context import PLUGIN_HINT, App, list_plugin_faults, open_app
from plabctl.app.due_page import NOTE_NAME, find_written_time
from plabctl.app.findings import Finding, Level, fail, ok, warn
from plabctl.app.queries import read_context_of
from plabctl.app.try_sinks import list_sink_faults
from plabctl.config.locate import find_state_dir
from plabctl.core.model import Node
from plabctl.core.problems import ProblemKind
from plabctl.errors import ConfigError, StoreError
from plabctl.history.database import History
from plabctl.kinds import find
from plabctl.render.times import format_ago
from plabctl.store.store import ERROR_PREFIX
from plabctl.views.status import count_totals, find_current_problems

_ROWS_CHECKED = 100_000
"""Of the history, the newest: a second or two, however long it is."""


_TOLD_ELSEWHERE = {ProblemKind.NO_TICK, ProblemKind.SINK}
"""Problems that a check of their own tells, with their age."""


def diagnose(config_path: str | None) -> Iterator[Finding]:
    """Yield one finding after the other; a configuration that cannot be used is told and ends it."""
    try:
        app = open_app(config_path)
    except ConfigError as error:
        yield from (fail("config", fault, error.hint) for fault in error.faults)
        return
    settings = app.settings
    yield ok("config", f"'{settings.path}': {len(settings.pools)} pools, {len(settings.recipes)} recipes")
    told: list[Finding] = []
    for finding in _check_parts(app):
        told.append(finding)
        yield finding
    yield from _list_problems(app, told)


def _check_parts(app: App) -> Iterator[Finding]:
    files = list(trust_check.check(app.settings))
    yield from files
    yield from (fail("plug-in", fault, PLUGIN_HINT) for fault in list_plugin_faults(app.settings))
    for fault in list_sink_faults(app.settings):
        if not any(finding.text in fault for finding in files):
            yield fail("sink", fault, "correct it")
    yield from state_check.check(app)
    nodes = _list_nodes(app)
    yield from ssh_check.check(app.settings, nodes, app.clock.now())
    yield from jump_check.check(app, nodes)
    yield from executor_check.check(app, nodes)
    yield from source_check.check(app.settings, [finding.text for finding in files])
    yield from _check_history(app)
    yield from _check_page(app)
    yield from _check_cron(app)


def _list_nodes(app: App) -> list[Node]:
    try:
        return list(app.store.snapshot().nodes())
    except StoreError:
        return []


def _list_problems(app: App, told: Sequence[Finding]) -> Iterator[Finding]:
    """Yield what keeps plabctl from its work, unless one of the findings `told` says it already."""
    try:
        context = read_context_of(app)
    except StoreError:  # which was found before
        return
    texts = [finding.text for finding in told if finding.level is not Level.OK]
    found = find_current_problems(context, count_totals(context))
    for problem in found:
        if problem.kind not in _TOLD_ELSEWHERE and not any(text in problem.reason for text in texts):
            make = fail if problem.is_critical else warn
            yield make("work", problem.reason, problem.remedy)
    if not found and context.sight is not None:
        yield ok("work", "nothing is stuck")


def _check_history(app: App) -> Iterator[Finding]:
    # Imported here: sqlite3 is not cheap.
    try:
        with History(app.state_dir) as history:
            health = history.check(_ROWS_CHECKED)
    except StoreError as error:
        yield fail("history", str(error), error.hint)
        return
    if health.skipped:
        count, first = len(health.skipped), health.skipped[0]
        rows = f"{count} of the newest {health.rows} rows are not events that plabctl wrote"
        yield warn("history", f"{rows}, and left out; the first has seq {first}", "find out who changed 'history.db'")
    yield ok(
        "history", f"{health.place} event{'s' * (health.place != 1)} so far" if health.place else "nothing recorded yet"
    )


def _check_page(app: App) -> Iterator[Finding]:
    folder = app.settings.report.dir
    if not folder:
        return
    written_at = find_written_time(app)
    if written_at is None:
        yield warn("page", f"no tick has written it into '{folder}' yet", "try it: plabctl report")
    else:
        yield ok("page", f"'{folder}' was written {format_ago(written_at, app.clock.now())}")


def _check_cron(app: App) -> Iterator[Finding]:
    try:
        last_tick_at = app.store.last_beat()
    except StoreError as error:
        yield fail("ticks", str(error), error.hint)
        return
    job = crontab.build_job(app.settings, os.environ)
    for finding in cron_check.check(job, last_tick_at, app.clock.now()):
        # Before the first tick of all, nothing has stopped: somebody is just setting plabctl up.
        is_new = last_tick_at is None and finding.level is Level.FAIL
        yield replace(finding, level=Level.WARN) if is_new else finding


@dataclass(frozen=True, slots=True)
class Restoration:
    """What a restore brought back, and what it set aside."""

    rev: int
    saved_at: float
    """When the state that was brought back had been saved."""
    node_count: int
    kept: str | None
    """Where the damaged file is now; None when there was none to keep."""


def restore(app: App) -> Restoration:
    """Bring the latest whole state back.

    Raise Refused when the state is sound, StateDamaged when there is none that is whole.
    """
    restored = app.store.restore()
    return Restoration(restored.rev, restored.found.saved_at, restored.found.node_count, restored.kept)


def list_written_paths(app: App) -> list[tuple[str, str]]:
    """Return every file that plabctl writes for this installation, as pairs of path and what it is for."""
    folder, settings = app.state_dir, app.settings
    return [
        (settings.path, "the configuration; written once, by `plabctl init`"),
        (str(folder), "the state directory"),
        (f"{folder}/state.json", "nodes, pools, claims, events that are not delivered yet"),
        (f"{folder}/state.journal.*", "what was changed since the state file was written, and before that"),
        (f"{folder}/state.json.previous", "the state file before it was last written"),
        (f"{folder}/state.*.damaged-*", "damaged states, set aside by `plabctl doctor --restore`"),
        (
            f"{folder}/state.tmp-*",
            "temporary files of killed processes; removed by the first commit a day later",
        ),
        (f"{folder}/state.lock", "the lock of the state"),
        (f"{folder}/slots/", "one lock for each slot of the window"),
        (f"{folder}/ticks/", "one lock for each running tick; what is left in it shows ticks that did not end"),
        (f"{folder}/deliver.lock", "the lock for delivering events to the history"),
        (f"{folder}/deliver-N.lock", "the lock for delivering events to a hook"),
        (f"{folder}/sync-N.lock", "the lock for bringing another system, such as Slurm, in line"),
        (f"{folder}/sink-*", "when a sink was last in line, or a tick last told it, and the lock for that"),
        (f"{folder}/notices-*.json", "what a service for notices was told, and how that went"),
        (f"{folder}/notices-*.lock", "the lock for sending to it"),
        (f"{folder}/last_tick", "its modification time is that of the last tick"),
        (f"{folder}/last_success", "its modification time is that of the last tick that ended without an error"),
        (f"{folder}/history.db", "the history; with files -wal and -shm beside it while it is open"),
        *_list_reports(app),
        *(file for sink in settings.sinks for file in find("sink", sink.kind).list_written_files(sink.options)),
        (settings.ssh.known_hosts, "the accepted host keys"),
        (f"{settings.ssh.known_hosts}.lock", "the lock of that file"),
        (f"{folder}/{ERROR_PREFIX}*.json", "the error that was reported last, so that it is not repeated"),
        (f"{find_state_dir(os.environ)}/{ERROR_PREFIX}*.json", "the same while the configuration cannot be read"),
        ("crontab -l", "the line of `plabctl cron install`; `plabctl cron remove` removes it"),
    ]


def _list_reports(app: App) -> list[tuple[str, str]]:
    report, found = app.settings.report, []
    if report.status_file:
        found.append((report.status_file, "the status for users who may not read the state"))
        found.append((f"{app.state_dir}/status-file.lock", "the lock for writing it"))
    if report.dir:
        found.append((report.dir, "the page for a browser, with all that is in it"))
        found.append((f"{app.state_dir}/{NOTE_NAME}", "when the page was written, and from which state"))
    return found
