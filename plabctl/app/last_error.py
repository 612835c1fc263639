"""Remembering which error the last tick ended with, so that cron mails it once and not every minute.

I/O: one small file in the configured state directory; in the user's own default one when the error is that the
configuration names none, or one that cannot be written to. The rule itself is `plabctl.core.error_throttle`.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence

from plabctl.contexts import contextmanager, suppress
from plabctl.errors import StoreError, Untrusted
from plabctl.files.private import open_private
from plabctl.files.trusted import open_trusted
from plabctl.store.store import ERROR_PREFIX
from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.core.error_throttle import RepeatedError
    from plabctl.core.problems import ProblemKind, TickFailure
    from plabctl.errors import PlabctlError


_OTHERS_MAY_WRITE = 0o022
_LOCK_WAIT_S, _PAUSE_S = 1.0, 0.01


class LastError:
    """The memory of one installation's ticks, told apart by the configuration they were given.

    It lies in the first of `directories` that takes it; the first that has it is believed. Folders that lead to these
    may belong to `owners` (user ids) besides root and the current user.
    """

    def __init__(self, directories: Sequence[str], config_path: str, owners: Collection[int] = ()) -> None:
        name = f"{ERROR_PREFIX}{zlib.crc32(config_path.encode()):08x}.json"
        self._paths = [f"{directory}/{name}" for directory in dict.fromkeys(directories)]
        self._owners = owners

    @property
    def has_error(self) -> bool:
        """Return whether there was an error that nobody was told the end of."""
        return any(map(os.path.exists, self._paths))

    def record_failure(self, text: str, now: float, kind: str = "") -> str | None:
        """Return what to say about an error, and remember it; what cannot be remembered is always said.

        `kind` is the `ProblemKind` that it is a case of, if any.
        """
        # Imported here, as below: most ticks have nothing to say.
        import json
        from dataclasses import asdict

        from plabctl.core.error_throttle import throttle_error

        any(map(self._make, self._paths))  # so that there is one to lock
        with _lock(self._paths):
            complaint, message = throttle_error(self._read(), text, now, kind)
            content = json.dumps(asdict(complaint)).encode()
            for path in self._paths:
                if self._make(path) and _write(path, content):
                    self._forget(path)
                    return message
        return text

    def list_failures(self) -> list[TickFailure]:
        """Return the errors that are remembered: more than one if ticks then could not read where to remember them."""
        found = (_read(path) for path in filter(self._is_ours, self._paths))
        return [_describe(error) for error in found if error]

    def record_success(self, now: float) -> str | None:
        """Return what to say when an error is over, and forget it."""
        if not self.has_error:
            return None
        with _lock(self._paths):
            before = self._read()
            self._forget()
        if before is None:
            return None
        from plabctl.core.error_throttle import format_recovery

        return format_recovery(before, now)

    def _read(self) -> RepeatedError | None:
        if not self.has_error:
            return None
        found = (_read(path) for path in filter(self._is_ours, self._paths))
        return next((error for error in found if error), None)

    def _forget(self, but: str = "") -> None:
        from plabctl.files.atomic import remove

        for path in filter(self._is_ours, self._paths):
            if path != but:
                remove(path)  # what is not ours to remove stays unread behind a newer one

    def _make(self, path: str) -> bool:
        """Return whether the directory of `path` is there and ours; make it if it is missing and the last of them.

        A configured state directory is for the store to make: it may be a file system that is not mounted.
        """
        try:
            return self._is_ours(path, must_exist=True)
        except FileNotFoundError:  # what there is of the way was found to be trusted
            if path == self._paths[-1]:
                with suppress(OSError):
                    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            return self._is_ours(path)

    def _is_ours(self, path: str, *, must_exist: bool = False) -> bool:
        """Return whether only we can write in the directory of `path`, and nobody else leads us there."""
        try:
            opened = open_trusted(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY, owners=self._owners)
        except FileNotFoundError:
            if must_exist:
                raise
            return False
        except (OSError, Untrusted):
            return False
        os.close(opened.fd)
        return opened.status.st_uid == os.geteuid() and not opened.status.st_mode & _OTHERS_MAY_WRITE


def classify_error(error: PlabctlError) -> ProblemKind:
    """Return which problem it is that a tick ends with this error."""
    from plabctl import errors
    from plabctl.core.problems import ProblemKind

    kinds = (
        (errors.ConfigError, ProblemKind.CONFIG),
        (errors.StoreError, ProblemKind.STATE),
        (errors.ClockFault, ProblemKind.CLOCK),
        (errors.InventoryFault, ProblemKind.INVENTORY),
        (errors.OccupancyFault, ProblemKind.OCCUPANCY),
        (errors.HookFault, ProblemKind.SINK),
        (errors.ReportFault, ProblemKind.STATUS_FILE),
        (errors.PageFault, ProblemKind.PAGE),
        (errors.PluginFault, ProblemKind.PLUGINS),
    )
    return next((kind for type_, kind in kinds if isinstance(error, type_)), ProblemKind.FAILING)


def find_failure(paths: Iterable[str], after: float, now: float) -> TickFailure | None:
    """Return the newest of the errors remembered in files at `paths`; none from before `after`, or from after `now`.

    Ticks that know the configuration by another name remember their errors in files of other names.
    """
    errors = [error for error in map(_read, paths) if error and after < error.last_at <= now]
    return _describe(max(errors, key=lambda each: each.last_at)) if errors else None


def _describe(error: RepeatedError) -> TickFailure:
    from plabctl.core.problems import ProblemKind, TickFailure

    lines = [line.removeprefix("plabctl: ") for line in error.text.splitlines()]
    hints = [line.strip().removeprefix("hint: ") for line in lines if line.strip().startswith("hint: ")]
    faults = [line for line in lines if not line.strip().startswith("hint: ")]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    try:
        kind = ProblemKind(error.kind)
    except ValueError:  # of a version that knew none, or others
        kind = ProblemKind.FAILING
    reason = f"{faults[0] if faults else error.text}{more}"
    return TickFailure(kind, reason, "; ".join(hints), error.since_at, error.last_at, error.count)


def _read(path: str) -> RepeatedError | None:
    import json

    from plabctl.core.error_throttle import RepeatedError

    try:
        with open(open_private(path, os.O_RDONLY), encoding="utf-8") as file:
            return RepeatedError(**json.load(file))
    except (OSError, ValueError, TypeError, StoreError):
        return None


@contextmanager
def _lock(paths: Sequence[str]) -> Iterator[None]:
    """Keep out other ticks that end now; one that waits too long goes on without the lock and repeats the message."""
    from plabctl.files.locks import poll_lock

    held = []
    try:
        for directory in map(os.path.dirname, paths):
            with suppress(OSError):
                held.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
        for descriptor in held:
            with suppress(OSError):
                poll_lock(descriptor, _LOCK_WAIT_S, _PAUSE_S)
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _write(path: str, content: bytes) -> bool:
    """Write a file that only its owner reads; return whether that could be done."""
    from plabctl.files.atomic import Unconfirmed, replace_file

    try:
        replace_file(path, content, purpose="error")
    except Unconfirmed:
        pass  # it is there, and no promise depends on it
    except OSError:
        return False
    return True
