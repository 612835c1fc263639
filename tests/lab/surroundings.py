"""The whole suite in surroundings that are not a developer's, one after the other, each with a time limit.

I/O; root, since most of them are made with namespaces, which end with the run. `make surroundings` calls it:

    python -m tests.lab.surroundings --list
    python -m tests.lab.surroundings just-booted no-home --minutes 30 -- -x tests/cli

Without names all are played. What follows `--` goes to pytest. Prints for each what failed and the closing line; exit
code 1 when something failed, and the reason where a surrounding cannot be made here.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plabctl.clock import SystemClock

ROOT = Path(__file__).parents[2]
USER, USER_NAME = 64_987, "plabctl-tester"
ODD_NAME = "a folder with ü & 'q'"
YEAR_S = 365 * 86400
PYTEST = ("-q", "-n", str(max(1, (os.cpu_count() or 1) * 3 // 2)), "--dist", "loadgroup", "--color=no")


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a command is run: what is put before it, its environment (None removes) and the checkout.

    `is_copy` says that the checkout has no virtual environment yet.
    """

    before: Sequence[str] = ()
    environ: Mapping[str, str | None] = field(default_factory=dict)
    checkout: Path = ROOT
    is_copy: bool = False

    def run(
        self, argv: Sequence[str], *, timeout_s: float | None = None, stdout: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` there; raise TimeoutExpired when it takes longer, with all of it ended."""
        environ = {name: value for name, value in (os.environ | self.environ).items() if value is not None}
        with subprocess.Popen(
            [*self.before, *argv],
            cwd=self.checkout,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=None if stdout is None else subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                said, _ = process.communicate(timeout=timeout_s)
            except BaseException:
                process.kill()  # with all processes below, see `_ISOLATED`
                raise
        return subprocess.CompletedProcess(argv, process.returncode, said)


# A process namespace takes everything in it along when the command before it is killed.
_ISOLATED = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def _script(text: str) -> tuple[str, ...]:
    return ("sh", "-ec", f'{text}\nexec "$@"', "sh")


def uptime_of(seconds: int) -> tuple[str, ...]:
    """Return the options of `unshare` by which a command finds the machine up for so many seconds."""
    # Offsets count from the machine's own clocks, and we may be in such a namespace already.
    rows = [line.split() for line in Path("/proc/self/timens_offsets").read_text().splitlines()]
    present_s = {name: int(offset_s) for name, offset_s, _ in rows}
    boot_s = round(seconds - SystemClock().uptime()) + present_s["boottime"]
    monotonic_s = round(seconds - time.monotonic()) + present_s["monotonic"]
    return "--time", f"--boottime={boot_s}", f"--monotonic={monotonic_s}"


def _up_for(seconds: int) -> Callable[[Path], Place]:
    return lambda _: Place((*_ISOLATED, *uptime_of(seconds)))


def _copied(folder: Path) -> Path:
    """Return a copy of what git knows of the checkout, under an odd name."""
    checkout = folder / ODD_NAME
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, checkout / name, follow_symlinks=False)
    return checkout


def _odd_path(folder: Path) -> Place:
    return Place(_ISOLATED, checkout=_copied(folder), is_copy=True)


def _ordinary_user(folder: Path) -> Place:
    checkout, home, temporary = _copied(folder), folder / "home", folder / "tmp"
    home.mkdir()
    temporary.mkdir()
    folder.chmod(0o711)
    subprocess.run(["chown", "-R", f"{USER}:{USER}", checkout, home, temporary], check=True)
    accounts = folder / "passwd"
    accounts.write_text(f"{Path('/etc/passwd').read_text()}{USER_NAME}:x:{USER}:{USER}::{home}:/bin/sh\n")
    see = _script(f"mount --bind '{accounts}' /etc/passwd")  # in the mount namespace of the process namespace
    become = (*see, "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all")
    environ = {"HOME": str(home), "TMPDIR": str(temporary), "USER": None, "LOGNAME": None, "XDG_RUNTIME_DIR": None}
    return Place((*_ISOLATED, *become), environ, checkout, is_copy=True)


def _read_only(_: Path) -> Place:
    script = 'mount --bind -o ro "$PWD" "$PWD"; cd "$PWD"'
    return Place((*_ISOLATED, *_script(script)))


def _no_home(_: Path) -> Place:
    return Place(_ISOLATED, {"HOME": None})


def _noexec(folder: Path) -> Place:
    script = 'mount -t tmpfs -o noexec,nosuid,mode=1777,size=3g none "$TMPDIR"'
    return Place((*_ISOLATED, *_script(script)), {"TMPDIR": str(folder)})


def _nohup(_: Path) -> Place:
    return Place((*_ISOLATED, *_script("trap '' HUP")))


def _c_locale(_: Path) -> Place:
    return Place(_ISOLATED, {"LC_ALL": "C", "LANG": None, "LANGUAGE": None, "PYTHONUTF8": None})


def _one_core(_: Path) -> Place:
    return Place((*_ISOLATED, "taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))))


def _no_ipv6(_: Path) -> Place:
    script = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up"
    return Place((*_ISOLATED, "--net", *_script(script)))


def _no_capabilities(_: Path) -> Place:
    drop = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
    return Place((*_ISOLATED, *drop))


@dataclass(frozen=True, slots=True)
class Surrounding:
    """What the machine is like, in words, and how to make it so in a folder of its own."""

    what: str
    make: Callable[[Path], Place]


SURROUNDINGS: Mapping[str, Surrounding] = {
    "just-booted": Surrounding("the machine has been up for 5 s", _up_for(5)),
    "minutes-up": Surrounding("the machine has been up for 300 s", _up_for(300)),
    "years-up": Surrounding("the machine has been up for 3 years", _up_for(3 * YEAR_S)),
    "ordinary-user": Surrounding(f"an ordinary user, in '{ODD_NAME}'", _ordinary_user),
    "odd-path": Surrounding(f"root, in '{ODD_NAME}'", _odd_path),
    "noexec-tmpdir": Surrounding("TMPDIR is mounted noexec", _noexec),
    "no-home": Surrounding("HOME is not set", _no_home),
    "read-only": Surrounding("the checkout is mounted read-only", _read_only),
    "c-locale": Surrounding("LC_ALL=C", _c_locale),
    "nohup": Surrounding("SIGHUP is ignored", _nohup),
    "one-core": Surrounding("one core", _one_core),
    "no-ipv6": Surrounding("a network of loopback only, without IPv6", _no_ipv6),
    "no-capabilities": Surrounding("root without any capability", _no_capabilities),
}


def missing() -> str:
    """Return what keeps the surroundings from being made here, nothing when nothing does."""
    if os.geteuid() != 0:
        return "needs root"
    tried = subprocess.run([*_ISOLATED, "--net", "--time", "true"], capture_output=True, text=True, check=False)
    return f"needs namespaces: {tried.stderr.strip()}" if tried.returncode else ""


def python_in(place: Place) -> str:
    """Return the interpreter that has what the tests need; in a copy, after installing it there as a user would."""
    if not place.is_copy:
        return sys.executable
    fit = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    bases = [os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"]
    base = next((each for each in bases if _succeeds(place, [each, "-c", fit])), None)
    if base is None:
        raise LookupError(f"none of {', '.join(bases)} can be used there")
    stamps = [".venv/.stamp-dev", ".venv/.stamp-compiled"]
    made = place.run(["make", f"PYTHON={base}", *stamps], timeout_s=600, stdout=subprocess.PIPE)
    if made.returncode:
        raise LookupError(f"the virtual environment cannot be made there: {made.stdout[-500:]}")
    return str(place.checkout / ".venv/bin/python")


def _succeeds(place: Place, argv: Sequence[str]) -> bool:
    # By a shell: what gives up capabilities still has them when it executes its command.
    try:
        return place.run(["sh", "-c", 'exec "$@"', "sh", *argv], timeout_s=60, stdout=subprocess.PIPE).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def play(name: str, pytest_args: Sequence[str], limit_s: float) -> tuple[bool, str]:
    """Run the suite in one surrounding; return whether it passed, and its closing line or why there is none."""
    with tempfile.TemporaryDirectory(prefix="plabctl-surroundings-") as folder:
        place = SURROUNDINGS[name].make(Path(folder))
        try:
            argv = [python_in(place), "-m", "pytest", *PYTEST, *pytest_args]
            done = place.run(argv, timeout_s=limit_s, stdout=subprocess.PIPE)
        except LookupError as error:
            return False, str(error)
        except subprocess.TimeoutExpired:
            return False, f"not done after {limit_s / 60:.0f} minutes"
    lines = done.stdout.splitlines()
    told = [line for line in lines if re.match(r"(FAILED|ERROR|SKIPPED) ", line)]
    print("\n".join(told if told or not done.returncode else lines[-50:]), flush=True)
    return done.returncode == 0, lines[-1] if lines else "nothing was printed"


def main(argv: Sequence[str]) -> int:
    """Play what the command line names, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.surroundings", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to play; default: all")
    parser.add_argument("--list", action="store_true", help="print the names and exit")
    parser.add_argument("--minutes", type=float, default=60.0, help="time limit for each (default 60)")
    at = argv.index("--") if "--" in argv else len(argv)
    options = parser.parse_args(argv[:at])
    if unknown := set(options.names) - SURROUNDINGS.keys():
        parser.error(f"no such surrounding: {', '.join(sorted(unknown))}; there are {', '.join(SURROUNDINGS)}")
    if options.list:
        print("\n".join(f"{name:16} {each.what}" for name, each in SURROUNDINGS.items()))
        return 0
    if reason := missing():
        print(f"nothing was played: {reason}", file=sys.stderr)
        return 1
    results = {}
    for name in options.names or SURROUNDINGS:
        print(f"== {name}: {SURROUNDINGS[name].what}", flush=True)
        results[name] = play(name, argv[at + 1 :], options.minutes * 60)
        print(f"   {results[name][1]}", flush=True)
    print("\n".join(f"{name:16} {'ok    ' if is_ok else 'FAILED'} {line}" for name, (is_ok, line) in results.items()))
    return 0 if all(is_ok for is_ok, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
