"""A sweep behind one jump host: 200 nodes, forty at once, against the same sweep without it, and against other tools.

I/O. The jump host is the sshd of the nodes under one of their addresses, so that its work is on the same cores.
"""

from collections.abc import Callable

from tests.benchmarks.measure import Results, Run, alternate, median, ratio
from tests.benchmarks.nodes import CURVE, SSH_CONFIG, Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.peers import AT_ONCE, Peer, program
from tests.benchmarks.table import Row, seconds
from tests.benchmarks.testbed import Plan, Testbed

DIRECT, BEHIND = "plabctl tick", "plabctl tick, behind a jump host"


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    count = options.count(200)
    with Nodes(count) as nodes:
        host, port = nodes.addresses[0]
        jump = [{"ssh_jump": f"{nodes.user}@{host}:{port}"}] * count
        stages = {"check": "true"}
        plans = {DIRECT: Plan.of(nodes), BEHIND: Plan.of(nodes, jump)}
        beds = {
            name: Testbed(options.folder / f"jump{number}", options.installation, plan, stages, nodes, AT_ONCE)
            for number, (name, plan) in enumerate(plans.items())
        }
        others = _list_peers(nodes)
        contestants = [
            *(bed.contestant(name, "tick") for name, bed in beds.items()),
            *(peer.contestant(nodes) for peer in others if peer.argv),
        ]
        rounds = options.repeats(5)
        results = alternate(contestants, rounds, warm_up=options.warm_up)
    lost = sorted(line for bed in beds.values() for line in bed.lost)
    sweeps = len(beds) * (rounds + options.warm_up)
    title = "nodes lost in these sweeps" + (f", such as {lost[0]}" if lost else "")
    sweep = f"sweep of {count} behind one jump host against"
    return [
        _compare(results, DIRECT, f"{sweep} none", 1.5),
        _compare(results, DIRECT, "client CPU of that", None, _cpu),
        *(_compare(results, peer.name, f"{sweep} {peer.name}", 1) for peer in others),
        Row(title, str(len(lost)), f"of {sweeps * count}", float(len(lost)), 0),
    ]


def _wall(taken: Run) -> float:
    return taken.wall_s


def _cpu(taken: Run) -> float:
    return taken.cpu_s


def _compare(results: Results, name: str, what: str, goal: float | None, of: Callable[[Run], float] = _wall) -> Row:
    if not results.get(name):
        return Row(what, "", "not here", None, goal)
    own, other = median(results, BEHIND, of), median(results, name, of)
    return Row(what, seconds(own), seconds(other), ratio(results, BEHIND, name, of), goal)


def _list_peers(nodes: Nodes) -> list[Peer]:
    """Return the tools that can go over a jump host, told to by their ssh_config."""
    host = nodes.addresses[0][0]
    direct = SSH_CONFIG.format(user=nodes.user, port=nodes.port, folder=nodes.folder) + f"  {CURVE}\n"
    config = nodes.folder / "ssh_config_jump"
    config.write_text(f"Host {host}\n  ProxyJump none\n{direct}  ProxyJump {host}\n")
    data = {
        "ssh_port": nodes.port,
        "ssh_user": nodes.user,
        "ssh_key": nodes.path("user_key"),
        "ssh_config_file": str(config),
    }
    (nodes.folder / "pyinfra_jump.py").write_text(f"nodes = {[(host, data) for host, _ in nodes.addresses]!r}\n")
    xargs = ("-a", nodes.path("hosts"), "-P", str(AT_ONCE), "-I{}", "ssh", "-F", str(config), "{}", "true")
    pyinfra = (nodes.path("pyinfra_jump.py"), "exec", "--parallel", str(AT_ONCE), "-y", "--", "true")
    return [
        Peer("xargs ssh -J, curve25519", True, (program("xargs"), *xargs), {}, 2),
        Peer("pyinfra", True, (path, *pyinfra) if (path := program("pyinfra")) else (), {}, 2),
    ]
