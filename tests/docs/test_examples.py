"""The examples in the help of every command, typed where nodes of those names are: pc1 is good, pc2 is in bad."""

import gzip
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.probes.embedded.make_key import make_key
from plabctl.probes.embedded.ssh_node import EmbeddedNode
from tests.docs.commands import all_commands
from tests.lab.fork_server import ROOT, can_fork, fork_server
from tests.lab.leftover_processes import SHARED, running
from tests.lab.wait_until import wait_until

CONFIG = """\
state_dir = "state"
[ssh]
key = "key"
"""
ONE, TWO = "pc1.example.org", "pc2.example.org"
FOLDERS = (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions")
TRACE = "node,start,end,state\na,0,200000,up\na,200000,210000,down\na,210000,300000,up\n"
NODES = f"name,site\n{ONE},north\n{TWO},south\n"
# What an example takes for granted, beside the nodes.
BEFORE = {
    "plabctl node add pc": f"plabctl node rm {ONE} {TWO}",
    "plabctl node import": f"plabctl node rm {ONE} {TWO}",
    "plabctl init": "rm plabctl.toml",
    "plabctl inventory sync": f"echo {ONE} >nodes.txt && "
    'printf \'[[inventory]]\\nkind = "file"\\npath = "nodes.txt"\\n\' >>plabctl.toml',
    "plabctl release": f"plabctl hold {ONE} --reason x",
    "plabctl check --from": "plabctl status -o json >status.json",
    "plabctl report -O all": "plabctl report -O page",
    "plabctl export nodeset --from": "plabctl status -o json >status.json",
    "plabctl check -w": f"plabctl move {TWO} good --reason repaired",
    "plabctl doctor --restore": "cp state/state.json.previous good && echo x >state/state.json",
    "plabctl experiment show": f"plabctl experiment swapin web --nodes {ONE}",
    "plabctl experiment swapout": f"plabctl experiment swapin web --nodes {ONE}",
    "printf": f"plabctl node rm {ONE} {TWO}",
}
INPUT = {"plabctl trust": "y\n"}
# These look at the machine's own cron, and say with 1 what it lacks.
MAY_COMPLAIN = ("plabctl doctor",)
# What is not typed here, and why.
ELSEWHERE = {
    "plabctl status --watch": "stays until it is interrupted",
    "plabctl history --follow": "stays until it is interrupted",
    "plabctl cron": "is about the user's own crontab; tests/e2e has one to spoil",
    "plabctl demo": "is run by tests/app",
    "plabctl node add root@": "needs a node; is typed by the README",
    "plabctl init /etc": "writes outside the test's folder",
    "plabctl sink sync": "needs Slurm; is run by tests/cli",
    "plabctl notify test": "needs a service that takes notices; is run by tests/cli",
    "plabctl worker": "needs a scheduler; is run by tests/executors/dask",
    "plabctl simulate --since": "needs a past; is run by tests/cli",
}
EXAMPLES = sorted({example for verb in all_commands() for example in verb.examples})
_FOR_SHELL = set("|&;<>()$`~*?[]{}\\\n")
_LIMIT_S = 60.0
TYPED = [example for example in EXAMPLES if not example.startswith(tuple(ELSEWHERE))]


class Place:
    """A folder with an installation in it, and how to type there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "USER": "root",
            "LANG": "C.UTF-8",
        }

    def type(self, command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        program, *words = shlex.split(command)
        environ = {**self.environ, "PYTHONPATH": str(ROOT)}
        # Where the shell has nothing to do, a start of Python can be saved too.
        if program == "plabctl" and not _FOR_SHELL & set(command) and can_fork(environ, command, text):
            return fork_server().run(words, self.folder, environ, text, _LIMIT_S)
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environ,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )

    def ok(self, command: str) -> None:
        done = self.type(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("installation")
    public, _ = make_key(folder / "key"), make_key(folder / "host_key")
    (folder / "plabctl.toml").write_text(CONFIG)
    (folder / "nodes.csv").write_text(NODES)
    (folder / "trace.csv.gz").write_bytes(gzip.compress(TRACE.encode()))
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    (folder / "node").mkdir()
    with EmbeddedNode(folder / "node", folder / "host_key", public) as node:
        place = Place(folder)
        place.ok(f"plabctl node add {ONE} {TWO} --set ssh_host=127.0.0.1 --set ssh_port={node.port}")
        place.ok("plabctl trust '*' --yes && plabctl tick")
        place.ok(f"plabctl move {TWO} bad --reason x --for 1d")
        try:
            yield folder
        finally:
            # A command that was cut off has left its vnode, which is there for as long as this file.
            for ready in (folder / "node").glob("*/ready"):
                ready.unlink()


@pytest.mark.parametrize("start", [*BEFORE, *INPUT, *MAY_COMPLAIN, *ELSEWHERE])
def test_no_exception_is_made_for_an_example_that_is_gone(start: str) -> None:
    assert any(example.startswith(start) for example in EXAMPLES)


@pytest.mark.parametrize("example", TYPED)
def test_an_example_does_what_it_says(example: str, installation: Path, tmp_path: Path) -> None:
    place, before = Place(Path(shutil.copytree(installation, tmp_path / "here"))), running()
    for start, command in BEFORE.items():
        if example.startswith(start):
            place.ok(command)

    done = place.type(example, next((text for start, text in INPUT.items() if example.startswith(start)), ""))

    assert done.returncode in ({0, 1} if example in MAY_COMPLAIN else {0}), f"{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    # The node, which is in this process, sees a little later than its client that a command has ended.
    assert wait_until(lambda: running() - SHARED <= before)
