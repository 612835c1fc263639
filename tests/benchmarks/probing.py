"""How fast probes are, against asyncssh on the same sshd: ratios of whole processes, taken in turns.

    python -m tests.benchmarks.probing [--rounds 5] [--nodes 200] [--slow 500]

Prints medians and ratios; asserts nothing. Needs sshd and the `asyncssh` package.
"""

import argparse
import asyncio
import getpass
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.probes.openssh import Sshd

WINDOW = 40


def probes(port: int, directory: Path, count: int, at_once: int, run: str, stages: int) -> int:
    from plabctl.clock import SystemClock
    from plabctl.core.assignment import Assignment
    from plabctl.core.model import Node, Outcome
    from plabctl.core.recipe import Recipe, Stage
    from plabctl.core.settings import SshSettings
    from plabctl.executors.threads import ThreadExecutor
    from plabctl.probes.prober import Prober

    settings = SshSettings(
        getpass.getuser(), port, str(directory / "user"), str(directory / "known_hosts"), connect_timeout_s=120
    )
    clock = SystemClock()
    prober = Prober(settings, clock)
    prober.prepare()
    runner = ThreadExecutor(prober, clock)
    stage = Stage(run=run, timeout_s=120)
    recipe = Recipe("bench", setup=stage if stages > 1 else None, check=stage, teardown=stage if stages > 2 else None)
    passed = 0
    for number in range(count):
        while runner.running >= at_once:
            passed += sum(report.outcome is Outcome.PASS for report in runner.wait())
        node = Node(f"n{number}", {"ssh_host": "127.0.0.1"})
        runner.start(
            Assignment(node=node, token=str(number), recipe=recipe, vnode=f"v{number}", pool="good", deadline_s=600)
        )
    while runner.running:
        passed += sum(report.outcome is Outcome.PASS for report in runner.wait())
    return passed


def asyncssh_runs(port: int, directory: Path, count: int, at_once: int, run: str, stages: int) -> int:
    import asyncssh

    options = asyncssh.SSHClientConnectionOptions(
        username=getpass.getuser(),
        known_hosts=str(directory / "known_hosts"),
        client_keys=[asyncssh.read_private_key(str(directory / "user"))],
        agent_path=None,
        config=None,
        compression_algs=None,
        kex_algs=["curve25519-sha256"],
        encryption_algs=["aes128-gcm@openssh.com"],
        server_host_key_algs=["ssh-ed25519"],
        gss_host=None,
        connect_timeout=120,
        login_timeout=120,
    )

    async def one(places: asyncio.Semaphore, logins: asyncio.Semaphore) -> bool:
        async with places:
            async with logins:
                connection = await asyncssh.connect("127.0.0.1", port, options=options)
            codes = [(await connection.run(run, stdin=asyncssh.DEVNULL)).exit_status for _ in range(stages)]
            connection.close()
            await connection.wait_closed()
            return not any(codes)

    async def everything() -> int:
        places, logins = asyncio.Semaphore(at_once), asyncio.Semaphore(64)
        return sum(await asyncio.gather(*(one(places, logins) for _ in range(count))))

    return asyncio.run(everything())


CLIENTS = {"plabctl": probes, "asyncssh": asyncssh_runs}


def child(arguments: list[str]) -> None:
    name, port, directory, count, at_once, run, stages = arguments
    passed = CLIENTS[name](int(port), Path(directory), int(count), int(at_once), run, int(stages))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"passed": passed, "rss": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime}))


def measure(name: str, server: Sshd, count: int, at_once: int, run: str, stages: int) -> dict[str, float]:
    argv = [sys.executable, "-m", "tests.benchmarks.probing", "--child", name, str(server.port), str(server.directory)]
    start = time.monotonic()
    done = subprocess.run(
        [*argv, str(count), str(at_once), run, str(stages)], check=True, stdout=subprocess.PIPE, text=True
    )
    seconds = time.monotonic() - start
    result: dict[str, float] = {"wall": seconds, **json.loads(done.stdout)}
    if result["passed"] != count:
        print(f"{name}: only {result['passed']:.0f} of {count} passed", file=sys.stderr)
    return result


def compare(title: str, rounds: int, runs: dict[str, tuple[str, int, int, str, int]], server: Sshd) -> None:
    """Measure every run once in each round; print medians, and ratios to the last one."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (client, count, at_once, run, stages) in runs.items():
            found[name].append(measure(client, server, count, at_once, run, stages))
    print(f"\n{title}")
    *_, yardstick = runs
    for name, results in found.items():
        ratio = statistics.median(
            one["wall"] / other["wall"] for one, other in zip(results, found[yardstick], strict=True)
        )
        wall, cpu, rss = (statistics.median(one[key] for one in results) for key in ("wall", "cpu", "rss"))
        print(f"  {name:<28} {wall:6.2f} s  x{ratio:.2f}  cpu {cpu:5.2f} s  peak {rss:4.0f} MiB", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--slow", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = Sshd(Path(directory) / "sshd", "MaxStartups 5000", "LogLevel ERROR")
        try:
            many = given.nodes
            one = {name: (name, many, WINDOW, "true", 1) for name in CLIENTS}
            compare(f"{many} nodes, window {WINDOW}, one stage: whole process", given.rounds, one, server)
            steps = {f"{count} stages": ("plabctl", many, WINDOW, "true", count) for count in (3, 1)}
            compare(f"{many} nodes, window {WINDOW}, three stages against one", given.rounds, steps, server)
            if given.slow:
                slow = {name: (name, given.slow, given.slow, "sleep 5", 1) for name in CLIENTS}
                compare(f"{given.slow} slow probes at once (sleep 5)", max(1, given.rounds // 2), slow, server)
        finally:
            server.stop()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "")
    main()
