"""A tick has loaded what it may come to need before it claims: then plabctl may be upgraded, or removed, under it."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest

import plabctl
from plabctl.errors import StateTooNew
from plabctl.store.head import SCHEMA_VERSION
from tests.e2e.site import Site
from tests.lab.sshd import Sshd
from tests.lab.wait_until import wait_until
from tests.state_files import read_state_files

pytestmark = [pytest.mark.timeout(600), pytest.mark.sshd]

_PROGRAM = """\
# plabctl from a folder of its own. Once that is gone whatever is still to be loaded is refused, and written down:
# libraries and Python itself may be replaced just as well.
import os, sys
def refuse(event, arguments):
    if event == "import" and not os.path.exists({package!r}):
        with open({missed!r}, "a") as file:
            print(arguments[0], file=file)
        raise ImportError(f"{{arguments[0]}} has been replaced")
sys.path.insert(0, {packages!r})
from plabctl.cli.entry import main
assert sys.modules["plabctl"].__path__ == [{package!r}]
sys.addaudithook(refuse)
sys.exit(main())
"""
_RECIPES = """
[recipe.each]
setup = {{ run = "echo up" }}
check = {{ run = "[ -e {live} ] || exit 0; while [ -e {hold} ]; do sleep 0.05; done; case $PLABCTL_KIND in fails) exit 3;; slow) sleep 600;; {more} esac", timeout = "20s" }}
teardown = {{ run = "echo down" }}

[recipe.here]
transport = "local"
setup = {{ run = "echo up" }}
teardown = {{ run = "echo down" }}

[[hook]]
on = ["transition", "suspect", "vnode-up"]
command = ["/bin/sh", "-c", "cat >> {folder}/told; ! [ -e {live} ]"]
"""  # noqa: E501 - one stage on one line, as people write it
_MORE = "silent) exit 75;; loud) yes | head -c 300000; exit 1;;"
KINDS = {
    "good": ("good", ""),
    "fails": ("bad", "check"),
    "slow": ("bad", "deadline"),
    "silent": ("good", "no-opinion"),
    "loud": ("bad", "check"),
}
"""What each kind of node does, by where it ends up and why."""


class Replaceable(Site):
    """An installation whose package can be taken away and come back."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.packages = folder / "packages"
        self.package = self.packages / "plabctl"
        self.missed = folder / "missed"
        self.hold = folder / "hold"
        self.install()
        names = {"package": self.package, "packages": self.packages, "missed": self.missed}
        code = folder / "program.py"
        code.write_text(_PROGRAM.format(**{key: str(value) for key, value in names.items()}))
        program = folder / "program"  # a shell, since the first line of a script cannot name a path with spaces
        program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-P", str(code)])} "$@"\n')
        program.chmod(0o755)
        self.program = str(program)

    def install(self) -> None:
        """Put the package there, whole."""
        shutil.copytree(Path(plabctl.__file__).parent, self.package)  # with what is compiled, or each start compiles it

    def upgrade(self) -> None:
        """Put a later version in its place, whose state has another schema."""
        shutil.rmtree(self.package)
        self.install()
        head, tables = self.package / "store/head.py", self.package / "store/tables.py"
        head.write_text(
            head.read_text().replace(
                f"\nSCHEMA_VERSION = {SCHEMA_VERSION}\n", f"\nSCHEMA_VERSION = {SCHEMA_VERSION + 1}\n"
            )
        )
        tables.write_text(tables.read_text() + f"MIGRATIONS[{SCHEMA_VERSION}] = dict\n")

    def prepare(self, sshd: Sshd) -> None:
        """Have a node of each kind, tested once and good, and all of them due."""
        live = self.folder / "live"
        recipes = _RECIPES.format(hold=self.hold, live=live, folder=self.folder, more=_MORE)
        self.configure(key=sshd.key, user=sshd.user, recipe="each", connect_timeout="3s", window=2, more=recipes)
        variables = dict(pair.split("=") for pair in sshd.variables())
        self.add({kind: {**variables, "kind": kind} for kind in KINDS})
        self.run("trust", "*", "--yes")
        self.run("tick")
        assert set(self.pools().values()) == {"good"}
        live.touch()
        self.hold.touch()
        self.run("retest", "*", "--yes")
        self.add({"gone": {**variables, "ssh_port": "1"}})


def test_a_tick_goes_on_and_ends_as_ever_when_the_package_is_taken_away(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as sshd, Replaceable(tmp_path / "site") as site:
        site.prepare(sshd)
        site.run("experiment", "swapin", "wanted", "--nodes", "good,silent", "--recipe", "here")
        commands = sshd.ledger.commands()
        tick = site.start("tick")
        assert wait_until(lambda: sshd.ledger.commands() > commands)

        shutil.rmtree(site.package)
        site.hold.unlink()

        code = tick.wait(timeout=120)
        assert not site.missed.exists(), site.missed.read_text()
        assert (code, site.output().count("\n")) == (1, 2), site.output()
        assert "exit code 1" in site.output(), "what the hook did wrong is still told"
        site.install()
        found = {name: (node["pool"], node["last"].get("cause", "")) for name, node in site.status()["nodes"].items()}
        assert found == {**KINDS, "gone": ("bad", "connect")}


def test_an_installation_that_is_not_whole_says_so_and_changes_nothing(tmp_path: Path) -> None:
    with Replaceable(tmp_path / "site") as site:
        site.configure(
            key=tmp_path / "key", recipe="here", more=_RECIPES.format(live="x", hold="y", folder=".", more="")
        )
        site.add({"pc1": {}})
        before = read_state_files(site.folder / "state")
        (site.package / "app/tick.py").unlink()

        said = site.run("tick", code=75)

        assert said == (
            "plabctl: plabctl is not completely installed: no module named 'plabctl.app.tick'\n"
            "  hint: unless it is being upgraded just now, reinstall it\n"
        )
        assert site.run("tick", code=75) == "", "it is said once an hour"
        assert read_state_files(site.folder / "state") == before


def test_a_tick_of_the_old_version_writes_nothing_over_what_the_new_one_wrote(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as sshd, Replaceable(tmp_path / "site") as site:
        site.prepare(sshd)
        commands = sshd.ledger.commands()
        tick = site.start("tick")
        assert wait_until(lambda: sshd.ledger.commands() > commands)

        site.upgrade()
        site.run("hold", "good", "--reason", "not now")
        written = read_state_files(site.folder / "state")
        site.hold.unlink()

        assert tick.wait(timeout=120) == StateTooNew.exit_code
        assert "was written by a newer plabctl" in site.output()
        assert read_state_files(site.folder / "state") == written
        assert site.status()["nodes"]["good"]["held"], "what the new version was told stands"
        site.run("tick", code=1)  # the hook still fails
        found = {name: (node["pool"], node["last"].get("cause", "")) for name, node in site.status()["nodes"].items()}
        assert found == {**KINDS, "gone": ("bad", "connect")}
        assert [event for event in site.history() if event["kind"] == "void"], "what the old one had begun is void"
