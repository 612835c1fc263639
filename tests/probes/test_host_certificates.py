"""Host certificates: what `ssh` accepts is accepted, what it refuses is refused, and so is what is forged."""

import base64
import contextlib
import getpass
import hashlib
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from plabctl.clock import SystemClock
from plabctl.core.model import Cause
from plabctl.core.settings import HostKeys, SshSettings
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.host_certificates import BadCertificate, find_fault, parse_certificate
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.signatures import find_signer, pack
from plabctl.probes.ssh import Ssh
from plabctl.probes.target import Target, build_label
from plabctl.probes.watchdog import Watchdog
from tests.probes.openssh import PROGRAM, make_key, needs_sshd

KINDS = ("ed25519", "ecdsa", "rsa")
KINDS_OF_CERTIFICATES = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "rsa-sha2-512"}


def read_version() -> tuple[int, ...]:
    shown = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", shown)
    return tuple(map(int, found.groups())) if found else ()


class Authority:
    """Keys of authorities and hosts, and certificates made of them by ssh-keygen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.lines = {name: make_key(folder / name) for name in ("ca", "other")}
        self.lines |= {f"ca_{kind}": make_key(folder / f"ca_{kind}", kind) for kind in ("ecdsa", "rsa")}
        self.hosts = {kind: make_key(folder / kind, kind) for kind in KINDS}

    def sign(self, *options: str, by: str = "ca", kind: str = "ed25519", host: bool = True) -> bytes:
        """Return the certificate that ssh-keygen makes; its file lies beside the key of the host."""
        argv = ["ssh-keygen", "-q", "-s", str(self.folder / by), "-I", "a name", *["-h"] * host, *options]
        subprocess.run([*argv, str(self.folder / f"{kind}.pub")], check=True, capture_output=True)
        return base64.b64decode((self.folder / f"{kind}-cert.pub").read_text().split()[1])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class SshdPerConnection:
    """A port at which each connection gets an sshd of its own, which reads its host certificate anew."""

    def __init__(self, authority: Authority) -> None:
        self.folder = authority.folder
        self.kind = "ed25519"
        self.user_key = self.folder / "user"
        (self.folder / "authorized_keys").write_text(make_key(self.user_key))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.processes: list[subprocess.Popen[bytes]] = []
        for kind in KINDS:
            (self.folder / f"sshd-{kind}").write_text(
                f"HostKey {self.folder}/{kind}\nHostCertificate {self.folder}/{kind}-cert.pub\n"
                f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nUseDNS no\nUsePAM no\n"
                f"PidFile none\nPermitRootLogin yes\n"
            )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.log = self.folder / "log"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        assert PROGRAM
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                argv = [PROGRAM, "-i", "-e", "-f", str(self.folder / f"sshd-{self.kind}")]
                with sock, self.log.open("ab") as log:
                    self.processes.append(subprocess.Popen(argv, stdin=sock.fileno(), stdout=sock.fileno(), stderr=log))

    def settle(self) -> None:
        """Wait until nothing serves a connection any more."""
        while self.processes:
            self.processes.pop().wait(20)

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        self.settle()


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[SshdPerConnection]:
    found = SshdPerConnection(authority)
    yield found
    found.stop()


def does_ssh_accept(server: SshdPerConnection, host: str, known: Path, *options: str) -> bool:
    fixed = ["StrictHostKeyChecking=yes", "GlobalKnownHostsFile=none", "BatchMode=yes", "PubkeyAuthentication=no"]
    argv = ["ssh", "-F", "none", "-p", str(server.port), *(f"-o{each}" for each in (*options, *fixed))]
    done = subprocess.run(
        [*argv, f"-oUserKnownHostsFile={known}", host, "true"], capture_output=True, text=True, check=False
    )
    assert ("Permission denied" in done.stderr) != ("Host key verification failed" in done.stderr), (
        done.stderr + server.log.read_text()[-2000:]
    )
    return "Permission denied" in done.stderr


def connect(server: SshdPerConnection, host: str, known: Path, label: str = "", **changes: object) -> str:
    """Log in as a probe does; return the reason of a refusal, or nothing."""
    values: dict[str, object] = {
        "user": getpass.getuser(),
        "key": str(server.user_key),
        "known_hosts": str(known),
        **changes,
    }
    clock = SystemClock()
    ssh = Ssh(SshSettings(**values), clock, Watchdog(clock))  # type: ignore[arg-type]  # the values are those above
    target = Target("pc1", host, server.port, getpass.getuser(), label or build_label(host, server.port))
    try:
        shell, _ = ssh.connect(target, clock.monotonic() + 20, Cancellation())
        shell.close()
    except ProbeError as error:
        if error.cause is not Cause.HOST_KEY:
            raise
        return error.reason
    return ""


@dataclass(frozen=True)
class Case:
    """A certificate, lines of known_hosts, and what plabctl has to say: nothing where it accepts."""

    name: str
    sign: tuple[str, ...] = ("-n", "127.0.0.1")
    known: tuple[str, ...] = ("@cert-authority {label} {ca}",)
    said: str = ""
    by: str = "ca"
    kind: str = "ed25519"
    is_host: bool = True
    host: str = "127.0.0.1"
    alias: str = ""
    until: tuple[int, ...] = ()
    """The version of OpenSSH from which on `ssh` answers otherwise."""


NO_KEY = "; unknown host key ssh-ed25519 SHA256:"
AUTHORITY, KEY = "@cert-authority {label} {ca}", "{label} {host}"
CASES = [
    Case("good"),
    Case("several names", ("-n", "pc1,127.0.0.1")),
    Case("for ever", ("-n", "127.0.0.1", "-V", "always:forever")),
    Case("pattern", known=("@cert-authority other,127.0.0.* {ca}",)),
    Case("another port's pattern", known=("@cert-authority [127.0.0.*]:1 {ca}",), said="unknown host key"),
    Case("left out", known=("@cert-authority *,!{label},!127.0.0.1 {ca}",), said="unknown host key"),
    Case("line without the port", known=("@cert-authority 127.0.0.1 {ca}",)),
    Case("name with the port", ("-n", "[127.0.0.1]:2222"), said="is for '[127.0.0.1]:2222', not for '127.0.0.1'"),
    Case("expired", ("-n", "127.0.0.1", "-V", "20200101Z:20200102Z"), said="expired at 2020-01-02T00:00:00Z" + NO_KEY),
    Case("not yet", ("-n", "127.0.0.1", "-V", "20900101Z:20900102Z"), said="is not valid before 2090-01-01T00:00:00Z"),
    Case("wrong name", ("-n", "pc7,pc8"), said="is for 'pc7', 'pc8', not for '127.0.0.1'" + NO_KEY),
    Case("no name", (), until=(10, 3)),
    Case("name with a wildcard", ("-n", "127.0.0.*"), said="is for '127.0.0.*'", until=(10, 3)),
    Case("for users", is_host=False, said="is one for users"),
    Case("revoked authority", known=(AUTHORITY, "@revoked * {ca}"), said="which is revoked in known_hosts"),
    Case("revoked authority of a known key", known=(KEY, "@revoked * {ca}"), said="is revoked in known_hosts"),
    Case("revoked for others", known=(AUTHORITY, "@revoked pc7,127.0.0.1 {ca}")),
    Case("revoked key", known=(AUTHORITY, "@revoked * {host}"), said="is revoked in known_hosts"),
    Case("another line", known=("@cert-authority *.lab {ca}",), said="unknown host key"),
    Case("foreign authority", known=("@cert-authority * {other}",), said="signed by an authority that is not known"),
    Case("critical option", ("-n", "127.0.0.1", "-O", "critical:a@b=c"), said="has the critical option 'a@b'"),
    Case("extension", ("-n", "127.0.0.1", "-O", "extension:a@b=c")),
    Case("authority with RSA", known=("@cert-authority * {ca_rsa}",), by="ca_rsa"),
    Case(
        "RSA by SHA-256",
        ("-n", "127.0.0.1", "-t", "rsa-sha2-256"),
        known=("@cert-authority * {ca_rsa}",),
        by="ca_rsa",
    ),
    Case(
        "RSA by SHA-1",
        ("-n", "127.0.0.1", "-t", "ssh-rsa"),
        known=("@cert-authority * {ca_rsa}",),
        by="ca_rsa",
        said="was signed with SHA-1",
    ),
    Case("authority with ECDSA", known=("@cert-authority * {ca_ecdsa}",), by="ca_ecdsa"),
    Case("host with RSA", kind="rsa"),
    Case("host with ECDSA", kind="ecdsa"),
    Case("expired, known key", ("-V", "20200101:20200102"), known=(AUTHORITY, KEY)),
    Case("expired, another key", ("-V", "20200101:20200102"), known=(AUTHORITY, "{label} {other}"), said="has changed"),
    Case("another key known", known=(AUTHORITY, "{label} {other}")),
    Case("known key alone", known=(KEY,)),
    Case("known key without the port", known=("127.0.0.1 {host}",)),
    Case("another key without the port", known=("127.0.0.1 {other}",), said="unknown host key"),
    Case("name, known by its address", ("-n", "localhost"), host="localhost", said="unknown host key"),
    Case("name in capitals", ("-n", "localhost"), known=("@cert-authority * {ca}",), host="LocalHost"),
    Case("capitals in it", ("-n", "LocalHost"), known=("@cert-authority * {ca}",), host="LocalHost", said="is for '"),
    Case("alias", ("-n", "node1"), known=("@cert-authority node1 {ca}",), alias="node1"),
    Case("not the alias", known=("@cert-authority node1 {ca}",), alias="node1", said="not for 'node1'"),
]


@needs_sshd
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_certificate_is_judged_as_by_ssh(
    authority: Authority, server: SshdPerConnection, tmp_path: Path, case: Case
) -> None:
    authority.sign(*case.sign, by=case.by, kind=case.kind, host=case.is_host)
    server.kind = case.kind
    label = f"[127.0.0.1]:{server.port}"
    known = tmp_path / "known"
    lines = [line.format(label=label, host=authority.hosts[case.kind], **authority.lines) for line in case.known]
    known.write_text("".join(f"{line}\n" for line in lines))

    reason = connect(server, case.host, known, case.alias)
    server.settle()

    assert (case.said in reason) if case.said else not reason, reason
    if not case.until or read_version() < case.until:
        alias = [f"HostKeyAlias={case.alias}"] if case.alias else []
        assert does_ssh_accept(server, case.host, known, *alias) == (not reason)
        server.settle()


@needs_sshd
def test_an_authority_of_the_configuration_counts_for_every_host(
    authority: Authority, server: SshdPerConnection, tmp_path: Path
) -> None:
    authority.sign("-n", "127.0.0.1")
    server.kind = "ed25519"
    (tmp_path / "ca.pub").write_text(f"# of the lab\n{authority.lines['ca']} a comment\n")

    known, files = tmp_path / "none", (str(tmp_path / "ca.pub"),)
    assert connect(server, "127.0.0.1", known, host_ca=files) == ""
    assert connect(server, "localhost", known, host_ca=files).startswith("the host certificate is for '127.0.0.1'")
    server.settle()


@needs_sshd
def test_first_use_takes_the_key_of_a_certificate_that_is_not_good_as_ssh_does(
    authority: Authority, server: SshdPerConnection, tmp_path: Path
) -> None:
    authority.sign("-n", "127.0.0.1", "-V", "20200101:20200102")
    server.kind = "ed25519"
    known = tmp_path / "known"
    line = f"@cert-authority * {authority.lines['ca']}\n"
    known.write_text(line)

    assert connect(server, "127.0.0.1", known, host_keys=HostKeys.FIRST_USE) == ""
    assert known.read_text() == f"{line}[127.0.0.1]:{server.port} {authority.hosts['ed25519']}\n"
    server.settle()


@pytest.fixture(scope="module")
def certificates(authority: Authority) -> list[tuple[str, bytes]]:
    """Certificates with keys and authorities of each kind, with the algorithm under which each is shown."""
    pairs = zip(KINDS, ("ca_rsa", "ca", "ca_ecdsa"), strict=True)
    return [
        (
            f"{KINDS_OF_CERTIFICATES[kind]}-cert-v01@openssh.com",
            authority.sign("-n", "a,b", "-V", "20200101Z:20300101Z", "-O", "critical:c@d=e", by=by, kind=kind),
        )
        for kind, by in pairs
    ]


def test_a_certificate_says_what_ssh_keygen_was_told(
    authority: Authority, certificates: list[tuple[str, bytes]]
) -> None:
    for (algorithm, data), kind, by in zip(certificates, KINDS, ("ca_rsa", "ca", "ca_ecdsa"), strict=True):
        found = parse_certificate(data, algorithm)

        assert (found.key, found.authority) == (read_key(authority.hosts[kind]), read_key(authority.lines[by]))
        assert (found.principals, found.critical_options, found.is_for_hosts) == (("a", "b"), ("c@d",), True)
        assert (found.valid_after, found.valid_before) == (1577836800, 1893456000)


def read_key(line: str) -> HostKey:
    kind, blob = line.split()[:2]
    return HostKey(kind, base64.b64decode(blob))


@given(st.data())
def test_a_certificate_with_any_bit_flipped_is_refused(
    certificates: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    algorithm, whole = data.draw(st.sampled_from(certificates))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    forged = (int.from_bytes(whole) ^ 1 << bit).to_bytes(len(whole))

    with pytest.raises(BadCertificate):
        parse_certificate(forged, algorithm)


def test_a_certificate_that_is_cut_off_or_goes_on_is_refused(certificates: list[tuple[str, bytes]]) -> None:
    for algorithm, whole in certificates:
        for end in range(len(whole)):
            with pytest.raises(BadCertificate):
                parse_certificate(whole[:end], algorithm)
        with pytest.raises(BadCertificate):
            parse_certificate(whole + b"\0", algorithm)


def test_a_signature_by_another_algorithm_than_agreed_on_is_refused(authority: Authority) -> None:
    signer = paramiko.RSAKey.from_private_key_file(str(authority.folder / "ca_rsa"))
    key, signature = HostKey("ssh-rsa", signer.asbytes()), signer.sign_ssh_data(b"data", "rsa-sha2-256").asbytes()

    assert find_signer(key, "rsa-sha2-256", signature, b"data") is not None
    assert find_signer(key, "rsa-sha2-512", signature, b"data") is None
    assert find_signer(key, "rsa-sha2-256", signature + b"\0", b"data") is None
    assert find_signer(key, "rsa-sha2-256", signature, b"other") is None


@given(st.binary(max_size=300))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    name = b"ssh-ed25519-cert-v01@openssh.com"

    with pytest.raises(BadCertificate):
        parse_certificate(pack(name) + data, name.decode())


def test_a_certificate_is_good_from_its_first_second_until_before_its_last(authority: Authority) -> None:
    data = authority.sign("-n", "pc1", "-V", "20200101Z:20200102Z")
    found = parse_certificate(data, "ssh-ed25519-cert-v01@openssh.com")
    start, end = 1577836800, 1577923200

    assert [find_fault(found, "pc1", now) for now in (start, end - 0.5)] == ["", ""]
    assert find_fault(found, "pc1", start - 0.5) == "is not valid before 2020-01-01T00:00:00Z"
    assert find_fault(found, "pc1", end) == "expired at 2020-01-02T00:00:00Z"


def test_names_of_the_node_in_a_reason_are_inert(authority: Authority) -> None:
    data = authority.sign("-n", "\x1b[2J" + "x" * 200 + ",b,c,d")
    said = find_fault(parse_certificate(data, "ssh-ed25519-cert-v01@openssh.com"), "pc1", 0)

    assert said == f"is for '{'x' * 60}', 'b', 'c' and 1 more, not for 'pc1'"


@needs_sshd
def test_an_authority_on_a_token_counts_as_for_ssh(
    authority: Authority, server: SshdPerConnection, tmp_path: Path
) -> None:
    token = Ed25519PrivateKey.generate()
    kind, application, facts = b"sk-ssh-ed25519@openssh.com", b"ssh:", b"\1\0\0\0\7"
    public = pack(kind, token.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), application)
    # What comes last in a certificate is the key of the authority and its signature, here of 51 and 83 bytes.
    body = authority.sign("-n", "127.0.0.1")[: -(4 + 51 + 4 + 83)] + pack(public)
    proof = token.sign(hashlib.sha256(application).digest() + facts + hashlib.sha256(body).digest())
    whole = body + pack(pack(kind, proof) + facts)
    name = "ssh-ed25519-cert-v01@openssh.com"
    (authority.folder / "ed25519-cert.pub").write_text(f"{name} {base64.b64encode(whole).decode()}\n")
    server.kind = "ed25519"
    known = tmp_path / "known"
    known.write_text(f"@cert-authority * {kind.decode()} {base64.b64encode(public).decode()}\n")

    assert connect(server, "127.0.0.1", known) == ""
    assert does_ssh_accept(server, "127.0.0.1", known)
    server.settle()
    for bit in range(8 * len(body), 8 * len(whole)):
        forged = (int.from_bytes(whole) ^ 1 << (8 * len(whole) - 1 - bit)).to_bytes(len(whole))
        with pytest.raises(BadCertificate):
            parse_certificate(forged, name)
