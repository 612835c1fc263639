"""Find the persistent faults: what keeps plabctl from its work, or is about to, since when, and what to do about it.

Pure. The one place that lists them: `check`, `doctor` and `status` tell the same in the same words, and one cause is
one problem. `plabctl.app.queries` collects what is seen beside the state. Errors of ticks are judged in
`plabctl.core.tick_errors`, stuck processes in `stuck`, tests that find nothing out in `untestable`; each is loaded only
when there may be some, and so is `problems`.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.core.state import FALSE_ALARMS_TOPIC, LOST_SOURCES_TOPIC
from plabctl.core.surroundings import NodeCounts, Surroundings
from plabctl.durations import format_duration
from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.core.problems import Problem, TickFailure
    from plabctl.core.settings import Settings
    from plabctl.core.state import State
    from plabctl.core.surroundings import LockReport

TICKS_COME_S = 180.0
"""When the last tick is older than this, cron is what is wrong."""
UNTESTED_S = 600.0
"""A node that is due for so long, while no test runs or ends, shows that nothing is tested."""
ENOUGH_BYTES = 64 * 1024**2
"""With less free space on its disk the state may soon not be saved any more."""
_MIB = 1024**2


def find_problems(
    state: State,
    settings: Settings,
    now: float,
    last_tick_at: float | None,
    counts: NodeCounts,
    around: Surroundings,
    sight: LockReport | None,
    *,
    max_age_s: float = TICKS_COME_S,
    is_tick_looking: bool = False,
) -> list[Problem]:
    """Return what is wrong, the gravest first; a tick is late when it is older than `max_age_s`.

    A tick that is looking has made all tests that it could, and has not failed so far.
    """
    found = [] if sight is None else _check_processes(sight, state, settings, now, last_tick_at)
    partial = [*_check_sources_and_sinks(state, settings, now), *_check_noted(state, settings)]
    failing = _check_failure(around.failure, state, settings, now)
    ended_at = None if is_tick_looking else around.last_success_at
    if ended_at is not None and around.failure and not failing:
        # A tick that ends with what is a problem of its own, such as a bad row of an inventory, did all else.
        ended_at = max(ended_at, around.failure.last_at)
    found += failing or _check_ages(now, last_tick_at, ended_at, sight, max_age_s)
    found += _check_pools(state, settings, counts)
    are_ticks_well = not any(each.is_critical for each in found)
    if sight is not None and are_ticks_well and last_tick_at is not None and now - last_tick_at <= TICKS_COME_S:
        may_be_starting = not is_tick_looking
        found += _check_untested(sight, state, settings, now, counts, around.load, may_be_starting)
    if around.free_bytes is not None and (problem := judge_disk(settings.state_dir, around.free_bytes)):
        found.append(problem)
    found += partial
    if around.certificate and not _is_told(around.certificate, found):
        found.append(around.certificate)
    if last_tick_at is not None:
        found += _check_usable(counts)
    return sorted(found, key=lambda problem: not problem.is_critical)


def _is_told(certificate: Problem, found: list[Problem]) -> bool:
    """Return whether the tests that found nothing out name the same certificate with the same fault."""
    fault = certificate.reason.partition(": nodes are")[0]
    return any(fault in problem.reason for problem in found)


def judge_disk(folder: str, free_bytes: int) -> Problem | None:
    """Return what is wrong with so much free space for the state in `folder`; None when it is enough."""
    if free_bytes >= ENOUGH_BYTES:
        return None
    from plabctl.core.problems import Problem, ProblemKind, Severity

    if free_bytes <= 0:
        reason = f"the file system of '{folder}' is full"
        return Problem(ProblemKind.DISK, reason, "free some space: nothing can be recorded")
    reason = f"only {free_bytes // _MIB} MiB free for '{folder}'"
    return Problem(ProblemKind.DISK, reason, "free some space soon", severity=Severity.WARNING)


def describe_late_tick(last_tick_at: float | None, now: float) -> tuple[str, str]:
    """Return in words that no tick comes, and what to do."""
    if last_tick_at is None:
        return "there has been no tick yet", "wait a minute, or run: plabctl tick"
    ago = format_duration(max(0.0, now - last_tick_at))
    return f"no tick for {ago}: cron does not seem to run plabctl tick", "look for mail from cron, or run: plabctl tick"


def _check_processes(
    sight: LockReport, state: State, settings: Settings, now: float, last_tick_at: float | None
) -> list[Problem]:
    ahead_s = 0.0 if last_tick_at is None else last_tick_at - now
    found = []
    if ahead_s > TICKS_COME_S:  # each tick notes the time anew, so none has come since
        from plabctl.core.problems import Problem, ProblemKind

        reason = f"the clock is {format_duration(ahead_s)} behind the last tick: it was set back, and none came since"
        remedy = "set the clock if it is wrong, then run: plabctl tick"
        found.append(Problem(ProblemKind.CLOCK, reason, remedy))
    if sight.locks or sight.ticks or state.claims:
        from plabctl.core.stuck import find_stuck

        found += find_stuck(sight, state, settings, now, last_tick_at)
    return found


def _check_untested(
    sight: LockReport,
    state: State,
    settings: Settings,
    now: float,
    counts: NodeCounts,
    load: float | None,
    may_be_starting: bool,
) -> Iterator[Problem]:
    # Between tests that are far apart nothing is due: to go through what is would load all that claims need.
    if now - counts.last_test_at >= UNTESTED_S and _is_any_due(state, counts, now - UNTESTED_S):
        from plabctl.core.stuck import find_untested, is_tick_starting

        if not (may_be_starting and is_tick_starting(sight, now)):
            yield from find_untested(sight, state, settings, now, UNTESTED_S, load)


def _is_any_due(state: State, counts: NodeCounts, now: float) -> bool:
    is_node_due = counts.next_due_at is not None and counts.next_due_at <= now
    return is_node_due or any(vnode.due_at <= now for vnode in state.vnodes())


def _check_ages(
    now: float, last_tick_at: float | None, last_success_at: float | None, sight: LockReport | None, max_age_s: float
) -> Iterator[Problem]:
    """Yield that no tick comes any more, or that none of those that come succeeds."""
    if last_tick_at is None:
        return  # nothing has stopped: somebody is just setting it up
    if now - last_tick_at > max_age_s:
        from plabctl.core.problems import Problem, ProblemKind

        yield Problem(ProblemKind.NO_TICK, *describe_late_tick(last_tick_at, now), since_at=last_tick_at)
        return
    if last_success_at is None or now - last_success_at <= max_age_s:
        return
    # A long tick is at work while its tests run; it began when all was well, or another one ended well since.
    ticks = [] if sight is None else sight.ticks
    if not any(tick.is_running and tick.began_at - last_success_at <= max_age_s for tick in ticks):
        from plabctl.core.problems import Problem, ProblemKind

        reason = f"no tick has ended well for {format_duration(now - last_success_at)}, although they begin"
        remedy = "run `plabctl tick` and look at what it says"
        yield Problem(ProblemKind.FAILING, reason, remedy, since_at=last_success_at)


def _check_failure(failure: TickFailure | None, state: State, settings: Settings, now: float) -> list[Problem]:
    if failure is None:
        return []
    from plabctl.core.tick_errors import judge_failure

    return judge_failure(failure, state, settings, now)


def _check_sources_and_sinks(state: State, settings: Settings, now: float) -> list[Problem]:
    is_of_interest = settings.occupancies and any("fault" in note for note in state.notes.values())
    if not is_of_interest and not any(topic == "sinks" or topic.startswith("inventory ") for topic in state.notes):
        return []
    from plabctl.core.tick_errors import find_inventory_problems, find_occupancy_problems, find_sink_problems

    return [
        *find_inventory_problems(state, settings),
        *find_occupancy_problems(state, settings, now),
        *find_sink_problems(state, now),
    ]


def _check_noted(state: State, settings: Settings) -> Iterator[Problem]:
    """Yield what a walk over all nodes finds, where a tick has found and noted it."""
    if LOST_SOURCES_TOPIC in state.notes:
        from plabctl.core import lost_sources

        yield from lost_sources.list_problems(state, settings)
    if FALSE_ALARMS_TOPIC in state.notes:
        from plabctl.core import false_alarms

        yield from false_alarms.list_problems(state, settings)


def _check_pools(state: State, settings: Settings, counts: NodeCounts) -> Iterator[Problem]:
    """Yield the pools of which nothing is learnt although ticks come, and the nodes that tests do not bring back."""
    faults = settings.plugin_faults
    if not (faults or counts.unknown or counts.stuck):
        return
    from plabctl.core.problems import Problem, ProblemKind, Severity

    if faults:
        from plabctl.core.untestable import find_disabled_pools

        for each in find_disabled_pools(state, settings):
            yield Problem(ProblemKind.PLUGINS, each.reason, each.remedy, subject=each.pool)
    if counts.unknown:
        from plabctl.core.untestable import find_broken_jump_hosts, find_failed_executor, find_fruitless_pools

        for is_local, each in find_fruitless_pools(state, settings):
            kind = ProblemKind.LOCAL if is_local else ProblemKind.UNKNOWN
            severity = Severity.CRITICAL if is_local else Severity.WARNING
            yield Problem(kind, each.reason, each.remedy, severity=severity, subject=each.pool)
        for host, each in find_broken_jump_hosts(state):
            yield Problem(ProblemKind.JUMP, each.reason, each.remedy, severity=Severity.WARNING, subject=host)
        if found := find_failed_executor(state):
            severity = Severity.CRITICAL if found[0] else Severity.WARNING
            yield Problem(ProblemKind.EXECUTOR, found[1].reason, found[1].remedy, severity=severity)
    if counts.stuck:
        from plabctl.core.strikes import judge_stuck_nodes

        yield judge_stuck_nodes(state)


def _check_usable(counts: NodeCounts) -> Iterator[Problem]:
    """Yield that there is nothing to offer; nodes that wait for their first tests are no fault yet."""
    total = sum(counts.pools.values())
    if counts.is_any_usable or (total and counts.untested):
        return
    from plabctl.core.problems import Problem, ProblemKind

    if not total:
        yield Problem(
            ProblemKind.NO_NODES, "there are no nodes", "plabctl node add NAME, or configure an [[inventory]]"
        )
    else:
        places = ", ".join(f"{count} {pool}" for pool, count in counts.pools.items() if count)
        reason = f"no node is usable: {places}"
        yield Problem(ProblemKind.UNUSABLE, reason, "look at the reasons: plabctl status")
