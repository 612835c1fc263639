"""What an embedded node promises to those who talk SSH with it."""

import base64
import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from plabctl.probes.embedded.counter import ActivityCounter
from plabctl.probes.embedded.make_key import make_key
from plabctl.probes.embedded.orphan_processes import find_marked
from plabctl.probes.embedded.ssh_node import EmbeddedNode, PortFault
from plabctl.probes.embedded.ssh_server import ServerTransport


@dataclass
class Answer:
    code: int
    stdout: bytes
    stderr: bytes


class Client:
    """A paramiko client that refuses any host key but the node's."""

    def __init__(self, node: EmbeddedNode, key: Path) -> None:
        self.ssh = paramiko.SSHClient()
        kind, text = node.public_key.split()
        self.ssh.get_host_keys().add(
            f"[127.0.0.1]:{node.port}", kind, paramiko.PKey.from_type_string(kind, base64.b64decode(text))
        )
        self.ssh.connect(
            "127.0.0.1",
            node.port,
            username="anyone",
            pkey=paramiko.Ed25519Key.from_private_key_file(str(key)),
            allow_agent=False,
            look_for_keys=False,
            timeout=20,
        )
        self.transport = self.ssh.get_transport()
        assert self.transport is not None

    def open(self, command: str, environment: dict[str, str] | None = None) -> paramiko.Channel:
        assert self.transport is not None
        channel = self.transport.open_session(timeout=20)
        channel.settimeout(20)
        if environment:
            channel.update_environment(environment)
        channel.exec_command(command)
        return channel

    def run(self, command: str, *, stdin: bytes = b"", environment: dict[str, str] | None = None) -> Answer:
        channel = self.open(command, environment)
        if stdin:
            channel.sendall(stdin)
        channel.shutdown_write()
        stdout = read_all(channel.recv)
        stderr = read_all(channel.recv_stderr)
        return Answer(channel.recv_exit_status(), stdout, stderr)


def read_all(receive: Callable[[int], bytes]) -> bytes:
    return b"".join(iter(lambda: receive(65536), b""))


def eventually(is_so: Callable[[], bool], within_s: float = 10.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.02)
    return is_so()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class Place:
    """A node, the key that opens it, and clients of it that are closed in the end."""

    node: EmbeddedNode
    key: Path
    closing: contextlib.ExitStack

    def client(self) -> Client:
        client = Client(self.node, self.key)
        self.closing.callback(client.ssh.close)
        return client


def make_node(directory: Path, fault: PortFault = PortFault.NONE) -> tuple[EmbeddedNode, Path]:
    make_key(directory / "host")
    public = make_key(directory / "client")
    return EmbeddedNode(directory / "home", directory / "host", public, fault=fault), directory / "client"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    node, key = make_node(tmp_path)
    with contextlib.ExitStack() as closing:
        closing.enter_context(node)
        yield Place(node, key, closing)


def test_a_fresh_key_is_readable_by_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    public = make_key(tmp_path / "key")

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    read = paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "key"))
    assert public == f"ssh-ed25519 {read.get_base64()}"
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "key")


def test_a_command_runs_for_real_in_the_directory_of_the_node(place: Place) -> None:
    answer = place.client().run('pwd; echo "$HOME $TMPDIR"; echo oops >&2; touch made; exit 3')

    home = str(place.node.directory)
    assert answer == Answer(3, f"{home}\n{home} {home}\n".encode(), b"oops\n")
    assert (place.node.directory / "made").exists()


def test_a_command_sees_nothing_of_the_environment_of_this_process(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")

    answer = place.client().run("env", environment={"PLABCTL_NODE": "n1", "LANG": "C.UTF-8"})

    lines = answer.stdout.decode().splitlines()
    assert "PLABCTL_NODE=n1" in lines
    assert "LANG=C.UTF-8" in lines
    assert not [line for line in lines if line.startswith("SECRET_OF_OURS")]


def test_variables_that_change_how_programs_are_loaded_are_not_taken(place: Place) -> None:
    answer = place.client().run("env", environment={"LD_PRELOAD": "/tmp/x.so", "PATH": "/nowhere"})

    assert b"LD_PRELOAD" not in answer.stdout
    assert b"PATH=/nowhere" not in answer.stdout


def test_standard_input_arrives_whole_and_ends(place: Place) -> None:
    text = os.urandom(300_000)

    answer = place.client().run("cat", stdin=text)

    assert (answer.code, answer.stdout) == (0, text)


def test_input_that_nobody_reads_does_no_harm(place: Place) -> None:
    channel = place.client().open("exec <&-; sleep 0.2; exit 5")
    channel.sendall(b"x" * 100_000)

    assert channel.recv_exit_status() == 5


def test_much_output_on_both_streams_arrives_whole(place: Place) -> None:
    channel = place.client().open("head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait")
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda: errors.append(read_all(channel.recv_stderr)))
    reader.start()
    output = read_all(channel.recv)
    reader.join()

    assert (len(output), len(errors[0]), channel.recv_exit_status()) == (3_000_000, 3_000_000, 0)


def test_the_shortest_commands_are_answered_before_they_end(place: Place) -> None:
    client = place.client()

    assert [client.run("exit 7").code for _ in range(50)] == [7] * 50


def test_a_command_killed_by_a_signal_says_so_as_a_shell_would(place: Place) -> None:
    assert place.client().run("kill -9 $$").code == 137


def test_the_exit_status_comes_at_once_though_a_child_holds_the_output(place: Place) -> None:
    channel = place.client().open("sleep 60 & echo started; exit 4")

    assert channel.recv_exit_status() == 4
    assert channel.recv(100) == b"started\n"
    assert not channel.closed


def test_a_background_child_that_prints_for_ever_does_not_delay_the_exit_status(place: Place) -> None:
    channel = place.client().open("yes & exit 6")

    assert eventually(channel.exit_status_ready)
    assert channel.recv_exit_status() == 6


@pytest.mark.parametrize("ends_input", [False, True], ids=["input open", "input ended"])
def test_closing_the_channel_kills_the_command_with_its_children(place: Place, ends_input: bool) -> None:
    channel = place.client().open("sleep 61 & echo $! $$; wait")
    pids = [int(word) for word in channel.recv(100).split()]
    if ends_input:
        channel.shutdown_write()

    assert all(map(is_running, pids))
    channel.close()

    assert eventually(lambda: not any(map(is_running, pids)))
    assert eventually(lambda: place.node.sessions.current == 0)


def test_a_client_that_vanishes_takes_its_command_along(place: Place) -> None:
    client = place.client()
    channel = client.open("echo $$; exec sleep 62")
    pid = int(channel.recv(100))

    assert client.transport is not None
    client.transport.sock.shutdown(socket.SHUT_RDWR)

    assert eventually(lambda: not is_running(pid))
    assert eventually(lambda: place.node.connections.current == 0)


def test_a_client_that_stops_reading_and_vanishes_takes_its_command_along(place: Place) -> None:
    client = place.client()
    channel = client.open("echo $$; exec yes")
    pid = int(channel.recv(1000).split()[0])

    time.sleep(0.3)
    client.ssh.close()

    assert eventually(lambda: not is_running(pid))


def test_a_process_set_up_in_the_background_outlives_its_command_and_ends_with_the_node(place: Place) -> None:
    answer = place.client().run("setsid sleep 63 </dev/null >/dev/null 2>&1 & echo $!")
    pid = int(answer.stdout)

    assert is_running(pid)
    place.node.stop()

    assert not is_running(pid)
    assert find_marked(place.node._mark) == []


def test_another_key_does_not_open_the_node(place: Place, tmp_path: Path) -> None:
    make_key(tmp_path / "other")

    with pytest.raises(paramiko.AuthenticationException):
        Client(place.node, tmp_path / "other")


@pytest.mark.parametrize(
    "ask",
    [
        lambda channel: channel.invoke_shell(),
        lambda channel: channel.get_pty(),
        lambda channel: channel.invoke_subsystem("sftp"),
        lambda channel: channel.exec_command(""),
    ],
    ids=["shell", "terminal", "sftp", "nothing"],
)
def test_anything_but_a_command_is_refused(place: Place, ask: Callable[[paramiko.Channel], None]) -> None:
    transport = place.client().transport
    assert transport is not None

    with pytest.raises(paramiko.SSHException):
        ask(transport.open_session(timeout=20))


def test_forwarding_is_refused(place: Place) -> None:
    transport = place.client().transport
    assert transport is not None

    with pytest.raises(paramiko.ChannelException):
        transport.open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 2), timeout=20)
    with pytest.raises(paramiko.SSHException):
        transport.request_port_forward("127.0.0.1", 0)


def test_sessions_are_counted_over_nodes_that_share_a_tally(tmp_path: Path) -> None:
    make_key(tmp_path / "host")
    public = make_key(tmp_path / "client")
    histogram = ActivityCounter()
    with contextlib.ExitStack() as stack:
        clients = []
        for name in ("a", "b"):
            node = EmbeddedNode(tmp_path / name, tmp_path / "host", public, sessions=histogram)
            stack.enter_context(node)
            clients.append(Client(node, tmp_path / "client"))
            stack.callback(clients[-1].ssh.close)
        channels = [client.open("cat") for client in clients for _ in range(3)]

        assert eventually(lambda: (histogram.current, histogram.peak) == (6, 6))
        for channel in channels:
            channel.shutdown_write()
            assert channel.recv_exit_status() == 0
        # A command is no longer counted by the time its client knows that it ended.
        assert (histogram.current, histogram.peak, histogram.total) == (0, 6, 6)


def test_a_refusing_node_keeps_its_port_and_refuses(tmp_path: Path) -> None:
    node, _ = make_node(tmp_path, PortFault.REFUSING)
    with node, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", node.port), timeout=10)


def test_a_silent_node_accepts_and_says_nothing(tmp_path: Path) -> None:
    node, _ = make_node(tmp_path, PortFault.SILENT)
    with node, socket.create_connection(("127.0.0.1", node.port), timeout=10) as client:
        client.sendall(b"SSH-2.0-hello\r\n")
        client.settimeout(0.5)

        with pytest.raises(TimeoutError):
            client.recv(1)
        assert node.connections.current == 1


def test_clients_that_talk_nonsense_do_not_disturb_others(place: Place) -> None:
    for nonsense in (b"", b"GET / HTTP/1.0\r\n\r\n", os.urandom(5000), b"SSH-2.0-x\r\n" + os.urandom(500)):
        with socket.create_connection(("127.0.0.1", place.node.port), timeout=10) as client:
            client.sendall(nonsense)

    assert place.client().run("echo fine").stdout == b"fine\n"


def test_stopping_waits_for_a_connection_that_is_about_to_be_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(threading.enumerate())
    serve, is_about_to = ServerTransport.serve, threading.Event()

    def serve_late(transport: ServerTransport) -> None:
        is_about_to.set()
        time.sleep(0.1)
        serve(transport)

    monkeypatch.setattr(ServerTransport, "serve", serve_late)
    for number in range(10):  # in which order threads are waited for is chance
        is_about_to.clear()
        (tmp_path / f"{number}").mkdir()
        node, _ = make_node(tmp_path / f"{number}")
        node.start()
        with socket.create_connection(("127.0.0.1", node.port), timeout=10):
            assert is_about_to.wait(10)
            node.stop()

    assert eventually(lambda: set(threading.enumerate()) <= before)


def test_stopping_leaves_no_thread_no_socket_and_no_process(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    node, key = make_node(tmp_path)
    node.start()
    port = node.port
    client = Client(node, key)
    channel = client.open("echo $$; sleep 64")
    pid = int(channel.recv(100))
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        started = time.monotonic()
        node.stop()
        took = time.monotonic() - started
    client.ssh.close()

    assert took < 3
    assert not is_running(pid)
    assert eventually(lambda: set(threading.enumerate()) <= before)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
