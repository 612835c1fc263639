"""Probes against a real sshd."""

import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Leftover, Outcome
from plabctl.core.recipe import Stage, Transport
from plabctl.core.settings import HostKeys
from plabctl.kinds import Builtin
from plabctl.probes import address_race
from plabctl.probes.address_race import Address, PromptSocket
from plabctl.probes.plain_recipes import PROCESS
from plabctl.probes.prober import Prober
from tests.lab.wait_until import wait_until
from tests.probes.jobs import make_assignment, make_recipe, probe
from tests.probes.openssh import Sshd, free_port, make_key, needs_sshd

pytestmark = needs_sshd


@pytest.mark.parametrize("name", ["command", "process"])
def test_the_recipes_without_root_pass_on_a_good_node(sshd: Sshd, name: str) -> None:
    report = probe(sshd.settings(), Builtin("recipe")[name])

    assert (report.outcome, report.cause, report.reason, report.left, report.note) == (Outcome.PASS, None, "", (), "")


def test_all_stages_go_over_one_connection(sshd: Sshd) -> None:
    show = "echo $SSH_CONNECTION"
    report = probe(sshd.settings(), make_recipe(setup=show, up=show, check=show, teardown=show))

    outputs = {stage.output for stage in report.stages if stage.stage != "connect"}
    assert [stage.stage for stage in report.stages] == ["connect", "setup", "up", "check", "teardown"]
    assert len(outputs) == 1
    assert outputs != {"\n"}


def test_values_are_filled_in_quoted_and_exported(sshd: Sshd) -> None:
    nasty = "a b'c\"d$(touch /tmp/never)`e`\\f!g%h*;&\nnext"
    recipe = make_recipe(check='printf \'%s|%s|%s\' {site} "$PLABCTL_SITE" "$PLABCTL_NODE"; exit 1')

    report = probe(sshd.settings(), recipe, site=nasty)

    node = report.node
    assert report.stages[-1].output == f"{nasty}|{nasty}|{node}"


NUMERIC = socket.getaddrinfo


def test_which_of_several_addresses_answered_is_reported_and_tried_first(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    found = ["127.0.0.2", "127.0.0.1"]
    """What the resolver finds; the server listens at the second only."""

    class Recorder(PromptSocket):
        def __init__(self, peer: Address) -> None:
            super().__init__(peer)
            tried.append(peer[1][0])

    def resolve(host: str, port: int, family: int, kind: int, protocol: int, flags: int) -> list[object]:
        hosts = [host] if flags == socket.AI_NUMERICHOST else found
        return [each for one in hosts for each in NUMERIC(one, port, family, kind, protocol, socket.AI_NUMERICHOST)]

    def look(first: str) -> tuple[Outcome, str | None, list[str]]:
        tried.clear()
        prober = Prober(settings, SystemClock())
        report = prober.probe(make_assignment(make_recipe(check="true"), address=first, ssh_host="pc1.example.org"))
        return report.outcome, report.address, [*tried]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(address_race, "PromptSocket", Recorder)
    (sshd.known_hosts.parent / "known-name").write_text(f"[pc1.example.org]:{sshd.port} {sshd.host_lines[0]}\n")
    settings = sshd.settings(known_hosts=str(sshd.known_hosts.parent / "known-name"))

    assert look("") == (Outcome.PASS, "127.0.0.1", ["127.0.0.2", "127.0.0.1"])
    assert look("127.0.0.1") == (Outcome.PASS, "127.0.0.1", ["127.0.0.1"])
    found[:] = ["127.0.0.1"]
    assert look("127.0.0.1") == (Outcome.PASS, "", ["127.0.0.1"]), "the first one needs no memory"
    found[:] = ["127.0.0.2"]
    assert look("127.0.0.1") == (Outcome.FAIL, "", ["127.0.0.2"])


def test_a_test_that_is_not_made_over_ssh_forgets_no_address(sshd: Sshd) -> None:
    here = probe(sshd.settings(), make_recipe(check="true", transport=Transport.LOCAL))
    without_key = probe(sshd.settings(key=""), make_recipe(check="true"))

    assert (here.address, without_key.address) == (None, None)
    assert without_key.cause is Cause.LOCAL


@pytest.mark.parametrize(
    ("code", "outcome", "cause"),
    [(0, Outcome.PASS, None), (75, Outcome.UNKNOWN, Cause.NO_OPINION), (1, Outcome.FAIL, Cause.SETUP)],
)
def test_the_exit_code_decides(sshd: Sshd, code: int, outcome: Outcome, cause: Cause | None) -> None:
    report = probe(sshd.settings(), make_recipe(setup=f"echo first; echo why; exit {code}"))

    assert (report.outcome, report.cause) == (outcome, cause)
    assert report.reason == ("why" if code else "")


def test_teardown_runs_after_a_failed_setup(sshd: Sshd, tmp_path: Path) -> None:
    report = probe(sshd.settings(), make_recipe(setup="exit 1", check="exit 2", teardown=f"touch {tmp_path}/gone"))

    assert report.cause is Cause.SETUP
    assert (tmp_path / "gone").exists()
    assert report.left == ()
    assert [stage.stage for stage in report.stages] == ["connect", "setup", "teardown"]


@pytest.mark.parametrize("required", [False, True])
def test_a_failed_teardown_leaves_debris_and_decides_only_if_required(sshd: Sshd, required: bool) -> None:
    report = probe(sshd.settings(), make_recipe(check="true", teardown="echo stuck; exit 1", required=required))

    assert (report.outcome, report.cause) == ((Outcome.FAIL, Cause.TEARDOWN) if required else (Outcome.PASS, None))
    assert len(report.left) == 1
    assert "stuck" in report.note


def test_debris_is_torn_down_first(sshd: Sshd, tmp_path: Path) -> None:
    old = make_recipe(teardown=f"echo {{vnode}} >>{tmp_path}/log; [ {{vnode}} != stuck ]")
    new = make_recipe(check=f"echo check >>{tmp_path}/log", teardown="true")
    leftovers = ((Leftover("gone", "old", 0.0), old), (Leftover("stuck", "old", 0.0), old))

    report = Prober(sshd.settings(), SystemClock()).probe(make_assignment(new, leftovers=leftovers))

    assert (tmp_path / "log").read_text().split() == ["gone", "stuck", "check"]
    assert report.outcome is Outcome.PASS
    assert report.left == ("stuck",)


def test_up_is_polled_until_it_is_up(sshd: Sshd, tmp_path: Path) -> None:
    count = f"echo x >>{tmp_path}/looks; [ $(wc -l <{tmp_path}/looks) -ge 3 ]"

    report = probe(sshd.settings(), make_recipe(up=count))

    assert report.outcome is Outcome.PASS
    assert (tmp_path / "looks").read_text() == "x\n" * 3


def test_a_vnode_that_never_comes_up_fails_after_its_time(sshd: Sshd) -> None:
    start = time.monotonic()
    report = probe(sshd.settings(), make_recipe(up=Stage(run="echo booting; false", timeout_s=2, every_s=0.1)))

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.UP_TIMEOUT)
    assert report.reason == "not up after 2 s: booting"
    assert time.monotonic() - start < 2 + 10 + 1


@pytest.mark.usefixtures("patience")
def test_a_stage_that_is_late_is_cut_and_torn_down_over_the_same_connection(sshd: Sshd) -> None:
    setup = Stage(run="echo on it; sleep 60", timeout_s=2)
    report = probe(sshd.settings(), make_recipe(setup=setup, teardown="true"))

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.DEADLINE)
    assert "on it" in report.reason
    assert report.left == ()
    assert [stage.stage for stage in report.stages] == ["connect", "setup", "teardown"]
    assert sum(stage.seconds for stage in report.stages[:2]) < 2 + 1


class TestConnecting:
    recipe = make_recipe(check="true", teardown="true")

    def test_a_closed_port_is_a_connect_failure(self, sshd: Sshd) -> None:
        report = probe(sshd.settings(port=free_port()), self.recipe)

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CONNECT)
        assert "refused" in report.reason
        assert report.left == ()

    def test_a_name_without_address_is_a_dns_failure(self, sshd: Sshd) -> None:
        report = probe(sshd.settings(), self.recipe, ssh_host="no-such-host.invalid")

        assert (report.outcome, report.cause) in {
            (Outcome.FAIL, Cause.DNS),
            (Outcome.UNKNOWN, Cause.LOCAL),  # where there is no resolver, nobody can tell
        }

    def test_a_key_that_is_not_authorised_is_refused(self, sshd: Sshd, tmp_path: Path) -> None:
        make_key(tmp_path / "other")
        report = probe(sshd.settings(key=str(tmp_path / "other")), self.recipe)

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.AUTH)

    def test_an_agent_that_could_log_in_is_not_asked(
        self, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_key(tmp_path / "other")
        with (
            tempfile.TemporaryDirectory(dir="/tmp") as folder,  # the path of a socket is limited to 107 bytes
            subprocess.Popen(["ssh-agent", "-D", "-a", f"{folder}/agent"], stdout=subprocess.DEVNULL) as agent,
        ):
            monkeypatch.setenv("SSH_AUTH_SOCK", f"{folder}/agent")
            try:
                assert wait_until(Path(folder, "agent").exists)
                subprocess.run(["ssh-add", "-q", str(sshd.user_key)], check=True, timeout=20)
                report = probe(sshd.settings(key=str(tmp_path / "other")), self.recipe)
            finally:
                agent.kill()

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.AUTH)

    def test_an_unknown_host_key_is_refused_and_the_remedy_named(self, sshd: Sshd, tmp_path: Path) -> None:
        report = probe(sshd.settings(known_hosts=str(tmp_path / "none")), self.recipe)

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.HOST_KEY)
        assert f"plabctl trust {report.node}" in report.reason
        assert not (tmp_path / "none").exists()

    @pytest.mark.parametrize("known", ["none", "the same", "another"])
    @pytest.mark.parametrize("host_keys", HostKeys)
    def test_a_revoked_host_key_is_refused(self, sshd: Sshd, tmp_path: Path, host_keys: HostKeys, known: str) -> None:
        lines = sshd.known_hosts.read_text().splitlines()
        revoked = [f"@revoked * {line.split(maxsplit=1)[1]}" for line in lines]
        if known == "none":
            lines = []
        elif known == "another":
            lines = [f"[127.0.0.1]:{sshd.port} {make_key(tmp_path / 'other')}"]
        (tmp_path / "known").write_text("\n".join([*revoked, *lines]) + "\n")
        report = probe(sshd.settings(known_hosts=str(tmp_path / "known"), host_keys=host_keys), self.recipe)

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.HOST_KEY)
        assert "is revoked in known_hosts" in report.reason

    def test_a_changed_host_key_is_refused_even_on_first_use(self, sshd: Sshd, tmp_path: Path) -> None:
        other = make_key(tmp_path / "other")
        (tmp_path / "known").write_text(f"[127.0.0.1]:{sshd.port} {other}\n")
        report = probe(sshd.settings(known_hosts=str(tmp_path / "known"), host_keys=HostKeys.FIRST_USE), self.recipe)

        assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.HOST_KEY)
        assert "changed" in report.reason

    def test_first_use_remembers_the_key_for_next_time(self, sshd: Sshd, tmp_path: Path) -> None:
        known = tmp_path / "known"
        first = probe(sshd.settings(known_hosts=str(known), host_keys=HostKeys.FIRST_USE), self.recipe)
        second = probe(sshd.settings(known_hosts=str(known)), self.recipe)

        assert [first.outcome, second.outcome] == [Outcome.PASS, Outcome.PASS]
        assert len(known.read_text().splitlines()) == 1
        assert known.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("key", ["", "/no/such/key"])
    def test_a_missing_key_is_our_fault(self, sshd: Sshd, key: str) -> None:
        report = probe(sshd.settings(key=key), self.recipe)

        assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
        assert key in report.reason


def test_the_process_recipe_refuses_a_directory_that_is_there(sshd: Sshd, tmp_path: Path) -> None:
    prober = Prober(sshd.settings(), SystemClock())
    job = make_assignment(PROCESS)
    place = Path("/tmp") / f"plabctl-{job.vnode}"
    place.mkdir()
    try:
        report = prober.probe(job)
    finally:
        if place.exists():
            place.rmdir()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.SETUP)
    assert "exists" in report.reason.lower()
