"""Ask the scheduler once who is there: for `plabctl doctor` and `plabctl worker --check`.

I/O. Loads `distributed`.
Tests: `tests/executors/dask/test_cluster.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from plabctl.counts import format_count
from plabctl.executors.base import Remark
from plabctl.executors.dask.certificates import find_faults, read_end
from plabctl.executors.dask.link import LinkFault, build_security, open_link
from plabctl.executors.dask.options import DaskOptions
from plabctl.executors.dask.protocol import Message

_SOON_S = 14 * 86400.0


def diagnose(
    own: DaskOptions, now: float, sites: Mapping[str, int], *, second_opinion: bool = False
) -> Iterator[Remark]:
    """Yield what is wrong with certificates, scheduler and workers; `sites` says how many nodes are at each site."""
    if own.scheduler.startswith("tls://"):
        faults = list(find_faults(own, now))
        yield from (Remark(f"{name}: {text}", hint, is_grave=True) for name, text, hint in faults)
        if faults:
            return
        end_at = read_end(own)
        until = f"the certificate '{own.cert}' is valid until {datetime.fromtimestamp(end_at, UTC):%Y-%m-%d}"
        yield Remark(until, "renew it" if end_at - now < _SOON_S else "")
    workers, fault = ask_scheduler(own)
    if fault:
        yield Remark(fault, "see docs/dask.md", is_grave=True)
        return
    yield Remark(f"the scheduler at {own.scheduler} answers")
    for worker in workers:
        text = f"worker '{worker['name']}' at site '{worker['site']}': {worker['busy']} of {worker['slots']} slots busy"
        problem = worker["problem"]
        advice = f"it gets no tests: {problem}" if problem else ""
        yield Remark(text, advice)
    if sites:
        there = {worker["site"] for worker in workers if not worker["problem"]}
        yield from check_sites(there, sites, second_opinion=second_opinion)


def check_sites(there: Collection[str], sites: Mapping[str, int], *, second_opinion: bool) -> Iterator[Remark]:
    """Yield which sites of nodes have no worker that can be used, given the sites that have one."""
    if not there:
        yield Remark("no worker can be used: nothing is tested", "start one: plabctl worker", is_grave=True)
        return
    for site in sorted(sites.keys() - there - {""}):
        what = f"there is no worker at site '{site}', which has {format_count(sites[site], 'node')}"
        yield Remark(what, f"start one there; until then they are tested from: {', '.join(sorted(there))}")
    if second_opinion and len(there) == 1:
        what = f"all workers are at site '{min(there)}': no failure can be looked at from another"
        yield Remark(what, "start one at another site, or set: executor.second_opinion = false")


def ask_scheduler(own: DaskOptions) -> tuple[list[Message], str]:
    """Return the workers that the scheduler knows, and why it could not be asked, or ""."""
    try:
        return asyncio.run(_ask(own)), ""
    except LinkFault as fault:
        return [], str(fault)


async def _ask(own: DaskOptions) -> list[Message]:
    comm, first = await open_link(own, build_security(own), "")
    comm.abort()
    workers: list[Message] = first["workers"]
    return workers
