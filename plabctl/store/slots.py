"""Slots: the window, enforced by the kernel.

I/O. A slot is a lock file, held with `flock` for as long as its probe runs. So the window is shared by all processes,
and a slot comes back however its holder ends. Go on with `plabctl.core.claim`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from plabctl.errors import StoreError
from plabctl.files.locks import is_locked, is_same_file, mirror, poll_lock, read_mark, try_lock, unlock, write_mark
from plabctl.files.private import as_store_error, open_private, open_private_dir
from plabctl.store.head import SLOTS_NAME

_TURN_WAIT_S = 5.0
_TURN_PAUSE_S = 0.002
_OUT_OF_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
_RESERVE = 8
"""Descriptors left over when they run short: the commit that follows needs some."""


class Slots:
    """The slots of one state directory, as this process sees them.

    `window` is how many may be held at once over all processes; `owners` are as for `Store`; `name` is the directory of
    the lock files. Not for use by several threads at once.
    """

    def __init__(
        self,
        state_dir: os.PathLike[str] | str,
        window: int,
        owners: Collection[int] = (),
        *,
        name: str = SLOTS_NAME,
    ) -> None:
        self._state_dir = os.fspath(state_dir)
        self._path = os.path.join(self._state_dir, name)
        self._window = window
        self._owners = owners
        self._dir_fd: int | None = None
        self._held: dict[int, int] = {}

    @property
    def held(self) -> frozenset[int]:
        """The slots that this process holds."""
        return frozenset(self._held)

    def take(self, limit: int, *, but_leave: int = 0) -> list[int]:
        """Hold up to `limit` more slots and return their numbers, lowest first; fewer or none when the window is full.

        So many as `but_leave` are left free.
        Raises StoreError when the lock files cannot be made. Short of descriptors, it takes fewer.
        """
        if limit <= 0:
            return []
        with as_store_error("take a slot in", self._path), self._take_turn() as mine:
            # In our turn no other process takes a slot, so what we count cannot grow; slots that come free meanwhile
            # only make us take too few, and we are asked again soon.
            room = min(limit, self._window - self._count_held() - but_leave) if mine else 0
            return self._take_free(room)

    def count_free(self) -> int:
        """Return how many more slots may be held now, over all processes; raise StoreError."""
        with as_store_error("look at a slot in", self._path):
            return self._window - self._count_held()

    def take_this(self, slot: int) -> bool:
        """Hold `slot` too and return whether that was possible, within the window or not; raise StoreError."""
        if slot in self._held:
            return False
        with as_store_error("take a slot in", self._path), self._take_turn() as mine:
            fd = self._lock(slot) if mine else None
        if fd is not None:
            self._held[slot] = fd
        return fd is not None

    def release(self, slot: int) -> None:
        """Give a slot back; it must be held by this process."""
        os.close(self._held.pop(slot))

    def mark(self, slot: int, text: str) -> None:
        """Write down, for those who look at a slot that this process holds, what is done there: up to 79 characters."""
        write_mark(self._held[slot], text)

    def read_mark(self, slot: int) -> list[str]:
        """Return the words that the last holder of `slot` wrote there; none if there are none.

        Raises StoreError when the lock file cannot be opened.
        """
        if slot in self._held:
            return read_mark(self._held[slot])
        with as_store_error("look at a slot in", self._path):
            try:
                fd = open_private(f"{slot:04d}", os.O_RDONLY, dir_fd=self._open_dir())
            except FileNotFoundError:
                return []
            try:
                return read_mark(fd)
            finally:
                os.close(fd)

    def list_slots(self) -> list[int]:
        """Return the slots that were ever taken, held or not, lowest first; raise StoreError."""
        with as_store_error("look at a slot in", self._path):
            return sorted(int(name) for name in os.listdir(self._open_dir()) if name.isdecimal())

    def is_free(self, slot: int) -> bool:
        """Return whether somebody could hold `slot` now, its holder being gone; False for slots held by this process.

        A slot that another process took meanwhile is not free either, although its former holder is gone: before a
        claim is made on a slot, older claims on that slot have to be voided.
        """
        if slot in self._held:
            return False
        with as_store_error("look at a slot in", self._path):
            return not self._is_locked(slot)

    def close(self) -> None:
        """Give all slots back."""
        for slot in list(self._held):
            self.release(slot)
        if self._dir_fd is not None:
            os.close(self._dir_fd)
            self._dir_fd = None

    def _count_held(self) -> int:
        """Count the slots held by any process, also those beyond the window: it may have been larger a moment ago."""
        others = set(self.list_slots()) - self._held.keys()
        return len(self._held) + sum(map(self._is_locked, others))

    def _take_free(self, room: int) -> list[int]:
        taken: list[int] = []
        for slot in [slot for slot in range(1, self._window + 1) if slot not in self._held]:
            if len(taken) >= room:
                break
            try:
                fd = self._lock(slot)
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                for last in taken[-_RESERVE:]:
                    self.release(last)
                return taken[:-_RESERVE]
            if fd is not None:
                self._held[slot] = fd
                taken.append(slot)
        return taken

    def _lock(self, slot: int) -> int | None:
        name = f"{slot:04d}"
        fd = open_private(name, os.O_RDWR | os.O_CREAT, dir_fd=self._open_dir())
        try:
            if try_lock(fd) and is_same_file(fd, name, dir_fd=self._open_dir()):
                mirror(fd)
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def _is_locked(self, slot: int) -> bool:
        try:
            fd = open_private(f"{slot:04d}", os.O_RDONLY, dir_fd=self._open_dir())
        except FileNotFoundError:
            return False
        try:
            return is_locked(fd)
        finally:
            os.close(fd)

    @contextmanager
    def _take_turn(self) -> Iterator[bool]:
        """Hold the right to take slots; False when another process keeps it for seconds (stopped, most likely)."""
        fd = self._open_dir()
        try:
            # On the directory itself: unlike a file in it, it cannot be deleted between two processes.
            yield poll_lock(fd, _TURN_WAIT_S, _TURN_PAUSE_S)
        finally:
            unlock(fd)

    def _open_dir(self) -> int:
        if self._dir_fd is None:
            os.close(open_private_dir(self._state_dir, self._owners))
            if os.path.islink(self._path):
                raise StoreError(f"'{self._path}' is a symbolic link", hint="remove it; plabctl makes the directory")
            self._dir_fd = open_private_dir(self._path, self._owners)
        return self._dir_fd
