"""Put `plabctl tick` into the user's crontab, and take it out again.

I/O: runs crontab(1). What the line looks like is in `plabctl.app.cron_line`, what can be wrong with it in
`plabctl.app.cron_check`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from plabctl.app.cron_line import CronJob, add_line, is_tick_line, remove_line
from plabctl.config.locate import SYSTEM_CONFIG, find_state_dir
from plabctl.core.settings import Settings
from plabctl.errors import PlabctlError
from plabctl.process import run

_TIMEOUT_S = 30.0
_MAX_BYTES = 16 * 1024**2


def build_job(settings: Settings, environ: Mapping[str, str], argv0: str | None = None) -> CronJob:
    """Return what cron has to run for this installation.

    Cron starts in the user's home with hardly any environment: what the configuration's place or the state directory
    owes to the current directory or to a variable is spelled out in the line.
    """
    home = str(Path.home())
    bare = {"HOME": home}
    needs_state_dir = settings.state_dir == find_state_dir(environ) and settings.state_dir != find_state_dir(bare)
    return CronJob(
        program=find_program(sys.argv[0] if argv0 is None else argv0),
        config=settings.path,
        names_config=_find_default_config(home) != settings.path,
        variables=(("PLABCTL_STATE_DIR", settings.state_dir),) if needs_state_dir else (),
    )


def _find_default_config(home: str) -> str | None:
    places = (f"{home}/plabctl.toml", f"{home}/.config/plabctl/config.toml", SYSTEM_CONFIG)
    return next((place for place in places if Path(place).exists()), None)


def find_program(argv0: str) -> tuple[str, ...]:
    """Return how to start this plabctl from anywhere: by its own absolute path, else through its interpreter."""
    beside = Path(sys.executable).parent / "plabctl"
    for path in (Path(argv0).absolute(), beside):
        if path.name == "plabctl" and path.is_file() and os.access(path, os.X_OK):
            return (str(path),)
    return (sys.executable, "-m", "plabctl")


def install(job: CronJob) -> bool:
    """Put the job into the user's crontab; return whether that changed anything. Raise PlabctlError when refused."""
    before = read()
    after = add_line(before, job)
    if after == before:
        return False
    write(after)
    if job.line.encode() not in read().splitlines():
        raise PlabctlError("the crontab was changed by somebody else meanwhile", hint="run it again")
    return True


def remove(job: CronJob) -> bool:
    """Take the job's line out of the user's crontab; return whether it was there. Raise PlabctlError when refused."""
    before = read()
    after = remove_line(before, job)
    if after == before:
        return False
    write(after)
    return True


def list_other_lines(job: CronJob) -> list[str]:
    """Return the lines of the user's crontab that run `plabctl tick` and are not the job's own."""
    lines = remove_line(read(), job).decode(errors="replace").splitlines()
    return [line for line in lines if is_tick_line(line)]


def read() -> bytes:
    """Return the user's crontab, empty when there is none; raise PlabctlError when crontab(1) refuses."""
    code, out, err = _run_crontab(["-l"])
    if code and b"no crontab for" not in err:
        raise _build_error("read", err)
    return b"" if code else out


def write(text: bytes) -> None:
    """Make `text` the user's crontab, none at all when it is empty; raise PlabctlError when crontab(1) refuses."""
    code, _, err = _run_crontab(["-"], text) if text else _run_crontab(["-r"])
    if code:
        raise _build_error("change", err)


def _run_crontab(args: list[str], text: bytes = b"") -> tuple[int, bytes, bytes]:
    done = run(
        ["crontab", *args],  # the user's own PATH says which crontab
        given=text,
        variables={"LC_ALL": "C"},
        timeout_s=_TIMEOUT_S,
        keep_bytes=_MAX_BYTES,
        flood_bytes=_MAX_BYTES,
    )
    if done.never_ran:
        raise PlabctlError(
            "there is no crontab command", hint="install cron, or use the systemd timer of the cron directory"
        )
    if done.exit_code is None:
        raise PlabctlError(f"crontab {done.fault}", hint="see what it is waiting for")
    return done.exit_code, done.output, done.errors


def _build_error(what: str, err: bytes) -> PlabctlError:
    lines = err.decode(errors="replace").strip().splitlines()
    return PlabctlError(
        f"cannot {what} the crontab: {lines[-1] if lines else 'crontab failed and did not say why'}",
        hint="see `crontab -l`; /etc/cron.allow and /etc/cron.deny say who may have one",
    )
