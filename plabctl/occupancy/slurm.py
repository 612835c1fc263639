"""The occupancy source `slurm`: nodes with a job on them, which Slurm's `squeue` lists.

I/O: runs `squeue`. A job uses its nodes while it runs, is suspended, or completes. One that is being started, whose
prolog runs, uses none yet: that is when a gate tests them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from plabctl.core.keys.table import Table
from plabctl.core.slurm_nodes import SLURM_KEYS, VARIABLE, build_call
from plabctl.errors import UsageFault
from plabctl.lister import run_lister
from plabctl.nodesets import expand_nodeset
from plabctl.occupancy.base import OccupancyKind, Row
from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.occupancy import OccupancySettings
    from plabctl.core.settings import Origin

_STATES = "RUNNING,SUSPENDED,COMPLETING,SIGNALING,RESIZING,STAGE_OUT,STOPPED"
_FORMAT = "%i|%u|%S|%e|%N"
"""Number, user, beginning, end, and nodes of each job."""
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class SlurmOptions:
    """What only an occupancy source of this kind can be told."""

    conf: str = ""
    bin_dir: str = ""


class SlurmKind(OccupancyKind):
    """Nodes on which Slurm runs jobs."""

    name = "slurm"
    help = "the jobs of Slurm, by job and user; see slurm.md"
    keys = Table("occupancy.slurm", SlurmOptions(), *SLURM_KEYS)
    name_variable = VARIABLE

    def identify(self, options: SlurmOptions) -> str:
        """Return which cluster it is."""
        return options.conf or "jobs"

    def suggest_name(self, options: SlurmOptions) -> str:
        """Return the name of the configuration file, where one is named."""
        return os.path.basename(options.conf) or "jobs"

    def read(self, own: OccupancySettings, origin: Origin, now: float) -> Iterable[Row]:
        """Return the nodes of the jobs that run."""
        assert isinstance(own.options, SlurmOptions), "the configuration fills it"
        program, variables = build_call("squeue", own.options.bin_dir, own.options.conf)
        argv = [program, "--all", "-h", "-t", _STATES, "-o", _FORMAT]
        environment = {**variables, "SLURM_TIME_FORMAT": "%s"}
        printed = run_lister(argv, own.timeout_s, origin, environment=environment.items())
        return parse_jobs(printed.output.decode(errors="replace"))

    def list_named_files(self, options: SlurmOptions) -> Iterator[tuple[str, bool]]:
        """Yield the configuration of Slurm and the folder of its commands."""
        if options.conf:
            yield options.conf, False
        if options.bin_dir:
            yield options.bin_dir, True


def parse_jobs(text: str) -> Iterator[Row]:
    """Yield a row for each node of each job that squeue printed; raise UsageFault when that is not what it printed."""
    for line in text.splitlines():
        job, *fields = line.split("|")
        if len(fields) != 4 or not job[:1].isdigit():
            raise UsageFault(f"squeue is not understood: it printed {line[:_SHOWN]!r}")
        user, begin, end, nodes = fields
        for name in _list_nodes(nodes.strip()):
            yield Row(f"job {job}", name, f"job {job} of {user}", _read_instant(begin), _read_instant(end))


def _list_nodes(text: str) -> list[str]:
    if "[" not in text:
        return [name for name in text.split(",") if name]
    try:
        return expand_nodeset(text)
    except ValueError as error:
        raise UsageFault(f"squeue is not understood: nodes {text[:_SHOWN]!r}: {error}") from error


def _read_instant(text: str) -> float | None:
    """Return seconds since 1970; None for `N/A`, or where Slurm does not print them so."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 11 else None


SLURM = SlurmKind()
