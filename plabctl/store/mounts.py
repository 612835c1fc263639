"""Which file system a directory is on: over a network, locks may hold for each machine alone, or not at all.

I/O: reads the kernel's list of mounts. Go on with `plabctl.store.lock`, whose locks must hold.
"""

from __future__ import annotations

import os

from plabctl.errors import StoreError

MOUNTINFO = "/proc/self/mountinfo"
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "afs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "lustre", "nfs",
        "nfs4", "ocfs2", "smb3",
    }
)  # fmt: skip
DOUBTFUL_FILE_SYSTEMS = NETWORK_FILE_SYSTEMS | {"9p"}
"""Not refused, but worth a word: whole sandboxes are on 9p, and hold their locks among themselves."""


def refuse_network(path: str, dir_fd: int) -> None:
    """Raise StoreError when the directory `path`, open as `dir_fd`, is on a network file system."""
    # What is on a disk of this machine has that disk's number; only what has none can come over a network.
    if os.major(os.fstat(dir_fd).st_dev):
        return
    kind = file_system_of(path)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreError(
            f"the state directory '{path}' is on {kind}, where locks may not hold",
            hint="move `state_dir` to a local disk; or set `network_disk = true` if locks do hold there",
        )


def file_system_of(path: os.PathLike[str] | str, mountinfo: os.PathLike[str] | str = MOUNTINFO) -> str | None:
    """Return the type of the file system that `path` is on, by the kernel's list of mounts (proc(5)); None: unknown."""
    # Names of files are bytes, and so is the list: in text, some letters would be changed, and others taken for blanks.
    target = os.fsencode(os.path.realpath(path)) + b"/"
    longest, kind = 0, None
    try:
        with open(mountinfo, "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return None
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        if len(fields) > 4 and after:  # noqa: PLR2004 - the fifth field is the mount point
            point = fields[4].decode("unicode_escape").encode("latin-1").rstrip(b"/") + b"/"
            # The last of those mounted at one place is the one that is seen.
            if target.startswith(point) and len(point) >= longest:
                longest, kind = len(point), os.fsdecode(after.split(b" ")[0])
    return kind
