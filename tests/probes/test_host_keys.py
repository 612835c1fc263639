import base64
import contextlib
import errno
import os
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.errors import CommitUncertain, PlabctlError, StoreBusy
from plabctl.probes import known_hosts_file
from plabctl.probes.host_keys import KnownHosts, trust_keys
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.scan_host_keys import HostKeyScan, scan_target
from plabctl.probes.target import Target, build_label
from tests.probes.openssh import Sshd, free_port, make_key, needs_sshd

ONE = HostKey("ssh-ed25519", b"one")
TWO = HostKey("ssh-ed25519", b"two")
RSA = HostKey("ssh-rsa", b"three")


def scan_server(host: str, port: int, timeout_s: float) -> HostKeyScan:
    return scan_target(Target("", host, port, "", ""), timeout_s)


@pytest.fixture(scope="module")
def many_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = Sshd(tmp_path_factory.mktemp("many"), kinds=("ed25519", "ecdsa", "rsa"))
    yield server
    server.stop()


@needs_sshd
def test_a_scan_finds_every_kind_of_key(many_keys: Sshd) -> None:
    keys, unseen, fault, *_ = scan_server("127.0.0.1", many_keys.port, 10)

    assert (unseen, fault) == ((), "")
    assert [f"{key.kind} {key.format_line('x').split()[2]}" for key in keys] == many_keys.host_lines


@contextlib.contextmanager
def turning_away(port: int, let_in: int) -> Iterator[tuple[int, list[socket.socket]]]:
    """A server that passes so many connections on to another and turns those after them away, as a penalty.

    Yields its port and the connections that it took.
    """
    taken: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = server.accept()
                taken.append(sock)
                if len(taken) > let_in:
                    sock.sendall(b"Not allowed at this time\r\n")
                    sock.close()
                    continue
                there = socket.create_connection(("127.0.0.1", port))
                taken.append(there)
                for one, other in ((sock, there), (there, sock)):
                    threading.Thread(target=pump, args=(one, other), daemon=True).start()

    def pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield server.getsockname()[1], taken
        # A thread that is left in accept() may take a connection of whoever has this descriptor next.
        server.shutdown(socket.SHUT_RDWR)
        serving.join()
    for sock in taken:
        sock.close()


@needs_sshd
def test_a_scan_makes_no_more_connections_than_there_are_keys(sshd: Sshd) -> None:
    with turning_away(sshd.port, let_in=1) as (port, taken):
        scan = scan_server("127.0.0.1", port, 10)

        assert len(taken) == 2, "one, and what it was passed on to"
    assert (len(scan.keys), scan.unseen, scan.fault) == (1, (), "")


@needs_sshd
def test_what_a_server_showed_before_it_turned_us_away_is_kept(many_keys: Sshd) -> None:
    with turning_away(many_keys.port, let_in=1) as (port, _):
        scan = scan_server("127.0.0.1", port, 10)

    assert [key.kind for key in scan.keys] == ["ssh-ed25519"]
    assert scan.unseen == ("ecdsa-sha2-nistp256", "ssh-rsa")
    assert scan.fault == "the server turns us away: Not allowed at this time"


@needs_sshd
def test_a_server_that_turns_us_away_at_once_is_quoted(many_keys: Sshd) -> None:
    with (
        turning_away(many_keys.port, let_in=0) as (port, _),
        pytest.raises(PlabctlError, match="cannot be fetched: the server turns us away: Not allowed at this time"),
    ):
        scan_server("127.0.0.1", port, 10)


def test_a_scan_of_a_server_that_never_speaks_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(PlabctlError, match="in time"):
            scan_server("127.0.0.1", silent.getsockname()[1], 0.5)
        assert time.monotonic() - start < 0.5 + 1


def test_a_scan_of_a_closed_port_says_so() -> None:
    with pytest.raises(PlabctlError, match="refused"):
        scan_server("127.0.0.1", free_port(), 5)


def test_the_fingerprint_is_that_of_openssh(tmp_path: Path) -> None:
    kind, blob = make_key(tmp_path / "key").split()
    (tmp_path / "known").write_text(f"host {kind} {blob}\n")
    shown = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], capture_output=True, check=True)

    (key,) = KnownHosts(tmp_path / "known").find("host")
    assert key.fingerprint in shown.stdout.decode()


def test_names_are_written_as_openssh_does() -> None:
    assert [build_label("host", 22), build_label("Host.Lab", 2022)] == ["host", "[host.lab]:2022"]


def test_a_server_is_found_whatever_the_case_of_its_name_also_hashed(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(f"{ONE.format_line('PC1.lab,10.0.0.1')}\n{TWO.format_line('[pc2.lab]:2022')}\n")
    for _ in range(2):
        hosts = KnownHosts(known)
        assert hosts.find(build_label("pc1.LAB", 22)) == hosts.find("PC1.lab") == (ONE,)
        assert hosts.find(build_label("PC2.lab", 2022)) == (TWO,)
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    assert known.read_text().startswith("|1|")

    trust_keys(known, build_label("PC2.Lab", 2022), [ONE])
    assert KnownHosts(known).find("[pc2.lab]:2022") == (ONE,)


def test_trust_replaces_the_keys_of_one_server_only(tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    trust_keys(known, "a", [ONE])
    trust_keys(known, "b", [ONE, RSA])
    trust_keys(known, "a", [TWO])

    assert [KnownHosts(known).find(label) for label in "ab"] == [(TWO,), (ONE, RSA)]
    assert known.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["known_hosts", "known_hosts.lock"]


def test_trust_keeps_what_it_does_not_understand(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text("# a comment\n@cert-authority *.x ssh-ed25519 AAAA\nodd line\n")
    trust_keys(known, "a", [ONE])

    assert known.read_text().splitlines()[:3] == ["# a comment", "@cert-authority *.x ssh-ed25519 AAAA", "odd line"]


def test_trust_replaces_hashed_entries_too(tmp_path: Path) -> None:
    known = tmp_path / "known"
    trust_keys(known, "a", [ONE])
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    assert known.read_text().startswith("|1|")
    assert KnownHosts(known).find("a") == (ONE,)

    trust_keys(known, "a", [TWO])
    assert KnownHosts(known).find("a") == (TWO,)


KEY_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4bX9hVGxQnqPyGpVQ0mRzqHkTOXw2sY8c2rUwY2o1F"


@pytest.mark.parametrize(
    ("names", "label"),
    [
        ("*.lab", "pc1.lab"),
        ("*.lab", "lab"),
        ("pc?.LAB", "PC1.lab"),
        ("pc?.lab", "pc12.lab"),
        ("*.lab,!pc1.lab", "pc1.lab"),
        ("*.lab,!pc1.lab", "pc2.lab"),
        ("!pc1.lab", "pc2.lab"),
        ("*", "[10.0.0.1]:2222"),
        ("[*.lab]:2222", "[pc1.lab]:2222"),
        ("[10.0.0.?]:2222", "10.0.0.1"),
        ("pc[12].lab", "pc1.lab"),
        ("pc1.lab,pc1", "pc1"),
    ],
)
@pytest.mark.parametrize("mark", ["", "@revoked "])
def test_names_match_as_those_of_openssh_do(tmp_path: Path, mark: str, names: str, label: str) -> None:
    known = tmp_path / "known"
    known.write_text(f"{mark}{names} {KEY_LINE}\n")
    asked = subprocess.run(["ssh-keygen", "-F", label, "-f", known], check=False, capture_output=True, text=True)
    key = HostKey("ssh-ed25519", base64.b64decode(KEY_LINE.split()[1]))

    ours = KnownHosts(known)
    is_known = ours.is_revoked(label, key) if mark else bool(ours.find(label))
    assert is_known == (asked.returncode == 0), asked.stdout
    assert not mark or not ours.find(label)


def test_a_revoked_key_is_known_no_more_and_never_learnt(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(f"{ONE.format_line('a,b')}\n{TWO.format_line('b')}\n@revoked {ONE.format_line('*')}\n")
    before = known.read_text()
    keys = KnownHosts(known)

    assert (keys.find("a"), keys.find("b")) == ((), (TWO,))
    assert not keys.learn("a", ONE)
    assert known.read_text() == before


def test_trust_keeps_lines_that_revoke_and_patterns(tmp_path: Path) -> None:
    known = tmp_path / "known"
    kept = [f"@revoked {ONE.format_line('a')}", ONE.format_line("a*")]
    known.write_text("\n".join([*kept, ONE.format_line("a")]) + "\n")
    trust_keys(known, "a", [TWO])

    assert known.read_text().splitlines() == [*kept, TWO.format_line("a")]


def test_broken_lines_hide_no_others(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_bytes(b"\xff\xfe\n\nx\na ssh-ed25519 %%%\na ssh-dss AAAA\n" + ONE.format_line("a").encode() + b"\n")

    assert KnownHosts(known).find("a") == (ONE,)


def test_the_first_key_learnt_wins_among_threads_and_processes(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text("torn line without end")
    tables = [KnownHosts(known) for _ in range(4)]
    for table in tables:
        table.load()
    answers: list[tuple[HostKey, bool]] = []

    def learn(number: int) -> None:
        key = HostKey("ssh-ed25519", b"%d" % number)
        answers.append((key, tables[number % 4].learn("host", key)))

    threads = [threading.Thread(target=learn, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [key for key, won in answers if won]
    assert len(winners) == 1
    assert KnownHosts(known).find("host") == tuple(winners)
    assert len(known.read_text().splitlines()) == 2


def test_a_file_that_cannot_be_read_is_our_fault(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="cannot be read"):
        KnownHosts(tmp_path).find("host")


def test_what_is_trusted_is_durable_before_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def watch(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            seen.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    watch("fsync")
    watch("replace")

    trust_keys(tmp_path / "known", "a", [ONE])

    assert seen == ["fsync", "replace", "fsync"]


def test_a_disk_that_does_not_confirm_is_an_unknown_outcome_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, known = os.fsync, tmp_path / "known"

    def fail_for_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_directories)

    with pytest.raises(CommitUncertain, match="the disk did not confirm it"):
        trust_keys(known, "a", [ONE])
    assert KnownHosts(known).find("a") == (ONE,)


def test_a_stopped_holder_of_its_lock_is_named_after_a_bounded_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_hosts_file, "LOCK_WAIT_S", 0.1)
    known = tmp_path / "known"

    with known_hosts_file.lock(known):
        with pytest.raises(StoreBusy, match=f"process {os.getpid()} keeps"):
            trust_keys(known, "a", [ONE])
        with pytest.raises(ProbeError, match="cannot be written"):
            KnownHosts(known).learn("a", ONE)


def test_what_killed_processes_left_is_swept_after_a_day(tmp_path: Path) -> None:
    known, old, young = (tmp_path / name for name in ("known", "state.tmp-known-1-aa", "state.tmp-known-2-bb"))
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 90_000,) * 2)

    trust_keys(known, "a", [ONE])

    assert (old.exists(), young.exists()) == (False, True)


def test_a_server_that_speaks_no_ssh_is_quoted_inertly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    with sock:
                        sock.sendall(b"SSH-9.9-\x1b[2J\x1b]0;owned\x07\t\xc2\x9b2J\r\n")
                        sock.recv(1000)

        speaking = threading.Thread(target=speak, daemon=True)
        speaking.start()
        with pytest.raises(PlabctlError) as caught:
            scan_server("127.0.0.1", server.getsockname()[1], 5)
        server.shutdown(socket.SHUT_RDWR)
        speaking.join()

    assert str(caught.value).isprintable(), str(caught.value)


def test_a_pipe_in_place_of_the_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    os.mkfifo(path)

    with pytest.raises(ProbeError, match="no regular file"):
        KnownHosts(path).load()


@pytest.mark.parametrize("name", ["known_hosts", "known_hosts.lock"])
def test_a_file_with_a_name_elsewhere_is_not_written_to(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    (tmp_path / name).hardlink_to(victim)

    with pytest.raises(ProbeError, match="another name as well"):
        KnownHosts(tmp_path / "known_hosts").learn("a", HostKey("ssh-ed25519", b"key"))

    assert victim.read_text() == "precious\n"


def test_what_another_machine_knows_of_a_server_is_replaced_as_a_whole_and_never_written(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    lines = [ONE.format_line("n1,n2"), f"@cert-authority {RSA.format_line('*')}", f"@revoked {TWO.format_line('n1')}"]
    theirs.write_text("".join(f"{line}\n" for line in lines))
    there, here = KnownHosts(theirs), KnownHosts(ours)

    here.carry({"n1": there.format_lines("n1")})
    assert here.find("n1") == (ONE,)
    assert here.find_authorities("N1") == {RSA}
    assert here.is_revoked("n1", TWO)
    assert (here.find("n2"), here.find_authorities("n2"), here.has_revoked("n2")) == ((), frozenset(), False)

    here.carry({"n1": [TWO.format_line("n1")]})  # as after `plabctl trust --changed` there
    assert (here.find("n1"), here.find_authorities("n1")) == ((TWO,), frozenset())
    assert not ours.exists()


def test_what_either_machine_revokes_is_revoked(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.write_text(f"{ONE.format_line('n1')}\n@revoked {TWO.format_line('n1')}\n")
    here = KnownHosts(ours)

    here.carry({"n1": [TWO.format_line("n1"), f"@revoked {ONE.format_line('n1')}"]})
    assert here.find("n1") == ()
