"""Log in over a connection whose keys are exchanged: offer the identities one after the other until one is taken.

I/O. Loads paramiko. What is offered is collected by `plabctl.probes.identities`.

The dialogue is ours in place of paramiko's, for three reasons. paramiko asks for the service again with each key, which
some servers do not take. It signs in the thread of the transport, where a fault of ours, such as an agent that hangs,
would look like a fault of the node. And it signs RSA certificates by SHA-1 for old servers.
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

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.agent import AgentError
from plabctl.probes.bounded_transport import BoundedTransport
from plabctl.probes.clean import clean_line
from plabctl.probes.identities import Identity, Offer
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.user_certificates import read_kind

_SERVICE, _CONNECTION, _METHOD = "ssh-userauth", "ssh-connection", "publickey"
_RSA = ("ssh-rsa", "ssh-rsa-cert-v01@openssh.com")
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
_CERTIFICATE = "-cert-v01@openssh.com"
_TOO_MANY = "Too many authentication failures"
"""What OpenSSH says at its MaxAuthTries, and with it closes the connection."""
_WOULD_TAKE = 60
"""SSH_MSG_USERAUTH_PK_OK."""
_LONGEST = 60


class Login:
    """What paramiko calls an AuthStrategy: logs in as `user` with the first identity of `offer` that is taken."""

    def __init__(self, user: str, offer: Offer, clock: Clock) -> None:
        self._user = user
        self._offer = offer
        self._clock = clock
        self._faults = list(offer.faults)
        self._more = ""
        self._refused: list[Identity] = []

    def authenticate(self, transport: BoundedTransport) -> None:
        """Log in; raise ProbeError if that is refused, and what paramiko raises when the connection ends."""
        dialogue = _Dialogue(transport)
        transport.auth_handler = dialogue
        dialogue.request_service()
        wanted: list[str] | None = None
        for count, identity in enumerate(self._offer.identities, 1):
            wanted = self._try(dialogue, transport, identity, count)
            if wanted is not None:
                break
        if wanted == []:
            return
        raise self._build_refusal(f"; the node takes {', '.join(wanted)}" if wanted else self._more)

    def _try(
        self, dialogue: _Dialogue, transport: BoundedTransport, identity: Identity, count: int
    ) -> list[str] | None:
        """Offer one identity: return None if it is refused, else what the node wants instead or besides, or nothing."""
        self._refused.append(identity)
        try:
            return dialogue.offer(self._user, identity)
        except AgentError as error:
            if not transport.is_active():
                raise ProbeError(Cause.LOCAL, str(error)) from None
            self._faults.append(str(error))
            self._refused.remove(identity)
        except paramiko.BadAuthenticationType as error:
            return list(filter(None, error.allowed_types)) or None
        except NoSignature as error:
            self._more = f"; {error}"
        except paramiko.AuthenticationException:
            if transport.is_active():
                return None
            if transport.farewell.startswith(_TOO_MANY):
                raise self._build_refusal(f"; {_TOO_MANY.lower()} for the node", count) from None
            raise
        return None

    def _build_refusal(self, more: str, offered_count: int | None = None) -> ProbeError:
        """Return the error for a refusal, which is the node's fault only when all that we are to offer was offered."""
        certificates = [each.certificate for each in self._refused if each.certificate]
        reason = f"{_name(len(self._refused), len(certificates))} refused for user '{self._user}'{more}"
        if self._faults:
            return ProbeError(Cause.LOCAL, f"{self._faults[0]}, and {reason}" if self._refused else self._faults[0])
        if offered_count is not None and offered_count < (whole := len(self._offer.identities)):
            reason += f", when {offered_count} of {whole} were offered"
            return ProbeError(Cause.AUTH, reason, is_inconclusive=True)
        now = self._clock.now()
        if any(each.is_near_an_end(now) for each in certificates):
            reason += "; the certificate is hardly valid yet, or hardly any more"
            return ProbeError(Cause.AUTH, reason, is_inconclusive=True)
        names = {name for each in certificates for name in each.principals}
        if certificates and self._user not in names:
            reason += f"; the certificate is for {clean_line(', '.join(sorted(names)), _LONGEST) or 'no user'}"
        return ProbeError(Cause.AUTH, reason)


def _name(count: int, certificate_count: int) -> str:
    if count == 1:
        return "our certificate is" if certificate_count else "our key is"
    if (count, certificate_count) == (2, 1):
        return "our certificate and key are"
    return f"all {count} of our keys{' and certificates' if certificate_count else ''} are"


class NoSignature(paramiko.AuthenticationException):
    """The other side takes no signature that we make."""


def choose_algorithm(kind: str, extensions: Mapping[str, bytes]) -> str:
    """Return how to sign with a key or certificate of that kind for a server with these extensions (RFC 8308).

    Raise NoSignature when the server takes none that we make; by SHA-1 we make none.
    """
    if kind not in _RSA:
        return kind
    taken = extensions.get("server-sig-algs", b"").decode(errors="replace")
    for name in _RSA_SIGNATURES:
        if not taken or name in taken.split(","):
            return name + _CERTIFICATE if kind.endswith(_CERTIFICATE) else name
    raise NoSignature("it takes no RSA signatures by SHA-2")


class _Dialogue(AuthHandler):
    """The authentication of one connection (RFC 4252); all but the taking of messages is done by the probe's thread."""

    _is_asking = False
    _would_take = False

    @property
    def _client_handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        return {
            MSG_SERVICE_ACCEPT: self._take_service,
            MSG_USERAUTH_SUCCESS: self._parse_userauth_success,  # type: ignore[attr-defined]  # not in its types
            MSG_USERAUTH_FAILURE: self._parse_userauth_failure,  # type: ignore[attr-defined]  # not in its types
            MSG_USERAUTH_BANNER: self._parse_userauth_banner,  # type: ignore[attr-defined]  # not in its types
            _WOULD_TAKE: self._take_interest,
        }

    def request_service(self) -> None:
        """Ask for the service of authentication, once for all that is offered."""
        message = paramiko.Message()
        message.add_byte(cMSG_SERVICE_REQUEST)
        message.add_string(_SERVICE)
        answered = self._ask(message)
        if not self.transport.is_active():
            self.wait_for_response(answered)  # which raises why

    def offer(self, user: str, identity: Identity) -> list[str]:
        """Offer `identity`; return what the server wants besides.

        Raise AuthenticationException if it is refused, AgentError if the agent does not sign.
        """
        self.username, self.auth_method = user, _METHOD
        transport = self.transport
        algorithm = choose_algorithm(read_kind(identity.blob), transport.server_extensions)  # type: ignore[attr-defined]
        if identity.is_held:
            self._is_asking, self._would_take = True, False
            answered = self._ask(_build_request(user, algorithm, identity.blob, is_signed=False))
            self._is_asking = False
            if not self._would_take:
                return list(self.wait_for_response(answered))
        request = _build_request(user, algorithm, identity.blob, is_signed=True)
        signed = paramiko.Message()
        signed.add_string(transport.session_id or b"")
        signature = identity.sign(signed.asbytes() + request.asbytes(), algorithm, transport.is_active)
        request.add_string(signature)
        return list(self.wait_for_response(self._ask(request)))

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

    def _take_interest(self, message: paramiko.Message) -> None:
        """Note that the server would take a key that it was asked about; the number also stands for a prompt."""
        del message
        if not self._is_asking or self.auth_event is None:
            raise paramiko.SSHException("it asks a question that nobody can answer")
        self._is_asking, self._would_take = False, True
        self.auth_event.set()


def _build_request(user: str, algorithm: str, blob: bytes, *, is_signed: bool) -> paramiko.Message:
    message = paramiko.Message()
    message.add_byte(cMSG_USERAUTH_REQUEST)
    for text in (user, _CONNECTION, _METHOD):
        message.add_string(text)
    message.add_boolean(is_signed)
    message.add_string(algorithm)
    message.add_string(blob)
    return message
