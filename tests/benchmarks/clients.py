"""The yardsticks that are Python libraries: the same command on the same nodes, as well as each library can.

I/O. Run as `python -m tests.benchmarks.clients LIBRARY FOLDER USER COUNT AT_ONCE COMMAND`, FOLDER that of
`nodes.Nodes`; prints one JSON line. Host keys are checked against FOLDER/known_hosts unless `--unchecked`.
"""

import argparse
import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SLOW_LOGIN_S = 120


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done."""

    folder: Path
    user: str
    addresses: list[tuple[str, int]]
    at_once: int
    command: str
    checked: bool

    @property
    def key(self) -> str:
        """The path of the private key."""
        return str(self.folder / "user_key")

    @property
    def known_hosts(self) -> str:
        """The path of the known host keys."""
        return str(self.folder / "known_hosts")


def with_asyncssh(task: Task) -> int:
    """Tuned: key and known hosts read once, no agent, no configuration file, the cheapest algorithms."""
    import asyncssh

    options = asyncssh.SSHClientConnectionOptions(
        username=task.user,
        client_keys=[asyncssh.read_private_key(task.key)],
        known_hosts=asyncssh.read_known_hosts(task.known_hosts) if task.checked else None,
        agent_path=None,
        config=None,
        compression_algs=None,
        gss_host=None,
        kex_algs=["curve25519-sha256"],
        encryption_algs=["aes128-gcm@openssh.com"],
        server_host_key_algs=["ssh-ed25519"],
        connect_timeout=SLOW_LOGIN_S,
        login_timeout=SLOW_LOGIN_S,
    )

    async def everything() -> int:
        places = asyncio.Semaphore(task.at_once)

        async def one(host: str, port: int) -> bool:
            async with places, asyncssh.connect(host, port, options=options) as connection:
                done = await connection.run(task.command, stdin=asyncssh.DEVNULL)
                return done.exit_status == 0

        return sum(await asyncio.gather(*(one(*address) for address in task.addresses)))

    return asyncio.run(everything())


def with_parallel_ssh(task: Task) -> int:
    """parallel-ssh over libssh2, which has no check of host keys to offer."""
    from pssh.clients import ParallelSSHClient

    port = task.addresses[0][1]
    client = ParallelSSHClient(
        [host for host, _ in task.addresses],
        port=port,
        user=task.user,
        pkey=task.key,
        pool_size=task.at_once,
        allow_agent=False,
        num_retries=1,
        timeout=SLOW_LOGIN_S,
    )
    outputs = client.run_command(task.command, stop_on_errors=True)
    client.join(outputs)
    return sum(output.exit_code == 0 for output in outputs)


def with_fabric(task: Task) -> int:
    """fabric as its documentation shows it, in a pool of threads; no check of host keys is its default."""
    from fabric import Connection

    def one(address: tuple[str, int]) -> bool:
        arguments = {
            "key_filename": task.key,
            "timeout": SLOW_LOGIN_S,
            "banner_timeout": SLOW_LOGIN_S,
            "auth_timeout": SLOW_LOGIN_S,
        }
        with Connection(address[0], user=task.user, port=address[1], connect_kwargs=arguments) as connection:
            return bool(connection.run(task.command, hide=True, warn=True).ok)

    with ThreadPoolExecutor(task.at_once) as pool:
        return sum(pool.map(one, task.addresses))


LIBRARIES = {"asyncssh": with_asyncssh, "parallel-ssh": with_parallel_ssh, "fabric": with_fabric}


def main() -> None:
    """Do it and print what came of it; exit 1 when a node was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("user")
    parser.add_argument("count", type=int)
    parser.add_argument("at_once", type=int)
    parser.add_argument("command")
    parser.add_argument("--unchecked", action="store_true")
    given = parser.parse_args()
    lines = (given.folder / "addresses").read_text().splitlines()[: given.count]
    addresses = [(host, int(port)) for host, port in (line.split() for line in lines)]
    task = Task(given.folder, given.user, addresses, given.at_once, given.command, not given.unchecked)
    passed = LIBRARIES[given.library](task)
    print(json.dumps({"passed": passed}))
    sys.exit(passed != len(addresses))


if __name__ == "__main__":
    main()
