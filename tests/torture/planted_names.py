"""A second user on the machine who plants names: links, folders and files where root works, to have root run his own.

I/O, root. Whatever is planted beside what root meant would leave a mark if it ran; root's own leaves another. In each
place where root may be when he types a command, and under each name that leads to root's own configuration.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.executables import executable_folder
from tests.lab.second_user import SECOND_USER, run_as_second_user
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions
from tests.torture.scenarios import PLABCTL

CONFIG = """
state_dir = "state"
window = 1
[pool.good]
kind = "good"
on_fail = "bad"
[pool.bad]
kind = "bad"
on_pass = "good"
[recipe.process]
transport = "local"
setup = { script = "setup.sh", timeout = "10s" }
up = { run = "sh ./up.sh", timeout = "10s" }
[[inventory]]
kind = "command"
command = ["./nodes"]
[[hook]]
on = ["transition"]
command = ["./hook"]
"""
PROGRAMS = ("setup.sh", "up.sh", "nodes", "hook")
"""What the configuration runs, each by a path relative to it."""
COMMANDS = ("node add a", "tick", "retest a --wait", "test a", "status", "doctor", "config show")
PLANTS: Mapping[str, str] = {
    "a link to the configuration": "ln -s {ours}/plabctl.toml {his}/plabctl.toml",
    "a link to its folder": "mkdir -p {his}/x && rmdir {his}/x && ln -s {ours} {his}/x; ln -s x/plabctl.toml {his}/",
    "a hard link to the configuration": "ln {ours}/plabctl.toml {his}/plabctl.toml",
    "a configuration of his": "cp {ours}/plabctl.toml {his}/plabctl.toml",
    "a home of his": "mkdir -p {his}/.config/plabctl && cp {ours}/plabctl.toml {his}/*.sh {his}/nodes {his}/hook"
    " {his}/.config/plabctl && mv {his}/.config/plabctl/plabctl.toml {his}/.config/plabctl/config.toml",
}
_FEW = 2
_DEADLINE_S = 60
_LINES = 3


@dataclass(frozen=True, slots=True)
class Lot:
    """Two neighbours: root's installation, and the folder of the other user."""

    folder: Path

    @property
    def ours(self) -> Path:
        """Where root's configuration is, with what it names."""
        return self.folder / "ours"

    @property
    def his(self) -> Path:
        """The folder of the other user."""
        return self.folder / "his"

    @property
    def marks(self) -> list[str]:
        """What ran that was not root's."""
        path = self.folder / "marks"
        return sorted(set(path.read_text().split())) if path.exists() else []

    def run(self, command: str, *config: str) -> tuple[int, str]:
        """Run plabctl as root in the other user's folder; return its exit code and what it said."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.his), "PLABCTL_STATE_DIR": f"{self.folder}/default"}
        done = subprocess.run(
            [PLABCTL, *command.split(), *config], cwd=self.his, env=environ, capture_output=True, text=True,
            timeout=_DEADLINE_S, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr


@contextmanager
def lot() -> Iterator[Lot]:
    """Make both folders, with the same programs in each."""
    with executable_folder() as folder:
        found = Lot(folder)
        found.folder.chmod(0o755)
        (found.folder / "marks").touch()
        (found.folder / "marks").chmod(0o666)
        found.his.mkdir()
        found.his.chmod(0o777)
        found.ours.mkdir()
        (found.ours / "plabctl.toml").write_text(CONFIG)
        for program in PROGRAMS:
            path = found.ours / program
            path.write_text("#!/bin/sh\n" + ("echo a\n" if program == "nodes" else ""))
            path.chmod(0o755)
            his = f"printf '#!/bin/sh\\necho {program} >>{found.folder}/marks\\n' >{found.his}/{program}"
            assert run_as_second_user(["sh", "-c", f"{his}; chmod 755 {found.his}/{program}"]).returncode == 0
        found.his.chmod(0o755)
        os.chown(found.his, SECOND_USER, SECOND_USER)
        yield found


def run(options: TortureOptions) -> Iterator[Finding]:
    """Return what of another user root was made to run, and where root was not told."""
    names = list(PLANTS)
    chosen = names if options.whole else [names[0], *options.dice("led").sample(names[1:], _FEW - 1)]
    ran, obeyed, count = [], [], 0
    for name in chosen:
        with lot() as place:
            planted = PLANTS[name].format(ours=place.ours, his=place.his)
            by = run_as_second_user(["sh", "-c", planted])
            if by.returncode:
                # The kernel may forbid it (fs.protected_hardlinks), and root may have made it long ago.
                subprocess.run(["sh", "-c", planted], check=True)
            for command in COMMANDS:
                count += 1
                code, said = place.run(command)
                ran += [f"{name}, {command}: {mark}" for mark in place.marks]
                is_told = "belongs to" in said and len(said.splitlines()) <= _LINES
                obeyed += [f"{name}, {command}: {code} {said[-300:]}"] * (code in {0, -1} or not is_told)
    yield none_of("programs of another user that root ran by a configuration planted in his folder", ran, f"{count}")
    yield none_of("... commands that obeyed it, or did not say whose folder it is", obeyed, f"{count}")
    yield from _by_name(options)


def _by_name(options: TortureOptions) -> Iterator[Finding]:
    """Name root's own configuration, by the other user's link too: what it says is relative to where it really is."""
    ran, failed, count = [], [], 0
    for config in ("../ours/plabctl.toml", "link.toml"):
        with lot() as place:
            assert (
                run_as_second_user(["ln", "-s", f"{place.ours}/plabctl.toml", f"{place.his}/link.toml"]).returncode == 0
            )
            for command in COMMANDS if options.whole else COMMANDS[:3]:
                count += 1
                code, said = place.run(command, "--config", config)
                ran += [f"{config}, {command}: {mark}" for mark in place.marks]
                is_fine = code == 0 or command == "doctor"
                failed += [f"{config}, {command}: {code} {said[-300:]}"] * (not is_fine)
    yield none_of("... that root ran in his folder by a configuration of root's own, named", ran, f"{count} commands")
    yield none_of("... of which this or that did not work", failed, f"{count} commands")
