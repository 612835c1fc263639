"""Which address of a node is used, and what errors say of the node: a real router and ICMP, in namespaces."""

import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from plabctl.clock import SystemClock
from plabctl.probes import address_race
from plabctl.probes.address_race import Address, PromptSocket, alternate_families, put_first
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.connect import connect
from plabctl.probes.probe_error import ProbeError

NEAR, FAR = "192.0.2.1", "192.0.2.2"
HOSTS = f"""
127.0.0.1 localhost
2001:db8:dead::1 hole-beside-good
{FAR} hole-beside-good
2001:db8:aaaa::1 refused-beside-no-route
{FAR} refused-beside-no-route
2001:db8:dead::1 hole-beside-refused
{FAR} hole-beside-refused
2001:db8:aaaa::1 nothing-routed
10.99.0.1 nothing-routed
"""
NETWORK = r"""
mount --bind "$1" /etc/hosts
ip link set lo up
unshare --net sleep 600 & router=$!
until [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
ip link add up0 type veth peer name down0 netns $router
ip addr add 192.0.2.1/24 dev up0
ip addr add 2001:db8::1/64 dev up0 nodad
ip link set up0 up
nsenter --target $router --net sh -ec '
    ip link set lo up
    ip addr add 192.0.2.2/24 dev down0
    ip addr add 2001:db8::2/64 dev down0 nodad
    ip addr add fe80::2/64 dev down0 nodad
    ip link set down0 up
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
    echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
    ip route add prohibit 198.51.100.1
    ip route add unreachable 198.51.100.2
    ip route add blackhole 198.51.100.3
    ip -6 route add prohibit 2001:db8:beef::/64
    ip -6 route add blackhole 2001:db8:dead::/64
'
ip route add 198.51.100.0/24 via 192.0.2.2
ip route add 203.0.113.0/24 via 192.0.2.2
ip route add unreachable 10.98.0.0/16
ip route add blackhole 10.97.0.0/16
ip -6 route add 2001:db8:beef::/64 via 2001:db8::2
ip -6 route add 2001:db8:f00d::/64 via 2001:db8::2
ip -6 route add 2001:db8:dead::/64 via 2001:db8::2
shift
nsenter --target $router --net "$1" -c '
import socket, time
listener = socket.create_server(("192.0.2.2", 2222), backlog=64)
time.sleep(600)' &
until "$1" -c 'import socket; socket.create_connection(("192.0.2.2", 2222), 1)' 2>/dev/null; do sleep 0.05; done
exec "$@"
"""


class Answer(NamedTuple):
    """What came of one connection, and to remember of it; `tries` are the attempts with that, where there is any."""

    peer: str
    first: str
    tries: int
    outcome: str
    cause: str
    reason: str


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """Connect from behind a router to places that answer in every way."""
    hosts = tmp_path_factory.mktemp("routes") / "hosts"
    hosts.write_text(HOSTS)
    flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    argv = ["unshare", *flags, "sh", "-ec", NETWORK, "sh", str(hosts), sys.executable, "-m", __name__]
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return {host: Answer(*rest) for host, *rest in json.loads(done.stdout)}


AIMS = {
    "192.0.2.2": 22,
    "fe80::2%up0": 22,
    "192.0.2.77": 22,
    "203.0.113.1": 22,
    "198.51.100.1": 22,
    "198.51.100.2": 22,
    "198.51.100.3": 22,
    "2001:db8:beef::1": 22,
    "2001:db8:f00d::1": 22,
    "10.97.0.1": 22,
    "10.98.0.1": 22,
    "10.99.0.1": 22,
    "2001:db8:aaaa::1": 22,
    "hole-beside-good": 2222,
    "refused-beside-no-route": 22,
    "hole-beside-refused": 22,
    "nothing-routed": 22,
}
"""What is asked, and at which port: 2222 is open at the router, 22 is not."""


_counts = threading.local()


class _CountedSocket(PromptSocket):
    """Counts the attempts of its thread."""

    def __init__(self, peer: Address) -> None:
        super().__init__(peer)
        _counts.tries = getattr(_counts, "tries", 0) + 1


def _ask(host: str) -> tuple[str | int, ...]:
    clock = SystemClock()
    try:
        with connect(host, AIMS[host], clock.monotonic() + 4, clock, Cancellation()) as sock:
            peer, first = sock.peer[1][0], sock.address
        _counts.tries = 0
        with connect(host, AIMS[host], clock.monotonic() + 4, clock, Cancellation(), first) as sock:
            assert (sock.peer[1][0], sock.address) == (peer, first)
    except ProbeError as error:
        return host, "", "", 0, error.outcome.value, error.cause.value, error.reason
    return host, peer, first, _counts.tries, "", "", ""


@pytest.mark.lab
@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (FAR, "connection refused"),
        ("fe80::2%up0", "connection refused"),
        ("192.0.2.77", "no route to host"),  # nobody there answers the question for its link address
        ("203.0.113.1", "network is unreachable"),  # said by the router: it knows no such network
        ("198.51.100.1", "no route to host"),
        ("198.51.100.2", "no route to host"),
        ("198.51.100.3", "no answer from 198.51.100.3 port 22 within 4 s"),
        ("2001:db8:beef::1", "permission denied"),
        ("2001:db8:f00d::1", "network is unreachable"),
    ],
)
def test_what_others_on_the_way_say_is_about_the_node(answers: dict[str, Answer], host: str, reason: str) -> None:
    found = answers[host]

    assert (found.outcome, found.cause) == ("fail", "connect"), found
    assert reason in found.reason


@pytest.mark.lab
@pytest.mark.parametrize("host", ["10.97.0.1", "10.98.0.1", "10.99.0.1", "2001:db8:aaaa::1", "nothing-routed"])
def test_without_a_route_from_here_nothing_is_known_of_the_node(answers: dict[str, Answer], host: str) -> None:
    found = answers[host]

    assert (found.outcome, found.cause) == ("unknown", "local"), found
    assert found.reason.startswith("no connection can be made from here to ")


@pytest.mark.lab
def test_an_address_that_swallows_packets_is_passed_by(answers: dict[str, Answer]) -> None:
    assert answers["hole-beside-good"].peer == FAR


@pytest.mark.lab
def test_next_time_the_address_that_answered_is_tried_alone(answers: dict[str, Answer]) -> None:
    assert answers["hole-beside-good"] == (FAR, FAR, 1, "", "", "")


@pytest.mark.lab
@pytest.mark.parametrize("host", ["refused-beside-no-route", "hole-beside-refused"])
def test_the_answer_of_the_node_tells_more_than_silence_or_a_missing_route(
    answers: dict[str, Answer], host: str
) -> None:
    found = answers[host]

    assert (found.outcome, found.reason) == ("fail", f"{FAR} port 22: connection refused")


def test_families_take_turns_in_the_order_of_the_resolver() -> None:
    v6 = [(socket.AF_INET6, (f"::{number}", 22)) for number in (1, 2, 3)]
    v4 = [(socket.AF_INET, ("127.0.0.1", 22))]

    assert alternate_families([*v6, *v4]) == [v6[0], v4[0], v6[1], v6[2]]
    assert alternate_families([*v4, *v6]) == [v4[0], *v6]
    assert alternate_families([]) == []
    assert put_first([*v6, *v4], "127.0.0.1") == [*v4, *v6]
    assert put_first([*v6, *v4], "10.0.0.1") == [*v6, *v4]


if __name__ == "__main__":
    address_race.PromptSocket = _CountedSocket  # type: ignore[misc]  # in this process only
    with ThreadPoolExecutor(len(AIMS)) as pool:
        print(json.dumps(list(pool.map(_ask, AIMS))))
