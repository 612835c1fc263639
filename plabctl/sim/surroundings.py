"""What happens around the tests of a simulation, from its options: what logins see, who uses the nodes, what is cut.

Pure. Everything that cannot be is refused here. Go on with `event_run` for what comes of it.
Tests: `tests/sim/test_simulate_command.py`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from math import isnan

from plabctl.durations import format_duration
from plabctl.errors import UsageFault
from plabctl.sim.conditions import Conditions
from plabctl.sim.logins import draw_silences
from plabctl.sim.sim_options import SimOptions
from plabctl.sim.sites import add_outages, name_sites, number_sites
from plabctl.sim.world import World

_LOGINS = ("login_ratio", "login_s", "silence_s", "silent_s")
_DURATIONS = {
    "login_s": "--login-takes",
    "silence_s": "--login-fails-after",
    "silent_s": "--silent-takes",
    "job_s": "--jobs",
}
_NUMBERS = {
    "login_ratio": "--login-sees",
    "busy_ratio": "--busy",
    "site_ratio": "--site-failures",
    "cuts_per_day": "--cuts",
}
_PATHS = ("cuts_per_day", "vantage_count")
_JOBS = ("busy_ratio", "job_s")
_OPTIONAL = frozenset((*_LOGINS, *_PATHS, *_JOBS))
"""Conditions that are told only where they make a difference."""


def surround(world: World, conditions: Conditions, options: SimOptions) -> tuple[World, Conditions]:
    """Return the world and the conditions with what the options say of all but the tests; raise UsageFault."""
    for name, option in _DURATIONS.items():
        if getattr(options, name) == 0:
            raise UsageFault(f"{option} must be more than 0")
    for name, option in _NUMBERS.items():
        if isnan(getattr(options, name) or 0.0):
            raise UsageFault(f"{option} cannot be nan")
    _refuse_alone(options)
    given = {name: value for name in (*_LOGINS, *_PATHS, *_JOBS) if (value := getattr(options, name)) is not None}
    conditions = replace(conditions, **given)
    if conditions.busy_ratio and conditions.job_s > world.length_s:
        lasts, length = format_duration(conditions.job_s), format_duration(world.length_s)
        raise UsageFault(f"--jobs: jobs of {lasts} are longer than all that is simulated, {length}")
    world = draw_silences(world, conditions.login_ratio, conditions.seed)
    if options.site_of is not None:
        world = name_sites(world, options.site_of)
    elif options.site_nodes:
        world = number_sites(world, options.site_nodes)
    return add_outages(world, options.site_ratio, conditions.seed) if options.site_ratio else world, conditions


def _refuse_alone(options: SimOptions) -> None:
    """Raise UsageFault for an option that means nothing without another, or beside it."""
    if options.site_of is not None and options.site_nodes:
        raise UsageFault("--site-of and --site-nodes both say which nodes are a site", hint="give one of them")
    if options.site_ratio is not None and options.site_of is None and not options.site_nodes:
        raise UsageFault("--site-failures needs sites", hint="see --site-of and --site-nodes")
    if options.job_s is not None and not options.busy_ratio:
        raise UsageFault("--jobs makes no difference while no node is in use", hint="see --busy")
    if options.vantage_count is not None and options.cuts_per_day is None:
        raise UsageFault("--vantages makes no difference while no way is cut", hint="see --cuts")


def refuse_idle_logins(options: SimOptions, *, has_checks: bool) -> None:
    """Raise UsageFault for what is said of logins where no policy makes any, nor a test that notices them."""
    given = ["login_s", "silence_s"] if options.silent_s is not None else ["login_ratio", "login_s", "silence_s"]
    for name in given:
        if not has_checks and getattr(options, name) is not None:
            option = {**_DURATIONS, **_NUMBERS}[name]
            raise UsageFault(f"{option} makes no difference where nothing logs in", hint="try it with: -p age+checks")


def list_conditions(conditions: Conditions, *, has_checks: bool) -> dict[str, object]:
    """Return the conditions by name, for programs, without those that make no difference."""
    left_out = set(_OPTIONAL)
    if has_checks:
        left_out -= set(_LOGINS)
    if conditions.cuts_per_day:
        left_out -= set(_PATHS)
    if conditions.busy_ratio:
        left_out -= set(_JOBS)
    if conditions.silent_s is None:
        left_out.add("silent_s")
    return {field.name: getattr(conditions, field.name) for field in fields(conditions) if field.name not in left_out}


def describe_surroundings(conditions: Conditions, *, has_checks: bool) -> list[str]:
    """Return what happens around the tests, in words."""
    told = []
    if has_checks:
        lasts, silent = format_duration(conditions.login_s), format_duration(conditions.silence_s)
        told.append(
            f"a login sees {100 * conditions.login_ratio:.3g} % of the failures, in {silent} ({lasts} if answered)"
        )
    if conditions.silent_s is not None:
        told.append(f"a test fails in {format_duration(conditions.silent_s)} where no login is answered")
    if conditions.busy_ratio:
        lasts = format_duration(conditions.job_s)
        told.append(f"nodes are in use {100 * conditions.busy_ratio:.3g} % of the time, for {lasts} on average")
    if conditions.cuts_per_day:
        vantages = "one vantage" if conditions.vantage_count == 1 else f"{conditions.vantage_count} vantages"
        told.append(f"{conditions.cuts_per_day:.3g} cuts a day and site, {vantages}")
    return told
