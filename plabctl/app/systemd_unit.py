"""Find out whether systemd, if it runs us, ends all processes of a unit when the main one has ended.

I/O: asks systemctl(1). That is what `KillMode=control-group` means, which is the default; see systemd.kill(5).
Tests: `tests/app/test_background.py`.
"""

from __future__ import annotations

from pathlib import Path

from plabctl.process import run

_LETS_LIVE = frozenset({b"process", b"none"})
_TIMEOUT_S = 5.0
_KEPT_BYTES = 4096


def ends_all_processes(own_groups: str = "/proc/self/cgroup") -> bool:
    """Return whether what this process leaves behind would be killed when it ends; true when that is unknown.

    `own_groups` is the file that names the control groups of this process.
    """
    unit, is_of_user = _find_service(Path(own_groups))
    if not unit:
        return False  # a session of a user
    manager = ["--user"] if is_of_user else []
    asked = run(
        ["systemctl", *manager, "show", "--property=KillMode", "--value", "--", unit],
        timeout_s=_TIMEOUT_S,
        keep_bytes=_KEPT_BYTES,
        flood_bytes=_KEPT_BYTES,
    )
    return asked.exit_code != 0 or asked.output.strip() not in _LETS_LIVE


def _find_service(own_groups: Path) -> tuple[str, bool]:
    """Return the service that this process is in, empty when it is in none, and whether a user's systemd runs it."""
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        return "", False
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers in {"", "name=systemd"} and path.endswith(".service"):
            return path.rpartition("/")[2], "/user@" in path
    return "", False
