"""The errors that plabctl raises: one tree, each with its exit code and a hint at what to do.

Pure. A node's failure is never an error: it is a `Report`. What is raised here is ours. `plabctl.cli.main` is the
one place that turns these into output.
"""

from __future__ import annotations

from collections.abc import Sequence


class PlabctlError(Exception):
    """Something of ours failed or was refused; the message says what, where and why, the hint what to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Refused(PlabctlError):
    """What was asked for is understood and not done."""


class NoSuchNode(PlabctlError):
    """A name, pattern or pool selects no node; `word` is the name, where it was one."""

    def __init__(self, message: str, *, hint: str = "", word: str = "") -> None:
        super().__init__(message, hint=hint)
        self.word = word


class NoSuchPool(PlabctlError):
    """A pool is named that the configuration does not have."""


class NoSuchExperiment(PlabctlError):
    """An experiment is named that there is not."""


class Untrusted(PlabctlError):
    """Somebody who is not trusted could change what a file says, or which file its name means."""


class UsageFault(PlabctlError):
    """A value on the command line or in an imported file is invalid."""

    exit_code = 2


class ConfigError(PlabctlError):
    """The configuration cannot be used; every fault found is listed."""

    exit_code = 78

    def __init__(self, faults: Sequence[str], *, hint: str = "") -> None:
        super().__init__("\n".join(faults), hint=hint)
        self.faults = tuple(faults)


class InvalidConfig(ConfigError):
    """The configuration was read, and what it says is invalid."""


class InventoryFault(PlabctlError):
    """A source of nodes cannot be read, or lists something invalid; nothing was changed."""


class OccupancyFault(PlabctlError):
    """What says which nodes are in use cannot be read, or says something invalid; what was known holds for a while."""


class PluginFault(PlabctlError):
    """A plug-in cannot be used: what wants it was left out, all else was done."""


class ReportFault(PlabctlError):
    """A file for others cannot be written; all else was done."""


class PageFault(PlabctlError):
    """The page cannot be written; all else was done."""


class HookFault(PlabctlError):
    """A hook could not be told of an event."""


class StoreError(PlabctlError):
    """The state directory cannot be read or written."""

    exit_code = 74


class StateDamaged(StoreError):
    """The state file is empty, cut short, altered or no state file at all."""


class StateTooNew(StoreError):
    """The state file was written by a later version of plabctl."""


class CommitUncertain(StoreError):
    """The change is in place, but the disk did not confirm that it will survive a power cut."""


class ClockFault(PlabctlError):
    """The clock of this machine cannot be believed, so nothing is decided by it."""

    exit_code = 75


class StoreBusy(PlabctlError):
    """Another process keeps the lock of the state for too long."""

    exit_code = 75
