"""Which file system a directory is on: on one that is not local, locks may hold for each machine alone, or not at all.

I/O: reads the kernel's list of mounts. Go on with `plabctl.store.lock`, whose locks must hold.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from typing import NamedTuple

from plabctl.errors import StoreError

MOUNTINFO = "/proc/self/mountinfo"
LOCAL_FILE_SYSTEMS = frozenset(
    {
        "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jffs2", "jfs", "nilfs2", "ntfs3", "reiser4", "reiserfs",
        "ubifs", "xfs", "zfs",
        # A FUSE file system on a disk of this machine, such as ntfs-3g; and the root of a container without root.
        "fuseblk", "fuse.fuse-overlayfs",
        # In memory.
        "devtmpfs", "ramfs", "rootfs", "tmpfs",
        # Over another one: `_find_upper_directory` looks at that.
        "aufs", "ecryptfs", "overlay",
        # Read-only: nothing is ever changed there, and the error that says so is the clearer one.
        "erofs", "iso9660", "squashfs",
    }
)  # fmt: skip
"""Those on which one machine alone keeps files, and `flock`, `rename` and `fsync` do what they should.

There is no end to the list of file systems that come over a network, so what is not known to be local is refused.
"""
HINT = (
    "move `state_dir` to a local disk (ext4, xfs, btrfs, zfs ...); "
    "or set `network_disk = true` if this machine alone uses it, or if locks do hold there"
)
_UNKNOWN = "an unknown file system"
_SANDBOX = "9p"
_MOST_LAYERS = 8
"""An overlay may lie on an overlay; the kernel allows two."""


class FileSystem(NamedTuple):
    """What a directory is on: the type by its name, whether locks are known to hold there, and whether it is refused.

    What is neither local nor refused is worth a warning.
    """

    kind: str
    is_local: bool
    is_refused: bool


class _Mount(NamedTuple):
    number: bytes
    parent: bytes
    """The number of the mount that it was mounted on."""
    point: bytes
    kind: str
    options: bytes
    """Those of the file system, such as `upperdir`."""


def refuse_network(path: str) -> None:
    """Raise StoreError when the directory `path` is on a file system that is not known to be local."""
    found = find_file_system(path)
    if found.is_refused:
        raise StoreError(f"the state directory '{path}' is on {found.kind}, where locks may not work", hint=HINT)


def find_file_system(path: os.PathLike[str] | str) -> FileSystem:
    """Return what the existing directory `path` is on; raise OSError when it cannot be looked at."""
    mount = _find_mount(os.fsencode(path))
    for _ in range(_MOST_LAYERS):
        below = _find_upper_directory(mount)
        if below is None:
            break
        mount = _find_mount(below)
    if mount is None:
        # Without a list of mounts the number of the device must do: one of a disk has a major number.
        is_disk = os.major(os.stat(path).st_dev) != 0
        return FileSystem(_UNKNOWN, is_local=is_disk, is_refused=not is_disk)
    is_local = mount.kind in LOCAL_FILE_SYSTEMS
    # A whole sandbox may be on 9p (gVisor) and holds its locks among its own processes. Elsewhere it is a folder that
    # a virtual machine shares with its host.
    is_sandbox = mount.kind == _SANDBOX and mount.point == b"/"
    return FileSystem(mount.kind, is_local, is_refused=not is_local and not is_sandbox)


def _find_mount(path: bytes) -> _Mount | None:
    """Return the mount that `path` is on, by the kernel's list (proc(5)); None when there is no list."""
    # Names of files are bytes, and so is the list: in text, some letters would be changed, and others taken for blanks.
    target = os.path.realpath(path).rstrip(b"/") + b"/"
    mounts = list(_list_mounts())
    numbers = {mount.number for mount in mounts}
    found: _Mount | None = None
    # From the outside in, as the kernel walks: a mount may hide others below it, with longer names than its own.
    while here := [mount for mount in mounts if target.startswith(mount.point) and _is_on(mount, found, numbers)]:
        # The last of those mounted at one place is the one that is seen.
        found = min(reversed(here), key=lambda mount: len(mount.point))
        mounts.remove(found)
    return found


def _is_on(mount: _Mount, below: _Mount | None, numbers: Collection[bytes]) -> bool:
    """Return whether `mount` lies directly on `below`; without one, whether it is among the outermost of the list."""
    return mount.parent == below.number if below else mount.parent not in numbers or mount.parent == mount.number


def _list_mounts() -> Iterator[_Mount]:
    try:
        with open(MOUNTINFO, "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields, more = before.split(b" "), after.split(b" ")
        if len(fields) > 4 and after:  # the fifth field is the mount point
            options = more[2] if len(more) > 2 else b""  # type, source, options
            point = _unescape(fields[4]).rstrip(b"/") + b"/"
            yield _Mount(fields[0], fields[1], point, os.fsdecode(more[0]), options)


def _unescape(text: bytes) -> bytes:
    """Return `text` without the escapes that proc(5) uses for blanks."""
    return text.decode("unicode_escape").encode("latin-1")


def _find_upper_directory(mount: _Mount | None) -> bytes | None:
    """Return the directory that an overlay keeps its changes in, if it can be seen from here.

    From inside a container it cannot; the container's runtime keeps it on a disk of the machine.
    """
    if mount is None or mount.kind != "overlay":
        return None
    uppers = [option[len(b"upperdir=") :] for option in mount.options.split(b",") if option.startswith(b"upperdir=")]
    upper = _unescape(uppers[0]) if uppers else b""
    return upper if os.path.isdir(upper) else None
