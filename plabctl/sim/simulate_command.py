"""`plabctl simulate`: what each policy would cost and do, on a trace or on this installation's own past."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from plabctl.cli import output
from plabctl.cli.options import config_option, listing_options, make_command
from plabctl.cli.time_types import Duration
from plabctl.sim import comparison, policy_scores
from plabctl.sim.compare import Progress
from plabctl.sim.picture_file import refuse_picture, write_picture
from plabctl.sim.sim_options import SimOptions

_EXAMPLE = """\
plabctl simulate
plabctl simulate trace.csv.gz --shift 1h -p additive -p age -p plabctl.toml
plabctl simulate trace.csv.gz --bare --equal slots=3000 --plot harm.svg
plabctl simulate trace.csv.gz -p age -p age+checks --login-sees 0.5
plabctl simulate trace.csv.gz --every 2 --dead 100 --window 10 -p adaptive
plabctl simulate --since 30d -p configured -p age --window 20 --plot harm.svg
"""
_STEPS = 1000


@make_command("simulate", example=_EXAMPLE)
@click.argument("trace", required=False, type=click.Path())
@click.option(
    "--since", "since_s", metavar="DURATION", type=Duration(), help="Use this much of the history, such as 30d."
)
@click.option("--synthetic", metavar="FIT", help="Generate a testbed (default: pl05, 100 nodes).")
@click.option(
    "--nodes", type=click.IntRange(1, 10_000_000), help="Number of nodes; of more than 10000 a sample is generated."
)
@click.option(
    "--spread", type=click.FloatRange(0, 5), help="How much the nodes differ from each other (real testbeds: 1 to 1.5)."
)
@click.option("--policy", "-p", "words", metavar="NAME|FILE", multiple=True, help="A policy to compare.")
@click.option(
    "--window",
    type=click.IntRange(1, 1_000_000),
    help="Tests at once (default: as many as are due); not with checks, neighbours, jobs or cuts.",
)
@click.option(
    "--pass-takes", "up_s", metavar="DURATION", type=Duration(), help="How long a test takes that passes (default: 1m)."
)
@click.option(
    "--fail-takes",
    "down_s",
    metavar="DURATION",
    type=Duration(),
    help="How long a test takes that fails (default: 10m).",
)
@click.option("--false-failures", "false_ratio", type=click.FloatRange(0, 0.9), help="False-failure rate (default 0).")
@click.option(
    "--login-sees",
    "login_ratio",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    help="The share of the failures that a liveness check sees (default: 0.8).",
)
@click.option(
    "--login-takes",
    "login_s",
    metavar="DURATION",
    type=Duration(),
    help="How long a check takes that is answered (default: 1s).",
)
@click.option(
    "--login-fails-after",
    "silence_s",
    metavar="DURATION",
    type=Duration(),
    help="How long a check takes that is not answered (default: 10s).",
)
@click.option(
    "--silent-takes",
    "silent_s",
    metavar="DURATION",
    type=Duration(),
    help="How long a test of a node takes that answers no login (default: as --fail-takes).",
)
@click.option(
    "--busy",
    "busy_ratio",
    metavar="SHARE",
    type=click.FloatRange(0, 1, max_open=True),
    help="The share of the time that nodes in good are in use (default: 0).",
)
@click.option(
    "--jobs", "job_s", metavar="DURATION", type=Duration(), help="How long they are in use on average (default: 4h)."
)
@click.option("--site-of", metavar="REGEX", help="What in a node's name is its site: the first group, or all of it.")
@click.option("--site-nodes", type=click.IntRange(2), help="As many nodes in a row are a site.")
@click.option(
    "--site-failures",
    "site_ratio",
    metavar="SHARE",
    type=click.FloatRange(0, 1, max_open=True),
    help="Add outages of whole sites: this share of all failures.",
)
@click.option(
    "--cuts",
    "cuts_per_day",
    metavar="NUMBER",
    type=click.FloatRange(0, 1000),
    help="How often a day the way to each site is cut, for minutes (default: 0).",
)
@click.option(
    "--vantages",
    "vantage_count",
    type=click.IntRange(1, 10),
    help="Tests are made from so many places; a second look is made from another (default: 1).",
)
@click.option(
    "--days", type=click.FloatRange(0.1, 36_600), help="Only this many days (default: all; 30 when generated)."
)
@click.option(
    "--warm-up",
    "warm_up_s",
    metavar="DURATION",
    type=Duration(),
    help="Not counted (default: 1d, at most half of the time).",
)
@click.option(
    "--shift",
    "shift_s",
    metavar="DURATION",
    type=Duration(),
    default="0",
    help="The resolution of the trace (default: 0).",
)
@click.option("--every", type=click.IntRange(1), default=1, help="Only every Nth node of the trace.")
@click.option("--dead", type=click.IntRange(0, 100_000), default=0, help="Add this many nodes that never answer.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the random numbers.")
@click.option("--bare", is_flag=True, help="Back-offs alone: no suspects, no confirmation, one pass is enough.")
@click.option("--one-pass", is_flag=True, help="One pass is enough to return, however often a node has flapped.")
@click.option(
    "--equal", metavar="tests=N|slots=SECONDS", help="Scale all delays so that this is spent per node and day."
)
@click.option(
    "--plot",
    "picture",
    metavar="FILE",
    type=click.Path(),
    help="Plot harm against slot time, as .svg or .png: what is efficient, and where you are.",
)
@listing_options
@config_option
def command(form: str | None, header: bool, color: str, picture: str | None, **given: Any) -> None:
    """Compare policies on what nodes really did, with the same code that decides in a tick.

    TRACE is CSV, gzipped or not: node,start,end,state with seconds, and up or down. A policy is a back-off by its name,
    in both pools with its defaults; 2007, what Emulab's monitor did then; configured, the one of this installation; or
    any configuration file. After a back-off, +checks adds eight liveness checks between two tests (+checks=12 twelve),
    +apart repeats a silent one after five minutes, +neighbours lets a failure call two nodes of its site, or checks of
    all if there are checks; +test-busy tests nodes in use too, +test-released offers them after that only with a test.

    TESTS, SLOT-S (the seconds that tests take) and MOVES are per node and day. BROKEN is the share of node-time spent
    in good while down, IDLE in bad while up; HARM is BROKEN plus half of IDLE. 2H-BROKEN is the chance that a node
    taken from good is down, or goes down within two hours. SEEN IN and BACK IN are how long a failure and a return went
    unnoticed. BUSY is the mean number of tests at once. `-o wide` adds the share of the time in good that nodes were
    down, the share of the time in bad that they were up, and how long due nodes waited for a slot. CHECKS are liveness
    checks per node and day; what they take is part of SLOT-S.

    With --busy, HARM OFFERED is the harm per hour in which nodes were offered: free and in good, but down, and half of
    the time that they were up and kept from users. DISTURBING is the share of the tests that ran while somebody used
    the node. FALSE MOVES, with --cuts, are confirmed moves to bad of nodes that were up.

    A trace does not say which nodes that are down still let people log in: that is drawn for each down time, the same
    for all policies (--login-sees).

    A trace that was recorded once an hour has all its changes at full hours; --shift 1h moves the changes of each node
    by a random part of an hour.
    """
    refuse_picture(picture)
    how = output.choose_form(form, header=header, color=color)
    scene = comparison.prepare(SimOptions(**given))
    began = time.process_time()
    with _show_bar(len(scene.policies)) as show:
        progress = Progress(show)
        scores = list(scene.compute_scores(progress))
    took_s = max(0.001, time.process_time() - began)
    output.show_listing(policy_scores.build_listing(scores, scene.head, scene.footer), how)
    output.flush()
    speed = f"{progress.probe_count / took_s:,.0f} a second"
    output.write_note(f"{progress.probe_count:,} probes in {took_s:.1f} s of processor time, {speed}")
    if picture:
        write_picture(picture, policy_scores.draw(scores, scene.title).format_file())


@contextmanager
def _show_bar(count: int) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    with click.progressbar(length=count * _STEPS, file=sys.stderr, label="simulating") as bar:
        yield lambda done: bar.update(max(0, int(done * _STEPS) - bar.pos))
