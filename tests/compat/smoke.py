"""Every module is imported, every command shows its help and is used once, with the libraries that are installed.

I/O: a temporary directory, a testbed on loopback for some seconds. Needs nothing but what plabctl itself needs, so that
it runs where only that is installed. The Makefile calls it as `python -m tests.compat.smoke` under the lowest versions
of `tests.compat.bounds`. The first fault ends it with exit code 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from importlib import import_module, metadata
from pathlib import Path
from pkgutil import walk_packages

from click.testing import CliRunner

import plabctl
from plabctl.cli.main import COMMANDS
from plabctl.cli.main import plabctl as program
from tests.docs.commands import all_commands

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    "ClusterShell",
    "click",
    "cryptography",
    "distributed",
    "fabric",
    "invoke",
    "jinja2",
    "orjson",
    "paramiko",
    "rich",
    "tinydb",
)
_LIMIT_S = 60.0

CONFIG = """
state_dir = "state"

[recipe.process]
transport = "local"
setup = { run = "test {node} != pc2", timeout = "10s" }
teardown = { run = "true", timeout = "5s" }
"""

SESSION = (
    "init",
    "config check",
    "config show",
    "node add pc1 pc2 --set ssh_host=127.0.0.1 --set ssh_port=1",
    "node list -o tsv",
    "inventory show",
    "tick --dry-run",
    "tick",
    "status",
    "status -o table --color always",
    "status -o json",
    "show pc1",
    "explain pc2",
    "history --since 1h",
    "pool list",
    "pool show good",
    "hold pc1 --reason smoke --for 1h",
    "release pc1",
    "move pc1 bad --reason smoke --once",
    "retest pc1 --wait",
    "rank --top 1",
    "export ansible",
    "export ssh-config",
    "export nodeset",
    "export csv",
    "stats -o json",
    "metrics --per-node",
    "status pc[1-2] -o nodeset",
    "test pc1",
    "experiment swapin web --nodes pc1 --wait",
    "experiment list",
    "experiment show web",
    "experiment swapout web --wait",
    "trust pc1",
    "sink sync --dry-run",
    "notify test",
    "report -O page",
    "check --max-age 1h",
    "worker tcp://127.0.0.1:1 --site north --check",
    "doctor",
    "cron print",
    "completion bash",
    "simulate --synthetic pl05 --nodes 5 --days 1",
    "demo --nodes 6 --seconds 3",
)
"""Command lines in the order in which they are tried."""

EXITS = {
    "trust pc1": {1},  # nobody listens there
    "worker tcp://127.0.0.1:1 --site north --check": {1},  # nor there
    "sink sync --dry-run": {2},  # there is no Slurm to keep in line
    "notify test": {2},  # nobody is to be notified
    "doctor": {0, 1},  # whether this machine has a cron that runs ticks is not the question here
}
"""The exit codes that are right where 0 is not the only one."""


def main() -> int:
    """Try everything; return the exit code."""
    warnings.simplefilter("error")
    try:
        modules, helps = import_all(), show_helps()
        with tempfile.TemporaryDirectory(prefix="plabctl-smoke-") as folder:
            use_all(Path(folder))
    except AssertionError as fault:
        print(fault, file=sys.stderr)
        return 1
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    print(f"Python {sys.version.split()[0]}, {versions}:")
    print(f"{modules} modules imported, {helps} helps shown, {len(SESSION)} command lines run")
    return 0


def import_all() -> int:
    """Import every module of the package and return how many there are."""
    names = [found.name for found in walk_packages(plabctl.__path__, "plabctl.") if not found.name.endswith("__main__")]
    for name in names:
        try:
            import_module(name)
        except Exception as error:
            raise AssertionError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    return len(names)


def show_helps() -> int:
    """Show the help of every command and return how many there are."""
    verbs = all_commands()
    for verb in verbs:
        shown = CliRunner().invoke(program, [*verb.name.split()[1:], "-h"])
        assert shown.exit_code == 0, f"{verb.name} -h: exit code {shown.exit_code}: {shown.exception!r}\n{shown.output}"
        assert shown.output.startswith(f"Usage: {verb.name}"), f"{verb.name} -h:\n{shown.output}"
    return len(verbs)


def list_untried() -> list[str]:
    """Return the commands that no line of the session tries."""
    used = {line.split()[0] for line in SESSION}
    return sorted({name for section in COMMANDS.values() for name in section} - used)


def use_all(folder: Path) -> None:
    """Run the session in `folder`, each command line in a process of its own."""
    missing = list_untried()
    assert not missing, f"no command line tries {', '.join(missing)}"
    for line in SESSION:
        run(folder, line)
        if line == "init":
            (folder / "plabctl.toml").write_text(CONFIG)


def run(folder: Path, line: str) -> None:
    """Run one command line in `folder`; raise AssertionError unless its exit code is right."""
    ours = {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PLABCTL_")} | ours
    done = subprocess.run(
        [sys.executable, "-m", "plabctl", *line.split()],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.returncode in EXITS.get(line, {0}), (
        f"plabctl {line}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    )


if __name__ == "__main__":
    sys.exit(main())
