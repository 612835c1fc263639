"""Servers and links that are sound and yet not as one would wish: slow, old, or set on passwords."""

import contextlib
import os
import pty
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from plabctl.core.model import Cause, Outcome
from plabctl.core.recipe import Stage
from plabctl.core.settings import SshSettings
from tests.lab.slow_link import slow_link
from tests.probes.jobs import make_recipe, probe
from tests.probes.openssh import Sshd, make_key, needs_sshd

pytestmark = needs_sshd

CHECK = make_recipe(check="echo fine")
BITS_64K = 8_000


def test_a_slow_and_distant_link_passes_within_its_deadline(sshd: Sshd) -> None:
    with slow_link(sshd.port, delay_s=0.1, bytes_per_s=BITS_64K) as port:
        report = probe(_settings(sshd, port), CHECK)

    assert (report.outcome, report.reason) == (Outcome.PASS, "")
    assert report.seconds > 1, "the link is slow"


def test_over_a_slow_link_the_deadline_is_one_for_all_of_a_stage(sshd: Sshd) -> None:
    # A piece of the output comes every tenth of a second, so that no single wait is long.
    recipe = make_recipe(check=Stage(run="head -c 60000 /dev/urandom | od -c", timeout_s=1.5))
    with slow_link(sshd.port, delay_s=0.02, bytes_per_s=BITS_64K) as port:
        report = probe(_settings(sshd, port), recipe)

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.DEADLINE)
    assert report.seconds - report.stages[0].seconds < 1.5 + 1 + 1.5, "a second more, and some for a busy machine"


def test_over_a_slow_link_the_deadline_of_the_login_is_one_for_all_of_it(sshd: Sshd) -> None:
    with slow_link(sshd.port, delay_s=0.3, bytes_per_s=BITS_64K) as port:
        start = time.monotonic()
        report = probe(_settings(sshd, port, connect_timeout_s=1.0), CHECK)

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.DEADLINE)
    assert time.monotonic() - start < 1 + 1 + 1.5


def _settings(sshd: Sshd, port: int, connect_timeout_s: float = 30.0) -> SshSettings:
    known = sshd.known_hosts.with_name(f"known-{port}")
    known.write_text(f"[127.0.0.1]:{port} {sshd.host_lines[0]}\n")
    return sshd.settings(port=port, known_hosts=str(known), connect_timeout_s=connect_timeout_s)


PASSWORDS = ("PasswordAuthentication yes", "KbdInteractiveAuthentication yes")


@pytest.mark.parametrize("name", ["curve25519-sha256", "curve25519-sha256@libssh.org"])
def test_curve25519_is_agreed_on_under_both_its_names(tmp_path: Path, name: str) -> None:
    server = Sshd(tmp_path / "sshd", f"KexAlgorithms {name}")
    try:
        report = probe(server.settings(), CHECK)
    finally:
        server.stop()

    assert (report.outcome, report.reason) == (Outcome.PASS, "")


@pytest.mark.parametrize(
    ("line", "purpose", "theirs", "ours"),
    [
        ("KexAlgorithms diffie-hellman-group18-sha512", "key exchange", "group18-sha512", "ecdh-sha2-nistp256"),
        ("Ciphers chacha20-poly1305@openssh.com", "cipher", "chacha20-poly1305@openssh.com", "aes128-ctr"),
        ("MACs umac-64@openssh.com", "MAC", "umac-64@openssh.com", "hmac-sha2-256"),
    ],
)
def test_what_cannot_be_agreed_on_is_named_with_both_lists(
    tmp_path: Path, line: str, purpose: str, theirs: str, ours: str
) -> None:
    server = Sshd(tmp_path / "sshd", line, *(["Ciphers aes128-ctr"] if line.startswith("MACs") else []))
    try:
        report = probe(server.settings(), CHECK)
    finally:
        server.stop()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.PROTOCOL)
    assert f"no {purpose} in common: it has " in report.reason
    its, _, of_plabctl = report.reason.partition("; plabctl has ")
    assert theirs in its
    assert ours in of_plabctl


BOOTING = "System is booting up. Unprivileged users are not permitted to log in yet. Please come back later."
REFUSALS = {
    BOOTING: Cause.NOT_READY,
    "Down for a new disk until noon.": Cause.NOT_READY,
    "Access denied by pam_slurm_adopt: you have no active jobs on this node": Cause.PROTOCOL,
    "Your account has expired; please contact your system administrator.": Cause.PROTOCOL,
}
"""What an account module of PAM says, and what that is taken for."""


@pytest.mark.lab
def test_a_node_that_lets_nobody_in_is_quoted_and_may_be_not_ready() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # below the folder of all tests nobody else can read
        folder = Path(name)
        folder.chmod(0o755)
        account = f"account requisite pam_nologin.so file={folder}/nologin"
        pam = folder / "pam"
        pam.write_text(f"auth required pam_permit.so\n{account}\nsession required pam_permit.so\n")
        inside = ("unshare", "--mount", "sh", "-ec", 'mount --bind "$0" /etc/pam.d/sshd; exec "$@"', str(pam))
        server = Sshd(folder / "sshd", "UsePAM yes", before=inside)
        reports = {}
        try:
            for said in REFUSALS:
                (folder / "nologin").write_text(f"{said}\n")
                reports[said] = probe(server.settings(user="nobody"), CHECK)
        finally:
            server.stop()

    for said, cause in REFUSALS.items():
        report = reports[said]
        assert (report.cause, report.left) == (cause, ())
        assert report.outcome is (Outcome.UNKNOWN if cause is Cause.NOT_READY else Outcome.FAIL)
        assert report.reason.endswith(f": {said}")


@pytest.mark.lab
def test_without_pam_sshd_is_quoted_with_what_stands_in_etc_nologin() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        inside = 'cp -a /etc "$0/etc"; echo Ask ada. >"$0/etc/nologin"; mount --bind "$0/etc" /etc; exec "$@"'
        server = Sshd(folder / "sshd", "UsePAM no", before=("unshare", "--mount", "sh", "-ec", inside, str(folder)))
        try:
            report = probe(server.settings(user="nobody"), CHECK)
        finally:
            server.stop()

    assert (report.outcome, report.cause, report.left) == (Outcome.UNKNOWN, Cause.NOT_READY, ())
    assert report.reason.startswith("the node says that it is not ready: ")
    assert report.reason.endswith("Ask ada."), "behind what sshd itself logs"


@pytest.mark.parametrize(
    ("lines", "taken"),
    [
        (("PubkeyAuthentication no", *PASSWORDS), "; the node takes password, keyboard-interactive"),
        (("AuthenticationMethods publickey,password", *PASSWORDS), "; the node takes password"),
        (("PubkeyAuthentication no", "PasswordAuthentication no", "KbdInteractiveAuthentication no"), ""),
    ],
    ids=["passwords only", "a password too", "nothing at all"],
)
def test_a_node_that_wants_more_than_a_key_is_told_so(tmp_path: Path, lines: tuple[str, ...], taken: str) -> None:
    server = Sshd(tmp_path / "sshd", *lines)
    try:
        report = probe(server.settings(), CHECK)
    finally:
        server.stop()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.AUTH)
    assert report.reason == f"our key is refused for user '{server.settings().user}'{taken}"


def test_a_key_that_has_expired_is_refused(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd")
    try:
        keys = tmp_path / "sshd" / "authorized_keys"
        keys.write_text(f'expiry-time="20200101" {keys.read_text()}')
        report = probe(server.settings(), CHECK)
    finally:
        server.stop()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.AUTH)


PROGRAM = """
import sys
from tests.probes.jobs import make_recipe, probe
from plabctl.core.settings import SshSettings
port, user, key, known = sys.argv[1:]
print(probe(SshSettings(user, int(port), key, known, connect_timeout_s=10.0), make_recipe(check="true")).cause)
"""


def test_nobody_is_asked_for_a_password_and_no_other_key_is_tried(tmp_path: Path) -> None:
    """On a terminal, where ssh would ask; the key in the home directory is one that the node takes."""
    server = Sshd(tmp_path / "sshd", *PASSWORDS)
    try:
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh" / "id_ed25519").write_bytes(server.user_key.read_bytes())
        make_key(tmp_path / "other")
        settings = server.settings(key=str(tmp_path / "other"))
        argv = [sys.executable, "-c", PROGRAM, str(settings.port), settings.user, settings.key, settings.known_hosts]
        ours, theirs = pty.openpty()
        done = subprocess.run(
            argv,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "HOME": str(tmp_path)},
            text=True,
            timeout=60,
            check=True,
            start_new_session=True,
        )
        os.close(theirs)
        with pytest.raises(OSError, match="Input/output error"):  # nothing was said, and the other side is closed
            os.read(ours, 100)
        os.close(ours)
    finally:
        server.stop()

    assert done.stdout == "auth\n"


@pytest.mark.parametrize(
    "line",
    [
        "Ciphers aes256-cbc",
        "MACs hmac-md5,hmac-sha1-96",
        "KexAlgorithms diffie-hellman-group1-sha1",
        "KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1",
    ],
)
def test_what_is_too_weak_is_not_agreed_on(tmp_path: Path, line: str) -> None:
    more = ("Ciphers aes256-ctr",) if line.startswith("MACs") else ()
    server = Sshd(tmp_path / "sshd", line, *more)
    try:
        report = probe(server.settings(), CHECK)
    finally:
        server.stop()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.PROTOCOL)
    assert report.reason.startswith("no SSH session: no ")


def test_a_host_key_is_not_believed_on_a_signature_by_sha1(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd", "HostKeyAlgorithms ssh-rsa", kinds=("rsa",))
    try:
        report = probe(server.settings(), CHECK)
    finally:
        server.stop()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.PROTOCOL)
    assert report.reason.startswith("no SSH session: no ")


@pytest.mark.parametrize("known", ["ed25519", "ecdsa", "rsa"])
def test_of_several_host_keys_the_one_that_we_know_is_asked_for(tmp_path: Path, known: str) -> None:
    kinds = ("ed25519", "ecdsa", "rsa")
    server = Sshd(tmp_path / "sshd", kinds=kinds)
    try:
        server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {server.host_lines[kinds.index(known)]}\n")
        report = probe(server.settings(), CHECK)
    finally:
        server.stop()

    assert (report.outcome, report.reason) == (Outcome.PASS, "")


def test_an_encryption_that_hashes_first_needs_no_strict_exchange_of_keys_with_a_counter_mode(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd", "Ciphers aes256-ctr", "MACs hmac-sha2-256-etm@openssh.com")
    try:
        report = probe(server.settings(), CHECK)
    finally:
        server.stop()

    assert (report.outcome, report.reason) == (Outcome.PASS, "")


GREETING = b"SSH-2.0-hostile\r\n"
FLOODS = {
    "a packet of two gigabytes": (GREETING + b"\x7f\xff\xff\xf4\x04", b"\0" * 65536, "a packet of 2147483632 bytes"),
    "a line without end": (b"", b"x" * 65536, "a line without end"),
    "lines without end": (b"", b"hello\r\n" * 5000, 'indecipherable protocol version "hello"'),
}


@pytest.mark.parametrize(("first", "then", "said"), FLOODS.values(), ids=FLOODS.keys())
def test_a_server_that_floods_before_the_login_is_left_at_once(
    tmp_path: Path, first: bytes, then: bytes, said: str
) -> None:
    make_key(tmp_path / "key")
    (tmp_path / "known").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def flood() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    with sock, contextlib.suppress(OSError):
                        sock.sendall(first)
                        while True:
                            sock.sendall(then)

        threading.Thread(target=flood, daemon=True).start()
        key, known, port = str(tmp_path / "key"), str(tmp_path / "known"), server.getsockname()[1]
        report = probe(SshSettings("any", port, key, known, connect_timeout_s=60.0), CHECK)
        server.shutdown(socket.SHUT_RDWR)

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.PROTOCOL)
    assert said in report.reason
    assert report.seconds < 30
