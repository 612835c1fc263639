"""The dialogue of a login, as a server sees it that is made of paramiko."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, MSG_SERVICE_REQUEST, MSG_USERAUTH_REQUEST

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Outcome
from plabctl.probes.identities import Identity, Offer
from plabctl.probes.login import Login, NoSignature, choose_algorithm
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.ssh_transport import NodeTransport, close_transport


class Server(paramiko.ServerInterface):
    """Takes one key."""

    def __init__(self, taken: paramiko.PKey) -> None:
        self.taken = taken

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL if key == self.taken else AUTH_FAILED


class Heard(paramiko.Transport):
    """A server's side that notes what kinds of messages come in."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.kinds: list[int] = []
        read = self.packetizer.read_message

        def read_message() -> tuple[int, paramiko.Message]:
            kind, message = read()
            self.kinds.append(kind)
            return kind, message

        self.packetizer.read_message = read_message  # type: ignore[method-assign]


KEYS = [paramiko.ECDSAKey.generate() for _ in range(3)]


@contextlib.contextmanager
def connected(taken: paramiko.PKey) -> Iterator[tuple[NodeTransport, Heard]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    there = Heard(other)
    there.add_server_key(KEYS[2])
    there.start_server(event=threading.Event(), server=Server(taken))
    here = NodeTransport(sock)
    try:
        here.start_client()
        yield here, there
    finally:
        close_transport(here, sock)
        there.close()
        there.join(5)


def identify(key: paramiko.PKey, *, is_held: bool = False) -> Identity:
    return Identity(key.asbytes(), lambda data, *_: key.sign_ssh_data(data).asbytes(), None, is_held)


@pytest.mark.parametrize("is_held", [False, True])
def test_the_service_is_asked_for_once_and_a_held_key_only_signs_what_is_wanted(*, is_held: bool) -> None:
    with connected(KEYS[1]) as (here, there):
        offer = Offer(tuple(identify(key, is_held=is_held) for key in KEYS[:2]))
        Login("me", offer, SystemClock()).authenticate(here)

        assert here.is_authenticated()
        assert there.kinds.count(MSG_SERVICE_REQUEST) == 1
        assert there.kinds.count(MSG_USERAUTH_REQUEST) == (3 if is_held else 2)


def test_a_question_that_nobody_asked_for_ends_the_connection() -> None:
    with connected(KEYS[1]) as (here, there):
        question = paramiko.Message()
        question.add_byte(bytes([60]))
        question.add_string("Password:")
        signing = threading.Event()

        def sign(data: bytes, *_: object) -> bytes:
            there._send_message(question)  # type: ignore[attr-defined]
            here.join(5)  # so that what is signed is sent when the connection is gone
            signing.set()
            return KEYS[0].sign_ssh_data(data).asbytes()

        with pytest.raises((paramiko.SSHException, EOFError, OSError)):
            Login("me", Offer((Identity(KEYS[0].asbytes(), sign),)), SystemClock()).authenticate(here)

        assert signing.is_set()
        assert here.offence == "broke the protocol: it asks a question that nobody can answer"


@pytest.mark.parametrize(("faults", "outcome"), [((), Outcome.FAIL), (("the agent is locked",), Outcome.UNKNOWN)])
def test_a_refusal_is_the_nodes_only_if_all_was_offered(faults: tuple[str, ...], outcome: Outcome) -> None:
    with connected(KEYS[1]) as (here, _), pytest.raises(ProbeError) as caught:
        Login("me", Offer((identify(KEYS[0]),), faults), SystemClock()).authenticate(here)

    assert (caught.value.outcome, caught.value.cause) == (outcome, Cause.LOCAL if faults else Cause.AUTH)
    assert caught.value.reason == ", and ".join([*faults, "our key is refused for user 'me'"])


@pytest.mark.parametrize(
    ("kind", "taken", "algorithm"),
    [
        ("ssh-ed25519", "rsa-sha2-256", "ssh-ed25519"),
        ("ssh-rsa", "ssh-rsa,rsa-sha2-256,rsa-sha2-512", "rsa-sha2-512"),
        ("ssh-rsa", "ssh-rsa,rsa-sha2-256", "rsa-sha2-256"),
        ("ssh-rsa", "", "rsa-sha2-512"),
        ("ssh-rsa-cert-v01@openssh.com", "ssh-ed25519,rsa-sha2-256", "rsa-sha2-256-cert-v01@openssh.com"),
    ],
)
def test_rsa_signs_by_the_best_of_sha2_that_the_node_takes(kind: str, taken: str, algorithm: str) -> None:
    assert choose_algorithm(kind, {"server-sig-algs": taken.encode()}) == algorithm


@pytest.mark.parametrize("kind", ["ssh-rsa", "ssh-rsa-cert-v01@openssh.com"])
def test_nothing_is_signed_by_sha1(kind: str) -> None:
    with pytest.raises(NoSignature, match="no RSA signatures by SHA-2"):
        choose_algorithm(kind, {"server-sig-algs": b"ssh-ed25519,ssh-rsa"})
