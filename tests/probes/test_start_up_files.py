"""Login shells that never begin a stage: it costs one deadline, leaves nothing and says where to look."""

import os
import pwd
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.core.model import Cause, Goal, Leftover, Outcome
from plabctl.core.recipe import Stage
from tests.lab.wait_until import wait_until
from tests.probes.jobs import make_recipe, probe
from tests.probes.openssh import Sshd, needs_sshd

pytestmark = needs_sshd

START_S = 1.0
HUNG = "the login shell did not start within 1 s: look at its start-up files and its home directory"
NEVER_RAN = "the login shell never ran it: look at its start-up files"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("node") / "sshd"
    # Only bash reads a start-up file when sshd gives it a command; another login shell is told to.
    reads = Path(pwd.getpwuid(os.getuid()).pw_shell).name == "bash"
    server = Sshd(folder, *([] if reads else [f'ForceCommand . {folder}/.bashrc; eval "$SSH_ORIGINAL_COMMAND"']))
    yield server
    server.stop()


def start_with(node: Sshd, text: str) -> None:
    (node.directory / ".bashrc").write_text(text)


@pytest.mark.parametrize(
    ("text", "cause", "reason"),
    [
        ("while [ ! -e {over} ]; do sleep 0.1; done", Cause.DEADLINE, HUNG),
        ("exit 3", Cause.SETUP, NEVER_RAN),
        ("exec cat >/dev/null", Cause.SETUP, NEVER_RAN),
        ("echo closed for today; exit 1", Cause.SETUP, "setup was not run by the node, which says: closed for today"),
    ],
    ids=["hangs", "exits", "is something else", "speaks"],
)
def test_a_shell_that_begins_no_stage_costs_its_start_once_and_leaves_nothing(
    node: Sshd, tmp_path: Path, text: str, cause: Cause, reason: str
) -> None:
    over = tmp_path / "over"
    start_with(node, text.format(over=over))
    setup = Stage(run=f"touch {tmp_path}/ran", timeout_s=60)
    try:
        recipe = make_recipe(setup=setup, teardown="true", required=True)
        report = probe(node.settings(connect_timeout_s=START_S), recipe)
    finally:
        over.touch()

    assert (report.outcome, report.cause, report.reason) == (Outcome.FAIL, cause, reason)
    assert (report.left, report.stray, report.note) == ((), None, "")
    assert [run.stage for run in report.stages] == ["connect", "setup"]
    assert report.stages[1].seconds < START_S + 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("goal", [Goal.TEST, Goal.TEARDOWN])
def test_where_no_shell_starts_the_leftovers_stay_and_are_not_tried_one_by_one(
    node: Sshd, tmp_path: Path, goal: Goal
) -> None:
    start_with(node, f"while [ ! -e {tmp_path}/over ]; do sleep 0.1; done")
    recipe = make_recipe(setup="true", teardown="true")
    other = make_recipe(setup="true", teardown="exit 0")
    left = tuple((Leftover(f"old-{number}", "made-up", 0.0), (recipe, other)[number % 2]) for number in range(4))
    try:
        settings = node.settings(connect_timeout_s=START_S)
        report = probe(settings, recipe, goal=goal, vnode="own", leftovers=left)  # type: ignore[arg-type]  # of an assignment
    finally:
        (tmp_path / "over").touch()

    assert (report.outcome, report.cause, report.reason) == (Outcome.FAIL, Cause.DEADLINE, HUNG)
    assert [run.stage for run in report.stages] == ["connect", "debris"]
    own = ("own",) if goal is Goal.TEARDOWN else ()
    assert report.left == (*(piece.vnode for piece, _ in left), *own)


def test_a_stage_that_is_read_when_nobody_listens_any_more_does_not_begin(tmp_path: Path) -> None:
    """A server that forces a command does not end it when asked to: the shell starts later, and finds the stage."""
    folder = tmp_path / "sshd"
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"
    server = Sshd(folder, f"ForceCommand trap '' PIPE; {wait}; sh; echo $? >{tmp_path}/over")
    try:
        setup = Stage(run=f"touch {tmp_path}/ran", timeout_s=60)
        report = probe(server.settings(connect_timeout_s=START_S), make_recipe(setup=setup, teardown="true"))
        (tmp_path / "go").touch()
        assert wait_until((tmp_path / "over").exists)
    finally:
        (tmp_path / "go").touch()
        server.stop()

    assert (report.reason, report.left) == (HUNG, ())
    assert not (tmp_path / "ran").exists()


def test_a_shell_that_starts_slowly_but_in_time_passes(node: Sshd) -> None:
    start_with(node, "sleep 0.5")
    check = Stage(run="sleep 1", timeout_s=20)
    report = probe(node.settings(connect_timeout_s=START_S + 0.2), make_recipe(check=check))

    assert (report.outcome, report.reason) == (Outcome.PASS, "")


def test_a_node_that_opens_no_session_is_left_with_nothing(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd", "MaxSessions 0")
    try:
        start = time.monotonic()
        report = probe(server.settings(), make_recipe(setup="true", teardown="true"))
    finally:
        server.stop()

    assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.PROTOCOL, ())
    assert report.reason.startswith("the node opens no session: ")
    assert [run.stage for run in report.stages] == ["connect", "setup"]
    assert time.monotonic() - start < 5


@pytest.mark.lab
def test_the_hung_shell_of_a_user_without_root_ends_with_what_it_waits_for() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # below the folder of all tests nobody else can read
        folder = Path(name)
        folder.chmod(0o755)
        users = folder / "passwd"
        users.write_text(Path("/etc/passwd").read_text().replace("/usr/sbin/nologin", "/bin/bash"))
        inside = ("unshare", "--mount", "sh", "-ec", 'mount --bind "$0" /etc/passwd; exec "$@"', str(users))
        server = Sshd(folder / "sshd", "LogLevel ERROR", before=inside)
        try:
            server.directory.chmod(0o755)
            start_with(server, "echo $$; sleep 30")
            report = probe(server.settings(user="nobody", connect_timeout_s=START_S), make_recipe(setup="true"))
            shell = next(word for word in report.stages[1].output.split() if word.isdigit())
            assert wait_until(lambda: not Path(f"/proc/{shell}").exists())
        finally:
            server.stop()

    assert report.reason.startswith(HUNG)
