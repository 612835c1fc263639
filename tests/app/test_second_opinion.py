"""Real ticks that log in to a real sshd from two vantages, of which one does not reach every node."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.core.guard.model import read_guard
from plabctl.core.model import Verdict
from plabctl.core.probe import Outcome
from plabctl.core.settings import ExecutorSettings, GuardSettings, SshSettings
from plabctl.core.state import Changes
from plabctl.probes.plain_recipes import COMMAND
from plabctl.values import replace
from tests.app.installation import Installation
from tests.lab import two_vantages
from tests.lab.sshd import Sshd, free_port

pytestmark = pytest.mark.sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


class Site(Installation):
    """Good nodes behind one sshd, tested by a login; each may be out of reach from one vantage or the other."""

    def __init__(self, folder: Path, sshd: Sshd, *, is_on: bool = True) -> None:
        super().__init__(folder)
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(sshd.known_hosts())
        ssh = SshSettings(user=sshd.user, key=str(sshd.key), known_hosts=str(known_hosts), connect_timeout_s=2.0)
        self.settings = replace(
            self.settings,
            ssh=ssh,
            recipes={"process": replace(COMMAND, name="process"), "command": COMMAND},
            executor=ExecutorSettings(two_vantages.KIND, second_opinion=is_on),
            guard=GuardSettings(neighbours=0),
        )
        self.app = replace(self.app, settings=self.settings)
        self.sshd = sshd

    def place(self, name: str, *, lost_from: tuple[str, ...] = ()) -> None:
        """Add a node that is due and not reached from these vantages."""
        ports = {f"{vantage}_port": str(free_port()) for vantage in lost_from}
        self.add(name, ssh_host=self.sshd.address, ssh_port=str(self.sshd.port), site="lab", **ports)
        now = self.clock.now()
        passed = Verdict(Outcome.PASS, None, "", now - 300, 1.0)
        member = replace(self.member(name), pool="good", since_at=now - 9000, ok_streak=7, last=passed)
        with self.store.session() as state:
            state.apply(Changes(members=(replace(member, probed_at=now - 300, due_at=now - 1),)))

    def steps(self, name: str | None) -> list[str]:
        """What happened to the node, and from where it was tested, in order."""
        events = [record.event for record in self.history() if record.event.node == name]
        told = [event for event in events if event.kind != "node-added"]
        return [
            " ".join(filter(None, (str(event.data.get("vantage", "")), str(event.data.get("outcome", event.kind)))))
            for event in told
        ]


@pytest.fixture
def site(tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Site:
    two_vantages.register(monkeypatch.setitem)
    return Site(tmp_path, sshd)


def test_a_node_that_one_vantage_does_not_reach_stays_good_and_the_way_is_told(site: Site) -> None:
    site.place("whole")
    site.place("hidden", lost_from=("north",))
    site.place("dead", lost_from=("north", "south"))

    site.tick()

    assert site.steps("whole") == ["north pass"]
    assert site.steps("hidden") == ["north fail", "suspect", "south pass", "refuted", "north path-lost"]
    assert site.steps("dead")[:4] == ["north fail", "suspect", "south fail", "transition"]
    assert site.pools() == {"whole": "good", "hidden": "good", "dead": "bad"}
    member = site.member("hidden")
    assert (member.ok_streak, member.vantage) == (8, "south")
    assert [way.vantage for way in member.lost_ways] == ["north"]

    site.make_due("hidden")
    site.tick()

    assert site.steps("hidden")[5:] == ["south pass"], "nobody asks the way that is lost meanwhile"


def test_without_second_opinions_the_node_goes_to_bad(
    tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_vantages.register(monkeypatch.setitem)
    plain = Site(tmp_path, sshd, is_on=False)
    plain.place("hidden", lost_from=("north",))

    plain.tick()

    assert plain.steps("hidden")[:4] == ["north fail", "suspect", "north fail", "transition"]


def test_a_site_that_one_vantage_does_not_reach_is_tested_from_the_other(site: Site) -> None:
    for name in ("n1", "n2"):
        site.place(name, lost_from=("north",))

    site.tick()
    site.place("n3", lost_from=("north",))
    site.tick()

    assert site.steps(None) == ["guard-on"]
    assert [*read_guard(site.store.snapshot()).scopes] == ["vantage north"]
    assert site.steps("n3") == ["south pass"]
    assert {*site.pools().values()} == {"good"}


def test_a_way_that_works_again_is_told(site: Site) -> None:
    site.place("hidden", lost_from=("north",))
    site.tick()
    with site.store.session() as state:
        node, member = state.node("hidden"), state.member("hidden")
        assert node
        assert member
        variables = {key: value for key, value in node.variables.items() if key != "north_port"}
        ways = tuple(replace(way, look_at=0.0) for way in member.lost_ways)
        state.apply(Changes(nodes=(replace(node, variables=variables),), members=(replace(member, lost_ways=ways),)))
    site.make_due("hidden")

    site.tick()

    assert site.steps("hidden")[-2:] == ["south pass", "north path-back"]
    assert site.member("hidden").lost_ways == ()
