"""What runs on routers and boards: dropbear and busybox, on which everything of ours works; tinyssh, which is named."""

import contextlib
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Leftover, Outcome, Report
from plabctl.core.recipe import Recipe, Stage
from plabctl.core.settings import SshSettings
from plabctl.probes.netns import NETNS
from plabctl.probes.plain_recipes import COMMAND, PROCESS
from plabctl.probes.prober import Prober
from tests.lab.requirements import program
from tests.lab.small_node import KINDS, SmallNode, missing
from tests.lab.ssh_keys import make_key
from tests.lab.wait_until import wait_until
from tests.probes.jobs import make_assignment, make_recipe, probe

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.xdist_group("small-node"),
]


@pytest.fixture(scope="module")
def node() -> Iterator[SmallNode]:
    with make_folder() as folder, SmallNode(folder) as node:
        yield node.start()


@contextlib.contextmanager
def make_folder() -> Iterator[Path]:
    """A folder where programs can be run and which other users can enter."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        yield Path(name)


def probe_after(node: SmallNode, recipe: Recipe, *vnodes: str) -> Report:
    prober = Prober(node.settings(), SystemClock())
    prober.prepare()
    leftovers = tuple((Leftover(vnode, recipe.name, 0.0), recipe) for vnode in vnodes)
    return prober.probe(make_assignment(recipe, leftovers=leftovers))


@pytest.mark.parametrize("recipe", [COMMAND, PROCESS], ids=lambda recipe: recipe.name)
def test_a_recipe_passes(node: SmallNode, recipe: Recipe) -> None:
    report = probe(node.settings(), recipe)

    assert (report.outcome, report.reason, report.note) == (Outcome.PASS, "", "")
    assert wait_until(lambda: node.running() == [])


def test_a_set_up_that_fails_says_why_and_is_torn_down(node: SmallNode) -> None:
    (node.root / "tmp/made").touch()
    report = probe(node.settings(), make_recipe(setup="echo no luck; exit 3", teardown="rm /tmp/made"))

    assert (report.outcome, report.cause, report.reason) == (Outcome.FAIL, Cause.SETUP, "no luck")
    assert report.left == ()


@pytest.fixture(params=[True, False], ids=["timeout", "no timeout"])
def has_timeout(request: pytest.FixtureRequest, node: SmallNode) -> Iterator[None]:
    """As it is, and with a busybox that was built without `timeout`."""
    path = node.root / "usr/bin/timeout"
    target = path.readlink()
    if not request.param:
        path.unlink()
    yield
    if not request.param:
        path.symlink_to(target)


@pytest.mark.usefixtures("has_timeout", "patience")
def test_what_is_not_up_in_time_is_ended_there(node: SmallNode) -> None:
    recipe = make_recipe(setup="true", up=Stage(run="sleep 77; true", timeout_s=4, every_s=4), teardown="true")
    report = probe(node.settings(), recipe)

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.UP_TIMEOUT)
    assert report.left == (), str(report)
    assert wait_until(lambda: "sleep 77" not in node.running())


@pytest.mark.usefixtures("has_timeout")
def test_a_stage_that_lost_us_is_ended_there_by_its_deadline(node: SmallNode) -> None:
    reports = []
    recipe = make_recipe(setup=Stage(run="sleep 77; true", timeout_s=2))
    runs = threading.Thread(target=lambda: reports.append(probe(node.settings(), recipe)))
    runs.start()
    assert wait_until(lambda: "sleep 77" in node.running())
    node.cut_sessions()
    runs.join()

    assert reports[0].reason.startswith("setup lost its connection")
    assert "sleep 77" in node.running()
    assert wait_until(lambda: "sleep 77" not in node.running())


def test_leftovers_are_torn_down_and_the_stages_that_still_make_some_are_ended(node: SmallNode) -> None:
    recipe = make_recipe(setup="touch /tmp/$PLABCTL_VNODE; sleep 88; true", teardown="rm -f /tmp/$PLABCTL_VNODE")
    reports = []
    runs = threading.Thread(target=lambda: reports.append(probe(node.settings(), recipe, vnode="v-1")))
    runs.start()
    assert wait_until(lambda: "sleep 88" in node.running())
    node.cut_sessions()
    runs.join()
    assert reports[0].left == ("v-1",)
    (node.root / "tmp/v-2").touch()

    report = probe_after(node, make_recipe(teardown="rm /tmp/$PLABCTL_VNODE"), "v-1", "v-2")

    assert (report.outcome, report.left, report.note) == (Outcome.PASS, (), "")
    assert wait_until(lambda: "sleep 88" not in node.running())


def test_much_goes_there_and_much_comes_back(node: SmallNode) -> None:
    stage = "# " + "x" * 200_000 + "\nyes | head -c 60000"
    report = probe(node.settings(), make_recipe(check=stage))

    assert (report.outcome, report.stages[-1].output) == (Outcome.PASS, "y\n" * 30_000)


def test_an_ip_without_namespaces_is_named(node: SmallNode) -> None:
    report = probe(node.settings(), NETNS)

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.SETUP)
    assert report.reason == (
        "the ip of this node knows no network namespaces, as that of busybox does not: install iproute2"
    )
    assert report.left == ()


@pytest.mark.parametrize("known", KINDS)
def test_of_its_host_keys_the_one_that_is_known_is_asked_for(node: SmallNode, known: str) -> None:
    node.know(known)  # dropbear signs for its RSA key by SHA-256 only, which we do not name first
    report = probe(node.settings(), COMMAND)
    node.know("ed25519")

    assert (report.outcome, report.reason) == (Outcome.PASS, "")


def test_a_key_that_is_refused(node: SmallNode, tmp_path: Path) -> None:
    report = probe(node.settings(key=str(make_key(tmp_path / "other"))), COMMAND)

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.AUTH)
    assert report.reason == "our key is refused for user 'root'"


def test_small_windows_and_a_banner_are_no_hindrance() -> None:
    with make_folder() as folder, SmallNode(folder, ("ed25519",)) as node:
        (node.root / "etc/banner").write_text("For members only.\n")
        node.start("-W", "1024", "-b", "/etc/banner")
        passed = probe(node.settings(), PROCESS)
        much = probe(node.settings(), make_recipe(check="yes | head -c 60000"))

    assert (passed.outcome, passed.reason) == (Outcome.PASS, "")
    assert (much.outcome, much.stages[-1].output) == (Outcome.PASS, "y\n" * 30_000)


def test_a_command_that_is_forced_is_quoted() -> None:
    with make_folder() as folder, SmallNode(folder, ("ed25519",)) as node:
        node.start("-c", "echo for backups only")
        report = probe(node.settings(), PROCESS)

    assert (report.outcome, report.left) == (Outcome.FAIL, ())
    assert report.reason == "setup was not run by the node, which says: for backups only"


def serve_tinyssh(listener: socket.socket, keys: Path) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                end = connection.fileno()
                subprocess.run([program("tinysshd"), keys], stdin=end, stdout=end, timeout=20, check=False)


def test_tinyssh_has_no_cipher_that_we_have_and_both_lists_are_named(tmp_path: Path) -> None:
    try:
        subprocess.run([program("tinysshd-makekey"), tmp_path / "keys"], check=True, timeout=20)
    except LookupError:
        pytest.skip("needs tinysshd")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve_tinyssh, args=(listener, tmp_path / "keys"), daemon=True)
        server.start()
        key, port = make_key(tmp_path / "user"), listener.getsockname()[1]
        report = probe(SshSettings("root", port, str(key), str(tmp_path / "known"), connect_timeout_s=10.0), COMMAND)
        listener.shutdown(socket.SHUT_RDWR)
        server.join()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.PROTOCOL)
    assert report.reason == (
        "no SSH session: no cipher in common: it has chacha20-poly1305@openssh.com; plabctl has "
        "aes128-gcm@openssh.com, aes256-gcm@openssh.com, aes128-ctr, aes192-ctr, aes256-ctr"
    )
