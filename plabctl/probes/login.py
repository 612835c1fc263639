"""Log in over a connection whose keys are exchanged: offer the identities one after the other until one is taken.

I/O. Loads paramiko. What is offered is collected by `plabctl.probes.identities`.

The dialogue is ours in place of paramiko's, for three reasons. paramiko asks for the service again with each key, which
some servers do not take. It signs in the thread of the transport, where a fault of ours, such as an agent that hangs,
would look like a fault of the node. And it signs RSA certificates by SHA-1 for old servers.
Tests: `tests/probes/test_identities.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import (
    MSG_SERVICE_ACCEPT,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_SUCCESS,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_REQUEST,
)

from plabctl.probes.identities import Offer

_SERVICE, _CONNECTION, _METHOD = "ssh-userauth", "ssh-connection", "publickey"
_RSA = ("ssh-rsa", "ssh-rsa-cert-v01@openssh.com")
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
_CERTIFICATE = "-cert-v01@openssh.com"


class Login:
    """What paramiko calls an AuthStrategy: logs in as `user` with the first identity of `offer` that is taken.

    `tried_count` says how many were refused or taken.
    """

    def __init__(self, user: str, offer: Offer) -> None:
        self._user = user
        self._offer = offer
        self.tried_count = 0

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Log in; raise AuthenticationException when all identities are refused, or more is wanted than a key."""
        dialogue = _Dialogue(transport)
        transport.auth_handler = dialogue
        dialogue.request_service()
        refused: paramiko.AuthenticationException | None = None
        for key in self._offer.keys:
            self.tried_count += 1
            try:
                others = dialogue.offer(self._user, key)
            except paramiko.AuthenticationException as error:
                refused = error
                if not transport.is_active():
                    break
                continue
            if others:
                raise paramiko.BadAuthenticationType("the key is not enough", others)
            return
        raise refused or paramiko.AuthenticationException("no identity to offer")


def choose_algorithm(kind: str, extensions: Mapping[str, bytes]) -> str:
    """Return how to sign with a key or certificate of that kind for a server with these extensions (RFC 8308).

    Raise AuthenticationException when the server takes no signature that we make; by SHA-1 we make none.
    """
    if kind not in _RSA:
        return kind
    taken = extensions.get("server-sig-algs", b"").decode(errors="replace")
    for name in _RSA_SIGNATURES:
        if not taken or name in taken.split(","):
            return name + _CERTIFICATE if kind.endswith(_CERTIFICATE) else name
    raise paramiko.AuthenticationException("the node takes no RSA signatures by SHA-2")


class _Dialogue(AuthHandler):
    """The authentication of one connection (RFC 4252); all but the taking of messages is done by the probe's thread."""

    @property
    def _client_handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        return {
            MSG_SERVICE_ACCEPT: self._take_service,
            MSG_USERAUTH_SUCCESS: self._parse_userauth_success,  # type: ignore[attr-defined]  # not in its types
            MSG_USERAUTH_FAILURE: self._parse_userauth_failure,  # type: ignore[attr-defined]  # not in its types
            MSG_USERAUTH_BANNER: self._parse_userauth_banner,  # type: ignore[attr-defined]  # not in its types
        }

    def request_service(self) -> None:
        """Ask for the service of authentication, once for all that is offered."""
        message = paramiko.Message()
        message.add_byte(cMSG_SERVICE_REQUEST)
        message.add_string(_SERVICE)
        answered = self._ask(message)
        if not self.transport.is_active():
            self.wait_for_response(answered)  # which raises why

    def offer(self, user: str, key: paramiko.PKey) -> list[str]:
        """Offer `key`, signed; return what the server wants besides, or raise AuthenticationException if refused."""
        self.username, self.auth_method = user, _METHOD
        kind, blob = self._get_key_type_and_bits(key)  # type: ignore[attr-defined]
        algorithm = choose_algorithm(kind, self.transport.server_extensions)  # type: ignore[attr-defined]
        message = paramiko.Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        for text in (user, _CONNECTION, _METHOD):
            message.add_string(text)
        message.add_boolean(True)
        message.add_string(algorithm)
        message.add_string(blob)
        signed = self._get_session_blob(key, _CONNECTION, user, algorithm)  # type: ignore[attr-defined]
        message.add_string(key.sign_ssh_data(signed, algorithm))
        return list(self.wait_for_response(self._ask(message)))

    def _ask(self, message: paramiko.Message) -> threading.Event:
        """Send `message`, and return when it is answered or the connection is gone."""
        self.auth_event = answered = threading.Event()  # before it is sent: the end of the connection sets it, too
        self.transport._send_message(message)  # type: ignore[attr-defined]  # no public call sends it
        answered.wait()
        return answered

    def _take_service(self, message: paramiko.Message) -> None:
        del message
        if not self.auth_method and self.auth_event is not None:  # else it is no answer to what was asked
            self.auth_event.set()
