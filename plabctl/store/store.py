"""The state directory: read it without a lock, change it under one.

I/O. Imports are late: reading the head needs next to nothing, reading the rest the nouns, changing it TinyDB too.
Go on with `plabctl.store.session`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator

from plabctl.clock import Clock
from plabctl.contexts import contextmanager
from plabctl.errors import ClockFault
from plabctl.files.private import as_store_error, open_private, open_private_dir, refuse_moved_dir, refuse_planted_dir
from plabctl.store.head import PREVIOUS_NAME, Head, read_head, refuse_lost_state
from plabctl.store.journal import peek_state
from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.store.current import Current
    from plabctl.store.documents import Snapshot
    from plabctl.store.restore import Restored
    from plabctl.store.session import Session

_VERIFIED_BYTES = 64 * 1024
"""A state file up to this size is verified also by those who want to know its head only."""
BEAT_NAME = "last_tick"
SUCCESS_NAME = "last_success"
"""Its time is that of the last tick that ended without an error."""
ERROR_PREFIX = "tick-error-"
"""How the names of the files begin in which ticks remember the error they ended with: `plabctl.app.last_error`."""


class Store:
    """The state in `state_dir`; the directory is made when something is written for the first time.

    Reading methods take no lock: the state file is only ever replaced as a whole, and its journal only grows. They
    raise StateDamaged, StateTooNew, or StoreError when one of them cannot be read, or when somebody else leads us to
    another one. Changing ones refuse a directory on a file system that is not known to be local, unless `network_disk`
    allows it. `owners` are those besides root and the current user to whom folders may belong that lead to the
    directory. `found` is what directories were when they were first used by this process, by path: one that was moved
    or replaced is used no more.
    """

    def __init__(
        self,
        state_dir: os.PathLike[str] | str,
        clock: Clock,
        *,
        lock_timeout_s: float = 10.0,
        network_disk: bool = False,
        owners: Collection[int] = (),
        found: dict[str, os.stat_result] | None = None,
    ) -> None:
        self._dir = os.fspath(state_dir)
        self._clock = clock
        self._lock_timeout_s = lock_timeout_s
        self._network_disk = network_disk
        self._owners = owners
        self._is_seen = False
        self.found = {} if found is None else found
        self._kept: list[Current] = []
        """The state as it was last used. Whoever uses it takes it out meanwhile: another thread may look."""
        self.on_commit: Callable[[], None] | None = None
        """Called after each commit, without the lock."""

    def head(self) -> Head | None:
        """Return the head of the state, None when there is no state yet; the nodes are not parsed.

        The end of the journal is verified, and the state file unless it is large.
        """
        head = self._peek(_VERIFIED_BYTES)
        if head is None:
            refuse_lost_state(self._dir)
        return head

    def newest_tick(self) -> str | None:
        """Return the id of the newest tick that claimed; None when there was none. Costs next to nothing."""
        head = self._peek()
        return (head.tick or None) if head else None

    def saved_at(self) -> float:
        """Return when the state was last changed; 0 if never. Costs next to nothing."""
        head = self._peek()
        return head.saved_at if head else 0.0

    def explain_clock_doubt(self) -> str:
        """Return why the clock cannot be believed, nothing when it can. Costs next to nothing while it can."""
        from plabctl.core import clock_skew

        saved_at = self.saved_at()
        now, uptime_s = self._clock.now(), self._clock.uptime()  # after it: others may commit at any moment
        if not clock_skew.explain_distrust(now, saved_at, uptime_s):
            return ""
        is_same_boot = _is_this_boot(self.snapshot().saved_boot)
        return clock_skew.explain_distrust(now, saved_at, uptime_s, is_same_boot=is_same_boot)

    def snapshot(self, *, anew: bool = False) -> Snapshot:
        """Return the whole state for reading; an empty one when there is none yet. `anew`: all of it is verified."""
        # Imported here: an idle tick reads the head only, and needs none of the nouns.
        from plabctl.store.current import catch_up, read_current
        from plabctl.store.documents import Snapshot
        from plabctl.store.tables import empty_tables, freeze_once

        self._build_reading_path("")
        current = self._pop_kept()
        if current is None or anew or not catch_up(current, self._dir):
            current = read_current(self._dir)
        if current is None:
            refuse_lost_state(self._dir)
            return Snapshot(None, empty_tables())
        freeze_once()
        current.is_shared = True
        found = Snapshot(current, current.tables)
        self._kept.append(current)
        return found

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Lock the state for the block; commit what it applied when it ends without an exception.

        After a clean end the change is durable. Raises StoreBusy when the lock stays taken, ClockFault when the clock
        cannot be believed, StateDamaged, StateTooNew and StoreError with nothing changed, CommitUncertain with
        everything changed but not confirmed by the disk. Where the clock was set back, no instant lies ahead any more.
        """
        # TinyDB is imported before the lock is taken, and only by those who write.
        from plabctl.store.session import Session
        from plabctl.store.storage import StagedStorage
        from plabctl.store.tables import freeze_once, pause_collection

        with self._lock() as dir_fd, pause_collection():
            session = Session(StagedStorage(self._dir, dir_fd, self._pop_kept()))
            freeze_once()
            try:
                opened_at = self._rebase_clock(session)
                yield session
                # Were the clock set back meanwhile, what was decided before would lie ahead, and nobody would see why.
                head = session.commit(max(opened_at, self._clock.now()))
                if session.current:
                    self._kept[:] = [session.current]
            finally:
                session.end()
        if head and self.on_commit:
            self.on_commit()

    def beat(self, *names: str) -> None:
        """Note that a tick got as far as reading config and state now; raise StoreError when that cannot be noted.

        With `names`, note that something else was done now: they are files that only their times say something of.
        """
        now = self._clock.now()
        # It refuses a directory where others may write: a tick with no work looks at no other file of it.
        os.close(self._open_dir())
        for path in (os.path.join(self._dir, name) for name in names or (BEAT_NAME,)):
            with as_store_error("touch", path):
                fd = open_private(path, os.O_WRONLY | os.O_CREAT)
                try:
                    os.utime(fd, (now, now))
                finally:
                    os.close(fd)

    def last_beat(self, name: str = BEAT_NAME) -> float | None:
        """Return the instant of the last beat of that name, None when there was none."""
        path = self._build_reading_path(name)
        with as_store_error("read", path):
            try:
                return round(os.stat(path, follow_symlinks=False).st_mtime, 3)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def previous(self) -> Head | None:
        """Return the verified head of the previous generation, None when there is none."""
        line = read_head(self._build_reading_path(PREVIOUS_NAME))
        return line.head if line else None

    def restore(self) -> Restored:
        """Go back from a damaged or lost state to the latest whole one.

        Raises Refused when the state is sound, StateTooNew when a later plabctl wrote it, StateDamaged when there is no
        whole state; then nothing is changed.
        """
        from plabctl.store.restore import restore

        with self._lock() as dir_fd:
            return restore(self._dir, dir_fd, self._clock.now())

    def _rebase_clock(self, session: Session) -> float:
        from plabctl.core import clock_skew

        now = self._clock.now()
        is_same_boot = _is_this_boot(session.saved_boot)
        if why := clock_skew.explain_distrust(now, session.saved_at, self._clock.uptime(), is_same_boot=is_same_boot):
            raise ClockFault(why, hint="set the clock; nothing was changed")
        if clock_skew.is_set_back(now, session.saved_at):
            session.apply(clock_skew.rebase_instants(session, now))
        return now

    @contextmanager
    def _lock(self) -> Iterator[int]:
        from plabctl.store.lock import lock_state
        from plabctl.store.mounts import refuse_network

        dir_fd = self._open_dir()
        try:
            if not self._network_disk:
                refuse_network(self._dir)
            with lock_state(self._dir, dir_fd, self._lock_timeout_s):
                yield dir_fd
        finally:
            os.close(dir_fd)

    def _open_dir(self) -> int:
        fd = open_private_dir(self._dir, self._owners, self.found.get(self._dir))
        self.found[self._dir] = os.fstat(fd)
        return fd

    def _pop_kept(self) -> Current | None:
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def _peek(self, most: int = 0) -> Head | None:
        self._build_reading_path("")
        return peek_state(self._dir, most)

    def _build_reading_path(self, name: str) -> str:
        """Return the path of a file to read; raise StoreError when a stranger leads there, once looked at."""
        if not self._is_seen:
            status = refuse_planted_dir(self._dir, self._owners)
            refuse_moved_dir(self._dir, self.found.get(self._dir), status)
            self._is_seen = True
            if status:
                self.found[self._dir] = status
        return os.path.join(self._dir, name)


def _is_this_boot(saved_boot: str) -> bool:
    from plabctl.clock import UNKNOWN_BOOT, read_boot_id

    return saved_boot == read_boot_id() != UNKNOWN_BOOT
