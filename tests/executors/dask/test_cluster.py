"""Real processes on loopback, with TLS: one scheduler and three workers for all tests; vnodes are counted."""

import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from plabctl.executors.dask.check import ask_scheduler
from plabctl.executors.dask.options import DaskOptions
from tests.lab import requirements
from tests.lab.dask_cluster import OTHER_VERSION, Authority, Cluster, Monitor, running
from tests.lab.ssh_keys import make_key, public
from tests.lab.sshd import Sshd
from tests.lab.wait_until import wait_until as wait_briefly
from tests.lab.web_pages import serving_pages

pytestmark = [pytest.mark.xdist_group("dask")]

# On a machine with ten times as much to do as it can, a scheduler takes twenty seconds to start.
wait_until = partial(wait_briefly, within_s=60)
WORKERS = {"w1": "north", "w2": "north", "w3": "south"}


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Sshd | None:
    """What a node at the site of w3 has, not started; w3 has its key."""
    return None if requirements.for_sshd() else Sshd(tmp_path_factory.mktemp("sshd"))


@pytest.fixture(scope="module")
def cluster(sshd: Sshd | None) -> Iterator[Cluster]:
    with (
        tempfile.TemporaryDirectory(prefix="plabctl-dask-") as folder,
        Cluster(Path(folder).resolve(), is_forked=True) as found,
    ):
        for name, site in WORKERS.items():
            own = f'[ssh]\nuser = "{sshd.user}"\nkey = "{sshd.key}"\n' if sshd and name == "w3" else ""
            found.start_worker(name, site, more=own)
        found.await_ready(*WORKERS)
        yield found


@pytest.fixture
def monitor(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Monitor]:
    found = Monitor(cluster, request.node.name.replace("[", "-").replace("]", ""))
    yield found
    assert found.made_twice() == ""
    found.clear()


def test_nodes_are_tested_by_workers_of_their_site(monitor: Monitor) -> None:
    monitor.add("north", "n1", "n2")
    monitor.add("south", "s1")
    monitor.add("nowhere", "x1")

    assert monitor.run("tick") == ""

    probes = monitor.history("probe")
    assert {(event["node"], event["outcome"]) for event in probes} == {
        (name, "pass") for name in ("n1", "n2", "s1", "x1")
    }
    where = {event["node"]: event["vantage"] for event in probes}
    assert (where["n1"], where["n2"], where["s1"]) == ("north", "north", "south")
    assert where["x1"] in {"north", "south"}
    assert monitor.live() == []
    assert monitor.history("late", "void") == []


def test_a_node_that_fails_at_one_site_is_looked_at_from_another_and_stays_good(cluster: Cluster) -> None:
    monitor = Monitor(cluster, "second-opinion", second_opinion=True)
    where = f"case $PWD in {cluster.folder}/w[12]*) exit 2;; esac"
    monitor.configure(more=f'[recipe.sited]\ntransport = "local"\ncheck = {{ run = "{where}" }}\n')
    monitor.run("node", "add", "n1", "--set", "site=north", "--set", "recipe=sited")
    monitor.run("move", "n1", "good", "--reason", "it works")
    monitor.run("tick")

    assert [event["kind"] for event in monitor.history("suspect", "refuted", "transition")][-2:] == [
        "suspect",
        "refuted",
    ]
    seen = [(event["vantage"], event["outcome"]) for event in monitor.history("probe")]
    assert seen == [("north", "fail"), ("south", "pass")]
    assert monitor.status()[0]["vantage"] == "south"


def test_workers_listen_on_loopback_alone(cluster: Cluster) -> None:
    found = {name: listening(cluster.processes[name].pid) for name in (*WORKERS, "scheduler")}

    assert set().union(*found.values()) == {"0100007F"}


def listening(pid: int) -> set[str]:
    """Return the addresses on which a process listens, as the kernel writes them."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links}


def test_the_next_tick_takes_over_what_a_killed_one_had_begun(monitor: Monitor) -> None:
    names = [f"n{number}" for number in range(8)]
    monitor.add("north", *names)
    monitor.configure(sleep=2)
    with running(monitor.start("tick")) as tick:
        assert wait_until(lambda: len(monitor.live()) == 4)
        tick.send_signal(signal.SIGKILL)
        tick.wait()
        assert monitor.run("tick") == ""

    assert monitor.live() == []
    assert monitor.most_at_once() == 4
    probes = monitor.history("probe")
    # What the killed tick kept in hand was never begun.
    assert {event["cause"] for event in probes if event["outcome"] == "unknown"} <= {"interrupted"}
    assert sum(event["outcome"] == "pass" for event in probes) == 2 * len(names)
    assert monitor.history("late", "void", "suspect") == []


def test_what_a_lost_worker_was_at_is_unknown_and_its_vnode_goes(cluster: Cluster, monitor: Monitor) -> None:
    monitor.add("west", "a", "b")
    monitor.configure(sleep=3, seconds="4s", more='[ssh]\nconnect_timeout = "1s"\n')
    for name in ("w4", "w5"):
        cluster.start_worker(name, "west", slots=1)
    cluster.await_ready("w4", "w5")
    with running(monitor.start("tick")) as tick:
        assert wait_until(lambda: len(monitor.live()) == 2)
        cluster.kill("w4")  # without a word
        cluster.kill("w5", signal.SIGTERM)
        assert tick.wait(90) == 0

    unknown = [event for event in monitor.history("probe") if event["outcome"] == "unknown"]
    reasons = sorted((event["cause"], event["reason"]) for event in unknown)
    (lost, why), interrupted = reasons
    assert (lost, interrupted) == ("executor", ("interrupted", "interrupted"))
    assert " at site 'west' was lost while it made this test" in why
    monitor.configure()
    monitor.run("retest", "a", "b")
    monitor.run("tick")  # a worker elsewhere tears down what those have left
    assert monitor.live() == []
    assert sum(event["outcome"] != "pass" for event in monitor.history("probe")) == 2
    assert monitor.history("suspect", "late") == []


def test_a_scheduler_that_is_killed_and_comes_back_loses_no_report(cluster: Cluster, monitor: Monitor) -> None:
    monitor.add("south", "s1", "s2")
    monitor.configure(sleep=3)
    with running(monitor.start("tick")) as tick:
        assert wait_until(lambda: len(monitor.live()) == 2)
        cluster.kill("scheduler")
        cluster.start_scheduler()
        assert tick.wait(90) == 0

    probes = monitor.history("probe")
    assert [event["outcome"] for event in probes] == ["pass"] * 4
    assert monitor.history("late", "void") == []
    assert monitor.live() == []
    assert wait_until(lambda: monitor.run("doctor", code=1).count("slots busy") == len(WORKERS))


def test_reports_that_nobody_waits_for_any_more_are_recorded_as_late(cluster: Cluster, monitor: Monitor) -> None:
    monitor.add("south", "s1")
    monitor.configure(sleep=2)
    with running(monitor.start("tick")) as tick:
        assert wait_until(lambda: len(monitor.live()) == 1)
        tick.send_signal(signal.SIGTERM)
        assert tick.wait(10) == 143
    monitor.run("node", "rm", "s1", "--yes")
    assert wait_until(lambda: monitor.live() == [])
    monitor.add("south", "s2")
    monitor.run("tick")

    assert [(event["node"], event["outcome"]) for event in monitor.history("late")] == [("s1", "pass")]


def test_what_is_wrong_is_told_and_no_node_is_blamed(
    cluster: Cluster, monitor: Monitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start_plain_worker("plain")
    cluster.start_worker("odd", "abroad", program=OTHER_VERSION)
    theirs = Authority(tmp_path / "theirs")
    cert, key = theirs.issue("machine")
    stranger = Monitor(cluster, "stranger", ca=theirs.path, cert=cert, key=key)
    stranger.add("north", "n1")
    assert stranger.run("tick") == ""

    ((event),) = stranger.history("probe")
    assert (event["outcome"], event["cause"], event["pool"]) == ("unknown", "executor", "bad")
    assert event["reason"].startswith(f"TLS with the scheduler at {cluster.address} failed: ")
    assert "TLS with the scheduler" in stranger.run("check", code=2)
    assert "FAIL  dask: TLS with the scheduler" in stranger.run("doctor", code=1)

    assert wait_until(lambda: b"no tests are given" in cluster.log("odd"))
    assert wait_until(lambda: b"Registered to" in cluster.log("plain"))
    monitor.add("abroad", "a1", "a2")
    monitor.run("tick")
    assert {event["outcome"] for event in monitor.history("probe")} == {"pass"}
    told = monitor.run("doctor", code=1)
    assert "at site 'abroad': 0 of 8 slots busy; it gets no tests: it runs plabctl 9.9, of another version" in told
    assert "there is no worker at site 'abroad', which has 2 nodes" in told
    for name in ("odd", "plain"):
        cluster.kill(name)

    monkeypatch.setattr("plabctl.executors.dask.link.PROTOCOL", 99)
    own = DaskOptions(cluster.address, str(cluster.authority.path), str(cluster.cert), str(cluster.key))
    workers, fault = ask_scheduler(own)
    assert (workers, "another version than this one" in fault) == ([], True)


@pytest.mark.sshd
def test_keys_stay_at_the_worker_and_host_keys_and_scripts_come_from_the_monitor(
    monitor: Monitor, sshd: Sshd | None, tmp_path: Path
) -> None:
    assert sshd
    with sshd:
        (monitor.folder / "look.sh").write_text("test -n {vnode} && echo seen\n")  # a script has no placeholders
        recipe = '[recipe.script]\ncheck = { script = "look.sh" }\n'
        monitor.configure(more=recipe)
        (monitor.folder / "state").mkdir(mode=0o700)
        (monitor.folder / "state/known_hosts").write_text(sshd.known_hosts())
        monitor.run("node", "add", "f1", *_set(*sshd.variables(), "site=south", "recipe=script"))
        assert monitor.run("tick") == ""
        assert {(event["outcome"], event["vantage"]) for event in monitor.history("probe")} == {("pass", "south")}

        other = public(make_key(tmp_path / "other")).read_text().split()[:2]
        label = sshd.known_hosts().split()[0]
        (monitor.folder / "state/known_hosts").write_text(f"{label} {' '.join(other)}\n")
        monitor.run("retest", "f1")
        monitor.run("tick")
        refused = [event for event in monitor.history("probe") if event["outcome"] != "pass"]
        assert {event["cause"] for event in refused} == {"host-key"}
        assert all("the host key has changed" in event["reason"] for event in refused)


def _set(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def test_what_does_not_speak_tls_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("machine")
    with serving_pages() as web:
        address = web.url.replace("http:", "tls:")
        found = ask_scheduler(DaskOptions(address, str(authority.path), str(cert), str(key)))

    fault = f"TLS with the scheduler at {address} failed: what listens there does not speak TLS"
    assert found == ([], fault)
