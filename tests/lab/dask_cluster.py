"""A Dask cluster on loopback with TLS: a scheduler, workers that are `plabctl worker`, and monitors that use them.

I/O: processes, each with a folder and a configuration of its own; all end with the `with` block. Vnodes are folders in
one place, so that it can be counted how often each was made, what is left, and how many tests ran at once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.lab.fork_server import ROOT, Process, dask_fork_server
from tests.lab.leftover_processes import SHARED
from tests.lab.network import ADDRESS, Network
from tests.lab.outposts import Outpost
from tests.lab.sshd import free_port
from tests.lab.wait_until import wait_until

_OTHER_VERSION = """
import runpy, plabctl, plabctl.executors.dask.protocol as protocol
plabctl.__version__, protocol.PROTOCOL = "9.9", 99
runpy.run_module("plabctl", run_name="__main__")
"""
OTHER_VERSION = (sys.executable, "-c", _OTHER_VERSION)
"""A plabctl of another version, with which the present one cannot talk."""
_PATIENCE_S = 60.0
_PORT = 8786
_RECIPE = """
[recipe.folder]
transport = "local"
setup = {{ run = "sh {folder}/setup {{vnode}} {{node}}", timeout = "{seconds}" }}
check = {{ run = "sleep {sleep}", timeout = "{seconds}" }}
teardown = {{ run = "sh {folder}/teardown {{vnode}}", timeout = "{seconds}" }}
"""
_SETUP = """\
cd {folder} || exit 75
mkdir live/$1 made/$1 || { echo $1 >>twice; exit 1; }
echo "$2 $(ls live | wc -l)" >>begun
"""
_TEARDOWN = "cd {folder} && {{ rmdir live/$1 2>/dev/null || test ! -e live/$1; }}\n"
_SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    **dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    ),
)


class Authority:
    """An authority of one's own, in `folder`; `issue` makes certificates that it signs.

    Those of a `bare` one lack the extensions without which Python from 3.13 on takes none.
    """

    def __init__(self, folder: Path, *, bare: bool = False) -> None:
        self._is_bare = bare
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        certificate = self._sign(self._name, self._key, is_ca=True)
        self.path = folder / "ca.pem"
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, *, days: int = 1, address: str = "") -> tuple[Path, Path]:
        """Return the paths of a new certificate and its key; with negative `days` it has expired.

        It is for the host with that address, if one is given.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, days=days, address=address)
        paths = self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        paths[1].touch(mode=0o600)
        paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        days: int = 1,
        is_ca: bool = False,
        address: str = "",
    ) -> x509.Certificate:
        end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - dt.timedelta(days=2))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if address:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        if not self._is_bare:
            own, issuer = key.public_key(), self._key.public_key()
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
            builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
            if is_ca:
                builder = builder.add_extension(_SIGNS, critical=True)
        return builder.sign(self._key, hashes.SHA256())


def make_tls_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have certificates checked as Python does by default from 3.13 on."""
    usual = ssl.create_default_context

    def make_context(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context = usual(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", make_context)


class Cluster:
    """A scheduler and its workers, on loopback or in a network of their own; `start_worker` starts one more.

    When it `is_forked` they are forked from a process that has loaded all that they import, and use more memory for it.
    """

    def __init__(self, folder: Path, network: Network | None = None, *, is_forked: bool = False) -> None:
        self.folder = folder
        self.authority = Authority(folder / "tls")
        self.cert, self.key = self.authority.issue("machine")
        self.network = network
        self.is_forked = is_forked
        self._host = ADDRESS if network else "127.0.0.1"
        self.port = _PORT if network else free_port()
        self.address = f"tls://{self._host}:{self.port}"
        self.processes: dict[str, Process] = {}
        for name in ("live", "made"):
            (folder / name).mkdir()
        (folder / "setup").write_text(_SETUP.replace("{folder}", str(folder)))
        (folder / "teardown").write_text(_TEARDOWN.format(folder=folder))
        self.start_scheduler()

    def __enter__(self) -> Self:
        """Return the cluster, whose scheduler is starting."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()

    def start_scheduler(self, *, preload: bool = True) -> None:
        """Start the scheduler, again on the same port."""
        tls = ["--tls-ca-file", self.authority.path, "--tls-cert", self.cert, "--tls-key", self.key]
        more = ["--preload", "plabctl.executors.dask.scheduler"] if preload else []
        quiet = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        where = ["--host", self._host, "--port", str(self.port), "--protocol", "tls"]
        self._start("scheduler", "dask", ["scheduler", *where, *quiet, *map(str, tls), *more], self.network)

    def start_worker(
        self,
        name: str,
        site: str,
        slots: int = 8,
        *,
        more: str = "",
        network: Outpost | None = None,
        program: Sequence[str] = (),
        port: int | None = None,
    ) -> None:
        """Start a worker; `await_ready` waits until it serves.

        It may be in another `network`, another `program`, and reach the scheduler by another `port`.
        """
        own = self.folder / name
        own.mkdir(exist_ok=True)
        config = own / "plabctl.toml"
        config.write_text(f'state_dir = "state"\n{self.executor()}{more}')
        where = [self.address if port is None else f"tls://127.0.0.1:{port}", "--site", site, "--slots", str(slots)]
        self._start(name, "plabctl", ["worker", *where, "--config", str(config)], network or self.network, program)

    def start_plain_worker(self, name: str) -> None:
        """Start a worker of Dask that knows nothing of plabctl; its scheduler lets it in."""
        files = {"--tls-ca-file": self.authority.path, "--tls-cert": self.cert, "--tls-key": self.key}
        tls = [str(word) for pair in files.items() for word in pair]
        quiet = ["--no-nanny", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        self._start(name, "dask", ["worker", self.address, *quiet, *tls], self.network)

    def executor(self, **changes: object) -> str:
        """Return the `[executor]` table of a configuration."""
        values = {"scheduler": self.address, "ca": self.authority.path, "cert": self.cert, "key": self.key, **changes}
        lines = (f"{name} = {'true' if value is True else json.dumps(str(value))}" for name, value in values.items())
        return "\n".join(["[executor]", 'kind = "dask"', *lines]) + "\n"

    def await_ready(self, *names: str) -> None:
        """Wait until these workers serve."""
        for name in names:
            assert wait_until(lambda name=name: b"ready" in self.log(name), within_s=_PATIENCE_S), self.log(name)  # type: ignore[misc]

    def log(self, name: str) -> bytes:
        """Return what a process has written since it was started."""
        return (self.folder / f"{name}.log").read_bytes()

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """End a process and wait for that."""
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(_PATIENCE_S)  # which takes a busy machine longer than the worker

    def signal(self, name: str, number: int) -> None:
        """Send a process a signal."""
        self.processes[name].send_signal(number)

    def run(self, args: Sequence[str], folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run `plabctl ARGS` where the scheduler can be reached."""
        return dask_fork_server().run(args, folder, environ, None, 100.0, network=_space(self.network))

    def start(
        self,
        module: str,
        args: Sequence[str],
        log: Path,
        network: Network | Outpost | None,
        program: Sequence[str] = (),
    ) -> Process:
        """Start `python -m MODULE ARGS`, or `PROGRAM ARGS`; what it prints goes to the end of `log`."""
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
        if self.is_forked and not program:
            space = _space(network)
            return dask_fork_server().start(args, self.folder, environ, log, network=space, module=module)
        argv = [*(network.inside() if network else []), *(program or (sys.executable, "-m", module)), *args]
        with log.open("ab") as file:
            return subprocess.Popen(argv, stdout=file, stderr=file, env=environ, cwd=self.folder)

    def _start(
        self,
        name: str,
        module: str,
        args: Sequence[str],
        network: Network | Outpost | None,
        program: Sequence[str] = (),
    ) -> None:
        log = self.folder / f"{name}.log"
        log.write_bytes(b"")
        process = self.processes[name] = self.start(module, args, log, network, program)
        SHARED.add(process.pid)  # it ends with the cluster, not with the test that started it


def _space(network: Network | Outpost | None) -> str:
    return f"/proc/{network.pid}/ns/net" if network else ""


class Monitor:
    """An installation that has its tests made by a cluster; `sleep` and `seconds` are of its recipe."""

    def __init__(self, cluster: Cluster, name: str, *, window: int = 4, **executor: object) -> None:
        self.cluster = cluster
        self.folder = cluster.folder / name
        self.folder.mkdir()
        self._window, self._executor = window, executor
        self.configure()

    def configure(self, sleep: float = 0.2, seconds: str = "10s", more: str = "") -> None:
        """Write the configuration anew."""
        pools = "".join(f'[pool.{name}]\nrecipe = "folder"\n' for name in ("good", "bad"))
        recipe = _RECIPE.format(folder=self.cluster.folder, sleep=sleep, seconds=seconds)
        head = f'state_dir = "state"\nwindow = {self._window}\n'
        (self.folder / "plabctl.toml").write_text(
            head + self.cluster.executor(**self._executor) + pools + recipe + more
        )

    def argv(self, *args: str) -> list[str]:
        """Return the arguments of `plabctl ARGS` here."""
        return [*args, "--config", str(self.folder / "plabctl.toml")]

    def run(self, *args: str, code: int = 0) -> str:
        """Run `plabctl ARGS`, insist on its exit code, and return what it printed."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}
        environment |= {"PLABCTL_STATE_DIR": str(self.folder / "fallback"), "PYTHONPATH": str(ROOT)}
        done = self.cluster.run(self.argv(*args), self.folder, environment)
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *args: str) -> Process:
        """Start `plabctl ARGS`."""
        return self.cluster.start("plabctl", self.argv(*args), Path(os.devnull), self.cluster.network)

    def add(self, site: str, *names: str) -> None:
        """Add nodes of a site."""
        self.run("node", "add", *names, "--set", f"site={site}")

    def status(self) -> list[dict[str, Any]]:
        """Return the nodes as `status -o json` has them."""
        found: list[dict[str, Any]] = json.loads(self.run("status", "-o", "json"))["nodes"]
        return found

    def read_history(self) -> list[dict[str, Any]]:
        """Return what happened, oldest first."""
        found: list[dict[str, Any]] = json.loads(self.run("history", "-o", "json"))["events"]
        return found

    def history(self, *kinds: str) -> list[dict[str, Any]]:
        """Return what happened, of these kinds."""
        return [event for event in self.read_history() if event["kind"] in kinds]

    def live(self) -> list[str]:
        """Return the vnodes that are there."""
        return sorted(path.name for path in (self.cluster.folder / "live").iterdir())

    def most_at_once(self) -> int:
        """Return how many vnodes were there at once at most."""
        lines = (self.cluster.folder / "begun").read_text().splitlines()
        return max(int(line.split()[1]) for line in lines)

    def made_twice(self) -> str:
        """Return the vnodes that were made twice."""
        path = self.cluster.folder / "twice"
        return path.read_text() if path.exists() else ""

    def clear(self) -> None:
        """Forget what was counted."""
        (self.cluster.folder / "begun").unlink(missing_ok=True)


@contextlib.contextmanager
def running(process: Process) -> Iterator[Process]:
    """Have a process ended when the block ends."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
