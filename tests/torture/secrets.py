"""Secrets of a configuration: what of them gets out.

I/O. Words that stand nowhere else are put wherever a configuration or a recipe can hold a secret; then every command is
run, ticks fail and succeed, and all that was written, said, mailed or could be seen by `ps` is searched for them.
"""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.lab.fork_server import fork_server
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions

# Another run of the tests on this machine has other words: `ps` shows its commands, too.
HOOK, LIST, RUN, PRINTED, VARIABLE, KEY, SET = (f"kanari{os.getpid()}n{number}vogelvogelx7" for number in range(7))
CONFIG = f"""
state_dir = "state"
[ssh]
key = "key"
[pool.good]
kind = "good"
on_fail = "bad"
recipe = "mine"
[pool.bad]
kind = "bad"
on_pass = "good"
recipe = "mine"
[flap]
apart = "0s"
[recipe.mine]
transport = "local"
setup = {{ run = '''
TOKEN={RUN}; sleep 0.2; cat printed; echo "{{node}}: no password=$(cat printed)"
test {{secret}} && test ! -e {{node}}.bad || exit 2''', timeout = "9s" }}
teardown = {{ run = "true", timeout = "9s" }}
[[hook]]
on = ["transition", "probe"]
command = ["sh", "-c", "cat >>heard; exit 1", "https://bob:{HOOK}@ping.example.org/{HOOK}"]
[[inventory]]
kind = "command"
command = ["sh", "-c", "echo inv1; exit 1", "--password={LIST}"]
every = "1m"
"""
ASKED = frozenset({"test a", "history -o jsonl", "show b", "explain b"})
"""They show what stages printed to whoever asks. It is kept in the state and the history, which are ours alone."""
SEEN_IN_PS = (RUN, PRINTED, VARIABLE, KEY, SET)
"""A hook and the command of an inventory are run with the arguments that the configuration gives them."""
COMMANDS = (
    "tick", "retest a b", "tick", "status -o json", "status -o wide", "status -o tsv", "show b", "explain b", "history",
    "history -o jsonl", "config show", "config show -o json", "config check", "doctor", "doctor --paths", "rank",
    "pool list", "pool show good", "inventory sync", "cron print", "check", "test a", "tick",
)  # fmt: skip
_LONGEST = 1 << 21
"""More bytes than a command line may have."""


def run(options: TortureOptions) -> Iterator[Finding]:
    """Return what got out."""
    folder = options.folder / "secrets"
    folder.mkdir()
    (folder / "plabctl.toml").write_text(CONFIG)
    (folder / "key").write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY}\n-----END OPENSSH PRIVATE KEY-----\n")
    (folder / "key").chmod(0o600)
    (folder / "printed").write_text(f"{PRINTED}\n")
    (folder / "b.bad").touch()
    said = _plabctl(folder, f"node add a b --set secret={VARIABLE}")
    with Lookout(SEEN_IN_PS) as lookout:
        for command in COMMANDS:
            shown = _plabctl(folder, command)
            said += shown.replace(PRINTED, "") if command in ASKED else shown
    secrets = (HOOK, LIST, RUN, PRINTED, KEY, SET)
    files = [path for path in (folder / "state").rglob("*") if path.is_file()]
    heard = (folder / "heard").read_text()
    assert json.loads(heard.splitlines()[0]), "the hook was told nothing"
    yield none_of("secrets in what any command said", [each for each in secrets if each in said], f"{len(secrets)}")
    stored = [each for each in secrets if each != PRINTED]
    in_files = [f"{each} in {path}" for path in files for each in stored if each.encode() in path.read_bytes()]
    yield none_of("secrets in files of the state directory", in_files, f"{len(stored)}, {len(files)} files")
    in_hooks = [each for each in (*secrets, VARIABLE) if each in heard]
    yield none_of("secrets in what hooks were told", in_hooks, f"{len(secrets) + 1}, {len(heard.splitlines())} events")
    in_ps = sorted(lookout.found)
    yield none_of("secrets in a command line that `ps` shows", in_ps, f"{len(SEEN_IN_PS)}, {lookout.looks} looks")


def _plabctl(folder: Path, command: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "MY_TOKEN": SET}
    done = fork_server().run(command.split(), folder, environ, None, 60.0)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


class Lookout:
    """Reads the command lines of all processes, again and again, and keeps those that have a secret in them."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = [word.encode() for word in words]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.found: set[str] = set()
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.01):
            self.looks += 1
            for entry in os.scandir("/proc"):
                if not entry.name.isdigit() or int(entry.name) == os.getpid():
                    continue
                try:
                    line = _read(f"{entry.path}/cmdline")
                except OSError:
                    continue
                if any(word in line for word in self._words):
                    self.found.add(line.replace(b"\0", b" ").decode(errors="replace"))


def _read(path: str) -> bytes:
    """Return what is in the file; of some hundred files each time, a `Path` of each would cost more than to read it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, _LONGEST)
    finally:
        os.close(fd)
