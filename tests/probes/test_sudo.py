"""sudo on the node, the real one: what runs as root and what ends there, and what is said when it does not run."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Leftover, Outcome, Report
from plabctl.core.recipe import Become, Stage
from plabctl.probes.prober import Prober
from plabctl.probes.sudo import explain_refusal
from tests.lab import sudo_users
from tests.lab.wait_until import wait_until
from tests.probes.jobs import make_assignment, make_recipe
from tests.probes.openssh import Sshd

SAID = {
    (sudo_users.ASKED, "sudo asks for a password: a password is required"),
    (
        sudo_users.FORBIDDEN,
        "sudo does not let this user run sh as root: Sorry, user plab-forbidden is not allowed to execute",
    ),
    (sudo_users.TERMINAL, "sudo wants a terminal (requiretty): sorry, you must have a tty to run sudo"),
    (sudo_users.BARE, "sudo is not installed: env: 'sudo': No such file or directory"),
}
"""What comes of each user who cannot become root."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A node on whose users sudo has different rules."""
    if reason := sudo_users.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("sudo")
    server = Sshd(folder / "sshd", *sudo_users.CONFIG, before=sudo_users.enter(folder / "etc"))
    (folder / "etc" / "authorized_keys").write_bytes(server.user_key.with_suffix(".pub").read_bytes())
    yield server
    server.stop()


def probe(node: Sshd, job: Assignment) -> Report:
    return Prober(node.settings(), SystemClock()).probe(job)


def make_number() -> int:
    """Return a number of seconds for which nobody else sleeps."""
    return time.time_ns() % 10**9 + 10**9


def sleeping(number: int) -> list[Path]:
    """Return the processes `sleep` that run for that many seconds."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes() == f"sleep\0{number}\0".encode():
                found.append(path)
        except OSError:
            continue
    return found


@pytest.mark.root
@pytest.mark.xdist_group("sudo")
class TestOnANode:
    def test_every_stage_runs_as_root_and_knows_its_variables(self, node: Sshd, tmp_path: Path) -> None:
        tell = f"echo $(id -u) $HOME $PLABCTL_NODE $PLABCTL_VNODE $PLABCTL_RACK >>{tmp_path}/told"
        recipe = make_recipe(setup=tell, up=tell, check=tell, teardown=tell, become=Become.SUDO)
        left = Leftover("plabctl-old", recipe.name, 0.0)
        job = make_assignment(recipe, leftovers=((left, recipe),), ssh_user=sudo_users.FREE, rack="it's $HOME")

        report = probe(node, job)

        assert (report.outcome, report.reason, report.left) == (Outcome.PASS, "", ())
        lines = [f"0 /root {job.node.name} {vnode} it's $HOME" for vnode in ("plabctl-old", *[job.vnode] * 4)]
        assert (tmp_path / "told").read_text().splitlines() == lines

    @pytest.mark.parametrize(("user", "reason"), sorted(SAID))
    def test_sudo_that_refuses_is_told_as_that_before_anything_is_set_up(
        self, node: Sshd, user: str, reason: str
    ) -> None:
        job = make_assignment(make_recipe(setup="true", teardown="true", become=Become.SUDO), ssh_user=user)

        report = probe(node, job)

        assert (report.outcome, report.cause, report.left, report.note) == (Outcome.FAIL, Cause.SUDO, (), "")
        assert report.reason.startswith(reason)
        assert [run.stage for run in report.stages] == ["connect", "setup"]

    def test_sudo_that_hangs_costs_no_more_than_a_shell_that_does_not_start(self, node: Sshd) -> None:
        job = make_assignment(make_recipe(setup="true", teardown="true", become=Become.SUDO), ssh_user=sudo_users.SLOW)

        report = Prober(node.settings(connect_timeout_s=1.0), SystemClock()).probe(job)

        assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.DEADLINE, ())
        assert "the login shell did not start within 1 s (or sudo hangs)" in report.reason

    @pytest.mark.parametrize("user", [sudo_users.FREE, sudo_users.SLIM])
    def test_a_stage_that_is_late_leaves_no_process_of_root(self, node: Sshd, user: str) -> None:
        number = make_number()
        stage = Stage(run=f"sleep {number} & sleep {number}; true", timeout_s=1)

        report = probe(node, make_assignment(make_recipe(setup=stage, become=Become.SUDO), ssh_user=user))

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.DEADLINE)
        assert wait_until(lambda: not sleeping(number))

    def test_a_stage_that_lost_its_connection_is_ended_by_the_next_probe(self, node: Sshd) -> None:
        number = make_number()
        recipe = make_recipe(
            setup=Stage(run=f"sleep {number}; true", timeout_s=60), teardown="id -u", become=Become.SUDO
        )
        job = make_assignment(recipe, ssh_user=sudo_users.FREE)
        reports: list[Report] = []
        thread = threading.Thread(target=lambda: reports.append(probe(node, job)))
        thread.start()
        assert wait_until(lambda: sleeping(number) != [])
        node.kill_sessions()
        thread.join()

        assert (reports[0].cause, reports[0].left) == (Cause.CONNECT, (job.vnode,))
        assert sleeping(number)
        leftovers = ((Leftover(job.vnode, recipe.name, 0.0), recipe),)
        command = make_recipe(check="true")
        report = probe(node, make_assignment(command, leftovers=leftovers, ssh_user=sudo_users.FREE))
        assert (report.outcome, report.left, report.note) == (Outcome.PASS, (), "")
        assert wait_until(lambda: not sleeping(number))

    def test_what_needs_sudo_and_cannot_go_keeps_no_test_that_needs_none(self, node: Sshd) -> None:
        recipe = make_recipe(teardown="true", become=Become.SUDO)
        leftovers = ((Leftover("plabctl-old", recipe.name, 0.0), recipe),)
        looks = make_recipe(up="[ -e /mnt/home/looked ] || { mkdir -p /mnt/home/looked; exit 1; }")
        (node.directory.parent / "etc" / "home").chmod(0o777)

        report = probe(node, make_assignment(looks, leftovers=leftovers, ssh_user=sudo_users.ASKED))

        assert (report.outcome, report.left) == (Outcome.PASS, ("plabctl-old",))
        assert report.note == "debris 'plabctl-old': sudo asks for a password: a password is required"


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("sudo: sorry, a password is required to run sudo", 1, "sudo asks for a password: "),
        ("sudo: interactive authentication is required", 1, "sudo asks for a password: "),
        (
            "sudo: a terminal is required to read the password; either use the -S option",
            1,
            "sudo asks for a password: ",
        ),
        ("plab is not in the sudoers file.  This incident will be reported.", 1, "sudo does not let this user "),
        (
            "sudo: unable to resolve host n1\nSorry, user plab may not run sudo on n1.",
            1,
            "sudo does not let this user ",
        ),
        ("env: can't execute 'sudo': No such file or directory", 127, "sudo is not installed: "),
        ('sudo: The "no new privileges" flag is set, which prevents it', 1, 'sudo does not run: The "no new'),
        ("sudo: /etc/sudo.conf is owned by uid 65534, should be 0", 1, "sudo does not run: /etc/sudo.conf"),
        ("This account is not available", 1, ""),
        ("", 1, ""),
        ("", 0, ""),
    ],
)
def test_the_words_of_other_versions_are_understood(output: str, code: int, said: str) -> None:
    reason = explain_refusal(output, code)

    assert reason.startswith(said)
    assert bool(reason) == bool(said)
