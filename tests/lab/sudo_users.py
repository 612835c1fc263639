"""Users on whom sudo has different rules, and a mount namespace in which they exist; nobody outside ever sees them.

I/O, root. `enter` is what to put before an sshd with `CONFIG`, so that they can log in to it.
"""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from tests.lab import requirements

FREE, ASKED, FORBIDDEN, TERMINAL, BARE, SLIM, SLOW = USERS = tuple(
    f"plab-{kind}" for kind in ("free", "asked", "forbidden", "terminal", "bare", "slim", "slow")
)
"""sudo asks for nothing; asks for a password; allows another command; wants a terminal; is not installed; finds few
commands, of which `timeout` is none; hangs."""
_FIRST_ID = 65100
_RULES = f"""
Defaults env_reset, secure_path="/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults:{TERMINAL} requiretty
Defaults:{FORBIDDEN} !authenticate
Defaults:{SLIM} secure_path=/mnt/slim
{FREE} ALL=(ALL) NOPASSWD: ALL
{ASKED} ALL=(ALL) ALL
{FORBIDDEN} ALL=(ALL) NOPASSWD: /bin/true
{TERMINAL} ALL=(ALL) NOPASSWD: ALL
{SLIM} ALL=(root) NOPASSWD: /mnt/slim/sh
"""
BIND = 'for file in passwd shadow group sudoers; do mount --bind "/mnt/$file" "/etc/$file"; done'
"""Shell code by which a mount namespace of its own, with the folder of `write` at /mnt, has the users."""
_ENTER = f"""
mount --make-rprivate /
mount --bind "$1" /mnt
{BIND}
mount -t tmpfs -o mode=755 run /run
mkdir -m 755 /run/sshd
shift
exec "$@"
"""
CONFIG = (
    f"Match User {BARE}",
    "AuthorizedKeysFile /mnt/authorized_keys",
    "SetEnv HOME=/mnt/home PATH=/mnt/bare",
    f"Match User {SLOW}",
    "AuthorizedKeysFile /mnt/authorized_keys",
    "SetEnv HOME=/mnt/home PATH=/mnt/slow",
    f"Match User {','.join(USERS)}",
    "AuthorizedKeysFile /mnt/authorized_keys",
    "SetEnv HOME=/mnt/home",
    "Match all",
)
"""Lines of an sshd's configuration by which all of them log in with the same keys."""


@functools.cache
def missing() -> str:
    """Return what keeps sudo from being tried here; empty when nothing does."""
    if reason := requirements.for_root():
        return reason
    return "" if shutil.which("sudo", path=requirements.SYSTEM_PATH) else "needs sudo"


def enter(folder: Path) -> tuple[str, ...]:
    """Return what to put before a command that is to see the users; `folder`, which is made, is their /mnt."""
    folder.mkdir()
    folder.chmod(0o755)
    write(folder)
    return ("unshare", "--mount", "sh", "-ec", _ENTER, "sh", str(folder))


def write(folder: Path) -> None:
    """Write what the users need, for a namespace where `folder` is at /mnt."""
    ids = {name: _FIRST_ID + number for number, name in enumerate(USERS)}
    accounts = "".join(f"{name}:x:{number}:{number}::/mnt/home:/bin/sh\n" for name, number in ids.items())
    groups = "".join(f"{name}:x:{number}:\n" for name, number in ids.items())
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + accounts)
    (folder / "group").write_text(Path("/etc/group").read_text() + groups)
    (folder / "shadow").write_text(
        "root:*:19000:0:99999:7:::\n" + "".join(f"{n}:*:19000:0:99999:7:::\n" for n in USERS)
    )
    (folder / "sudoers").write_text(_RULES)
    (folder / "sudoers").chmod(0o440)
    (folder / "home").mkdir(mode=0o755)
    least = ("env", "sh", "sleep")
    for name, commands in (("bare", least), ("slim", (*least, "setsid", "id", "cat")), ("slow", least)):
        (folder / name).mkdir()
        for command in commands:
            (folder / name / command).symlink_to(requirements.program(command))
    (folder / "slow" / "sudo").write_text("#!/bin/sh\nexec sleep 60\n")
    (folder / "slow" / "sudo").chmod(0o755)
