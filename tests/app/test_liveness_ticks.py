"""Real ticks that log in to a real sshd between set-up tests, and what they leave behind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.liveness import Liveness
from plabctl.core.model import Leftover, Member, Outcome, Verdict
from plabctl.core.recipe import Transport
from plabctl.core.settings import DeadlineSettings, LivenessSettings, SshSettings
from plabctl.core.state import Changes
from plabctl.probes.plain_recipes import COMMAND
from plabctl.values import replace
from tests.app.installation import Installation
from tests.lab.slow_link import slow_link
from tests.lab.sshd import Sshd, free_port

pytestmark = pytest.mark.sshd
CHECKS = LivenessSettings(between=8)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


class Site(Installation):
    """Nodes whose tests run here and whose logins go to one sshd; a check of each is due, and no test."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        super().__init__(folder)
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(sshd.known_hosts())
        ssh = SshSettings(user=sshd.user, key=str(sshd.key), known_hosts=str(known_hosts), connect_timeout_s=2.0)
        pools = {name: replace(pool, liveness=CHECKS) for name, pool in self.settings.pools.items()}
        recipes = {"process": self.recipe, "command": COMMAND}
        self.settings = replace(self.settings, ssh=ssh, pools=pools, recipes=recipes)
        self.app = replace(self.app, settings=self.settings)
        self.sshd = sshd

    def place(self, name: str, pool: str = "good", *, port: int | None = None, **fields: Any) -> Member:
        """Add a node that was tested a while ago and is due for a check."""
        self.add(name, ssh_host=self.sshd.address, ssh_port=str(port or self.sshd.port))
        now = self.clock.now()
        last = Verdict(Outcome.PASS if pool == "good" else Outcome.FAIL, None, "", now - 600, 1.0)
        known = Liveness(now - 1, 200.0, now - 300)
        tested = {"due_at": now + 1200, "interval_s": 1800.0, "probed_at": now - 600, "last": last}
        values = {"pool": pool, "since_at": now - 9000, "liveness": known, **tested}
        member = replace(self.member(name), **{**values, **fields})
        with self.store.session() as state:
            state.apply(Changes(members=(member,), delivered=frozenset(event.id for event in state.outbox)))
        return member

    def kinds(self, name: str | None = None) -> list[str]:
        """What happened to the node, or to all, in order."""
        events = [record.event for record in self.history() if name in {None, record.event.node}]
        return [event.kind for event in events if event.kind != "node-added"]


def test_uneventful_checks_leave_their_record_and_nothing_else(tmp_path: Path, sshd: Sshd) -> None:
    here = Site(tmp_path, sshd)
    left = (Leftover("plabctl-old", "process", here.clock.now()),)
    before = {name: here.place(name, leftovers=left) for name in ("n1", "n2", "n3", "n4")}
    commands, rev = sshd.ledger.commands(), here.store.snapshot().rev

    assert here.tick() == 4

    assert sshd.ledger.commands() == commands + 4
    assert here.store.snapshot().rev - rev <= 4, "the claims of all in one commit, and their reports in batches"
    assert here.kinds() == []
    for name, member in before.items():
        after = here.member(name)
        assert after.liveness is not None
        assert after == replace(member, liveness=after.liveness)
        assert (after.liveness.silences, after.liveness.called) == (0, "")
        assert after.liveness.due_at == pytest.approx(here.clock.now() + 200, abs=30)
    assert not (tmp_path / "torn-down").exists()


def test_a_good_node_that_is_silent_twice_is_a_suspect_and_its_test_decides(tmp_path: Path, sshd: Sshd) -> None:
    here = Site(tmp_path, sshd)
    here.place("wrong", port=free_port())
    here.place("broken", port=free_port())
    here.break_node("broken")

    here.tick()

    assert here.pools() == {"wrong": "good", "broken": "bad"}
    assert here.kinds("wrong") == ["suspect", "probe", "refuted"]
    assert here.kinds("broken") == ["suspect", "probe", "transition"]
    for record in here.history("suspect"):
        assert record.event.data["cause"] == "silence"
        assert str(record.event.data["reason"]).startswith("silent 2 times in a row: 127.0.0.1 port ")


def test_in_bad_an_answer_after_silence_calls_the_test_and_mere_answers_do_not(tmp_path: Path, sshd: Sshd) -> None:
    here = Site(tmp_path, sshd)
    now = here.clock.now()
    here.place("back", "bad", liveness=Liveness(now - 1, 200.0, None, 3))
    here.place("half-dead", "bad")
    here.break_node("half-dead")

    here.tick()

    assert here.pools() == {"back": "good", "half-dead": "bad"}
    assert here.member("half-dead").probed_at == pytest.approx(now - 600, abs=5)


def test_a_server_that_takes_connections_and_says_nothing_is_silent(tmp_path: Path, sshd: Sshd) -> None:
    here = Site(tmp_path, sshd)
    here.place("hung")
    sshd.pause()
    try:
        here.tick()
    finally:
        sshd.resume()

    assert here.kinds() == ["suspect", "probe", "refuted"]


def test_the_next_test_plans_the_next_checks(tmp_path: Path, sshd: Sshd) -> None:
    here = Site(tmp_path, sshd)
    now = here.clock.now()
    here.place("n1", due_at=now - 1, ok_streak=8)

    assert here.tick() == 1

    known = here.member("n1").liveness
    assert known is not None
    assert known.spacing_s == pytest.approx(600.0 / 9, abs=0.01)
    assert known.due_at == pytest.approx(here.clock.now() + known.spacing_s, abs=20)


def test_a_slow_login_that_a_learned_time_out_cuts_off_is_no_silence(tmp_path: Path, sshd: Sshd) -> None:
    """Else a check, which has the whole time-out, would find an answer after silence, and call the test each time."""
    here = Site(tmp_path, sshd)
    over_ssh = replace(here.recipe, transport=Transport.SSH)
    here.settings = replace(
        here.settings,
        ssh=replace(here.settings.ssh, connect_timeout_s=20.0),
        deadlines=DeadlineSettings(floor_s=0.3, min_passes=1),
        recipes={"process": over_ssh, "command": COMMAND},
    )
    here.app = replace(here.app, settings=here.settings)
    now = here.clock.now()
    here.place("fast", due_at=now - 1)
    here.tick()
    with slow_link(sshd.port, delay_s=0.25, bytes_per_s=10**6) as port:
        known_hosts = sshd.known_hosts()
        (tmp_path / "known_hosts").write_text(known_hosts + known_hosts.replace(f":{sshd.port} ", f":{port} "))
        here.place("slow", "bad", port=port, due_at=now - 1, fail_streak=1, liveness=Liveness(None, 60.0, now - 300))
        here.tick()
        cut = here.member("slow")
        with here.store.session() as state:
            state.apply(Changes(members=(replace(cut, liveness=replace(cut.liveness or Liveness(), due_at=now)),)))
        here.tick()

    assert cut.last is not None
    assert "learned" in cut.last.reason
    checked = here.member("slow")
    assert (cut.liveness and cut.liveness.silences, checked.probed_at) == (0, cut.probed_at)
    assert checked.liveness is not None
    assert checked.liveness.answered_at is not None
    assert checked.liveness.answered_at > now


def test_a_fault_of_ours_is_no_silence(tmp_path: Path, sshd: Sshd) -> None:
    here = Site(tmp_path, sshd)
    here.settings = replace(here.settings, ssh=replace(here.settings.ssh, key=str(tmp_path / "no-such-key")))
    here.app = replace(here.app, settings=here.settings)
    here.place("n1")

    here.tick()

    member = here.member("n1")
    assert (member.pool, here.kinds()) == ("good", [])
    assert member.liveness is not None
    assert member.liveness.silences == 0
