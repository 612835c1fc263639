"""What we lean on inside fabric and paramiko is still there, and does what we think."""

import socket
import threading
import time

import fabric
import paramiko
import pytest
from paramiko.packet import Packetizer

from plabctl.probes.address_race import PromptSocket
from plabctl.probes.algorithms import drop_sha1, order_by_cost, order_host_keys, select_ciphers
from plabctl.probes.bounded_transport import WINDOW
from plabctl.probes.ssh_transport import (
    NodeConnection,
    NodeTransport,
    build_shared_config,
    close_transport,
)


def test_the_wake_up_of_a_transport_is_ours_to_set() -> None:
    assert paramiko.Transport._active_check_timeout == 0.1  # type: ignore[attr-defined]
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there, socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        transport = NodeTransport(sock)
        assert sock.gettimeout() == 1.0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert transport.default_window_size == WINDOW
        close_transport(transport, sock)


def test_the_cheaper_of_two_equal_key_exchanges_is_asked_for_first_and_none_is_left_out() -> None:
    preferred = paramiko.Transport._preferred_kex  # type: ignore[attr-defined]
    cheaper = order_by_cost(preferred)

    assert sorted(cheaper) == sorted(preferred)
    assert cheaper.index("ecdh-sha2-nistp256") < cheaper.index("curve25519-sha256@libssh.org")
    assert order_by_cost(["mlkem", "curve25519-x", "a", "ecdh-sha2-nistp256", "b"]) == (
        "mlkem",
        "ecdh-sha2-nistp256",
        "curve25519-x",
        "a",
        "b",
    )
    assert order_by_cost(["curve25519-x", "b"]) == ("curve25519-x", "b")


def test_ciphers_that_need_no_code_beside_them_come_first_and_weak_ones_not_at_all() -> None:
    offered = ["aes128-ctr", "aes128-cbc", "aes256-ctr", "aes128-gcm@openssh.com", "3des-cbc", "aes256-gcm@openssh.com"]

    assert select_ciphers(offered) == (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes256-ctr",
    )


def test_a_transport_waits_for_its_socket_in_the_kernel_and_still_looks_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = PromptSocket((socket.AF_INET, server.getsockname()))
        with sock:
            sock.connect(server.getsockname())
            transport = NodeTransport(sock)
            assert sock.gettimeout() is None, "each read would be two system calls"
            sock.wait_in_kernel(0.1)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            transport.close()


def test_no_key_exchange_and_no_signature_by_sha1_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = "diffie-hellman-group14-sha1"  # which paramiko 4 offers, and 5 does not even know
    preferred = paramiko.Transport._preferred_kex  # type: ignore[attr-defined]
    monkeypatch.setattr(paramiko.Transport, "_preferred_kex", (*(name for name in preferred if name != weak), weak))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        transport = NodeTransport(sock)
        options = transport.get_security_options()
        # The client asks for the kind of a known key like this; paramiko 4 knows RSA keys by this name alone.
        if "ssh-rsa" in transport._key_info:  # type: ignore[attr-defined]
            options.key_types = ("ssh-rsa", *(kind for kind in options.key_types if kind != "ssh-rsa"))
        kinds, ours = transport.preferred_keys, transport.preferred_pubkeys
        close_transport(transport, sock)

    assert [name for name in options.kex if "sha1" in name] == []
    assert [name for name in (*kinds, *ours) if name.startswith("ssh-rsa")] == []
    assert "rsa-sha2-512" in kinds
    assert "rsa-sha2-512" in ours


def test_the_signatures_of_known_kinds_of_host_key_come_first() -> None:
    names = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "ssh-rsa", "rsa-sha2-256")

    assert order_host_keys(names, {"ssh-rsa"}) == (
        "rsa-sha2-512",
        "rsa-sha2-256",
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
    )
    assert order_host_keys(names, {"ecdsa-sha2-nistp256", "ssh-ed25519"}) == drop_sha1(names)
    assert order_host_keys(names, ()) == drop_sha1(names)
    assert drop_sha1(("rsa-sha2-256", "ssh-rsa-cert-v01@openssh.com")) == ("rsa-sha2-256",)


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 64321"), OSError("No username set")])
def test_an_account_without_a_name_can_connect(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def nobody() -> str:
        raise error  # OSError from Python 3.13 on

    monkeypatch.setattr("getpass.getuser", nobody)

    assert NodeConnection("node.example", user="plab", port=22, config=build_shared_config()).user == "plab"


def test_no_timer_thread_is_started_for_a_handshake() -> None:
    assert "start_handshake" in vars(Packetizer)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        transport = NodeTransport(sock)
        before = threading.active_count()
        transport.start_client(event=threading.Event())
        time.sleep(0.1)
        assert threading.active_count() == before + 1
        close_transport(transport, sock)
        assert threading.active_count() == before


def test_a_silent_transport_is_shut_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        transport = NodeTransport(sock)
        transport.start_client(event=threading.Event())
        time.sleep(0.1)
        start = time.monotonic()
        close_transport(transport, sock)

        assert time.monotonic() - start < 0.5
        assert not transport.is_alive()
        assert sock.fileno() == -1


def test_a_message_can_be_sent_without_waiting_for_its_answer() -> None:
    assert callable(paramiko.Transport._send_user_message)  # type: ignore[attr-defined]
    assert paramiko.common.cMSG_CHANNEL_REQUEST == b"b"
    assert isinstance(paramiko.Channel(0).status_event, threading.Event)


def test_making_connections_in_threads_is_no_race_about_their_shared_configuration() -> None:
    config = build_shared_config()
    faults: list[Exception] = []

    def make() -> None:
        try:
            for number in range(100):
                connection = NodeConnection(
                    "h", user="u", port=number + 1, config=config, connect_kwargs={"sock": None}
                )
                assert connection.port == number + 1
        except Exception as error:  # noqa: BLE001 - the race shows as whatever it breaks
            faults.append(error)

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    connection = NodeConnection("h", user="u", port=1, config=config, connect_kwargs={"sock": None})
    connection.anything = 1
    assert not hasattr(config, "anything"), "what is assigned to one connection is shared"


def test_a_value_of_the_shared_configuration_is_found_without_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    config = build_shared_config()
    missing: list[str] = []
    get = fabric.config.InvokeConfig.__getattr__

    def look(proxy: object, name: str) -> object:
        try:
            return get(proxy, name)
        except AttributeError:
            missing.append(name)
            raise

    monkeypatch.setattr("invoke.config.DataProxy.__getattr__", look)
    connection = NodeConnection("h", user="u", port=1, config=config, connect_kwargs={"sock": None})

    assert (connection.connect_timeout, config.timeouts.connect, missing) == (None, None, [])
    config.timeouts.connect = 7
    assert config.timeouts.connect == 7, "what is changed further inside is not lost"


def test_the_shared_configuration_has_read_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was read")

    monkeypatch.setattr(fabric.Config, "_load_ssh_files", refuse)
    monkeypatch.setattr(fabric.Config, "_load_file", refuse)
    config = build_shared_config()

    assert config.base_ssh_config.get_hostnames() == set()
