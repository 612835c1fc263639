"""A second user on the machine: what is ours is neither read, nor changed, nor led astray.

I/O, root, with strace. The installation lies in a directory in which everybody may put files, as in /tmp. What of a
configuration is a secret is in `tests.torture.secrets`.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import second_user
from tests.lab.fork_server import fork_server
from tests.lab.second_user import KINDS, SECOND_USER, Trap, run_as_second_user
from tests.torture import planted_names, secrets
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions
from tests.torture.scenarios import CONFIG, PLABCTL

NAMES = (
    "state.json", "state.json.previous", "state.lock", "slots", "slots/0001", "ticks", "ticks/0001", "deliver.lock",
    "last_tick", "last_success", "history.db", "history.db-wal", "history.db-shm", "known_hosts", "known_hosts.lock",
    "tick-error", "tick_took", "state.journal.1", "state.journal.2",
)  # fmt: skip
COMMANDS = (
    "node add c --set site=x", "tick", "status -o json", "move a good --reason x", "hold a --reason x", "history",
    "doctor", "retest c", "experiment swapin web --nodes a --yes", "tick", "trust c --yes", "doctor --restore",
)  # fmt: skip
_DEADLINE_S = 60
_FEW, _MANY = 4, 60
_LINES = 3
_HINTED = re.compile(r"this is a bug in plabctl|Traceback")


def missing() -> str:
    """Return what keeps this from being run here."""
    return second_user.missing() or ("" if shutil.which("strace") else "needs strace")


@dataclass(frozen=True, slots=True)
class Yard:
    """An installation in a directory where everybody may put files, but take away only his own."""

    folder: Path
    umask: int = 0o022

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / "state"

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "ours.toml"

    def run(self, command: str, *, before: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run plabctl and return its exit code, -1 when it does not end, and what it said."""
        name, *rest = command.split()
        argv = [*before, str(PLABCTL), name, *rest, "--config", str(self.config)]
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "PLABCTL_STATE_DIR": f"{self.folder}/own",
        }
        try:
            if before:
                done = subprocess.run(
                    argv, cwd="/", env=environ, capture_output=True, text=True, timeout=_DEADLINE_S, umask=self.umask,
                    stdin=subprocess.DEVNULL, check=False,
                )  # fmt: skip
            else:
                done = fork_server().run(argv[1:], Path("/"), environ, None, _DEADLINE_S, umask=self.umask)
        except subprocess.TimeoutExpired:
            return -1, "it did not end"
        return done.returncode, done.stdout + done.stderr

    def begin(self) -> None:
        """Make an installation that has been in use."""
        shutil.rmtree(self.state, ignore_errors=True)
        for command in ("node add a b", "tick"):
            code, said = self.run(command)
            assert code == 0, said


@contextmanager
def _yard(umask: int = 0o022) -> Iterator[Yard]:
    # Not in the folder of the effort: nobody else could even look for it there.
    with tempfile.TemporaryDirectory(prefix="plabctl-yard-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o1777)
        yard = Yard(folder, umask)
        yard.config.write_text(CONFIG)
        yield yard


def run(options: TortureOptions) -> list[Finding]:
    """Return what a second user could do."""
    findings = [*_planted(options), *_unreadable(options), *_squatted(options), *planted_names.run(options)]
    if options.whole:
        findings += _listed()
    return [*findings, *secrets.run(options)]


def _planted(options: TortureOptions) -> Iterator[Finding]:
    """Put something at every path that is written, as if somebody had been let in for a moment, and run everything."""
    cases = [(name, kind, used) for name in NAMES for kind in KINDS for used in (False, True)]
    # Each costs a dozen commands; other seeds draw others.
    cases = options.dice("plants").sample(cases, options.count(_MANY, _FEW))
    followed, unclear, endless, commands = [], [], [], 0
    with _yard() as yard:
        trap = Trap(yard.folder)
        for name, kind, used in cases:
            yard.begin()
            path = yard.state / name.replace(
                "tick-error", f"tick-error-{zlib.crc32(str(yard.config).encode()):08x}.json"
            )
            _clear(yard.state if not used else path)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            trap.set()
            trap.plant(kind, path)
            for command in COMMANDS if options.whole else COMMANDS[:_FEW]:
                commands += 1
                code, said = yard.run(command)
                case = f"{kind} at {name}, {command}: {said[-300:]}"
                if caught := trap.caught():
                    followed.append(f"{caught}: {case}")
                    trap.set()
                unclear += [case] * bool(_HINTED.search(said))
                endless += [case] * (code == -1)
    of = f"{commands} commands"
    yield none_of(f"{len(cases)} times something was planted at a path we write: what was led astray", followed, of)
    yield none_of("... what was told as a bug or a traceback", unclear, of)
    yield none_of("... what did not end", endless, of)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _unreadable(options: TortureOptions) -> Iterator[Finding]:
    """Look at every file with the eyes of the other user, under both extremes of the umask."""
    open_, reached, count = [], [], 0
    for umask in (0o000, 0o077):
        with _yard(umask) as yard:
            yard.begin()
            for command in COMMANDS[:-1] if options.whole else COMMANDS[:2]:
                yard.run(command)
            (yard.state / "known_hosts").touch(mode=0o600)
            for path in [yard.state, *yard.state.rglob("*")]:
                count += 1
                mode = path.stat().st_mode & 0o777
                open_ += [f"{path}: {mode:o} under umask {umask:o}"] * (mode != (0o700 if path.is_dir() else 0o600))
            for code in (f"ls {yard.state}", f"cat {yard.state}/*", f"touch {yard.state}/x", f"rm -r {yard.state}"):
                reached += [code] * (run_as_second_user(["sh", "-c", code]).returncode == 0)
            reached += [f"{path} is gone" for path in (yard.state / "state.json",) if not path.exists()]
    yield none_of("files and directories of ours that others may read or write, umask 000 and 077", open_, f"{count}")
    yield none_of("what another user could do there", reached, "8 tries")


def _squatted(options: TortureOptions) -> Iterator[Finding]:
    """Let the other user be first: the state directory is his, or leads to his, or everybody may write in it."""
    made, unclear, cases = [], [], 0
    ways = ["his", "a link to his", "a pipe", "a file", "open to all"]
    for how in ways if options.whole else options.dice("squats").sample(ways, 1):
        with _yard() as yard:
            his = yard.folder / "his"
            makes = {
                "his": f"mkdir -m 777 {yard.state}",
                "a link to his": f"mkdir -m 777 {his} && ln -s {his} {yard.state}",
                "a pipe": f"mkfifo {yard.state}",
                "a file": f"echo his >{yard.state}",
                "open to all": "true",
            }
            assert run_as_second_user(["sh", "-c", makes[how]]).returncode == 0
            if how == "open to all":
                yard.state.mkdir()
                yard.state.chmod(0o777)
            for command in COMMANDS if options.whole else COMMANDS[:_FEW]:
                cases += 1
                code, said = yard.run(command)
                case = f"{how}, {command}: {code} {said}"
                writes = command.split()[0] not in {"status", "history", "doctor"}
                is_clear = code > 0 and len(said.splitlines()) <= _LINES if writes else code >= 0
                unclear += [case] * (not is_clear or bool(_HINTED.search(said)))
            left = list(yard.state.iterdir()) if yard.state.is_dir() else []
            made += [f"{how}: {path}" for path in [*left, *(his.iterdir() if his.is_dir() else [])]]
    yield none_of("files put into a state directory that another user made or may write in", made, f"{cases} commands")
    yield none_of("... commands that did not refuse it in a line or two", unclear, f"{cases} commands")
    with _yard() as yard:
        run_as_second_user(["sh", "-c", f"printf 'window = 3\\n' >{yard.folder}/plabctl.toml"])
        done = subprocess.run(
            [PLABCTL, "status"], cwd=yard.folder, capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(yard.folder)},
        )  # fmt: skip
        what = "a configuration that another user put into the current directory is refused"
        is_refused = done.returncode == 78 and str(SECOND_USER) in done.stderr
        yield Finding(what, str(done.returncode), "78", is_refused, "" if is_refused else done.stderr)


def _listed() -> Iterator[Finding]:
    """Compare what the kernel saw being written with what `plabctl doctor --paths` says."""
    with _yard() as yard:
        yard.begin()
        trace = yard.folder / "trace"
        watched = ("strace", "-f", "-qq", "-A", "-o", str(trace), "-e", "trace=openat,mkdir,mkdirat,rename,link,linkat")
        for command in COMMANDS:
            yard.run(command, before=watched)
        told = [line.split()[0].rstrip("/") for line in yard.run("doctor --paths")[1].splitlines()]
        names = set(re.findall(r'openat\(AT_FDCWD, "([^"]+)", [^)]*O_CREAT', trace.read_text()))
        names |= set(re.findall(r'mkdir\("([^"]+)"', trace.read_text()))
        places = (sys.prefix, "/dev/", "/proc/", str(Path(__file__).parents[2] / "plabctl"))
        ours = sorted(name for name in names if not name.startswith(places))
        temporary = [f"{yard.state}/{each}" for each in ("state.tmp-*", "history.db.new-*", ".known_hosts.*")]
        patterns = [
            *told,
            *(f"{each}/*" for each in told if each.endswith(("slots", "ticks"))),
            *temporary,
            f"{yard.state}/history.db-*",
        ]
        unlisted = [name for name in ours if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    yield none_of("paths written that `doctor --paths` does not name", unlisted, f"{len(ours)}")
