"""What we log in with: private keys, each with the certificate beside it, and what an agent holds.

I/O. Files are looked at before each login, and read again when they have changed. Loads paramiko, for the signatures.
`plabctl.probes.login` offers what is found here to a server.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.core.settings import SshSettings
from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.probes.agent import Agent, AgentError, HeldKey
from plabctl.probes.certificate_file import SUFFIX, CertificateFile, read_certificate, read_certificate_at, read_stamp
from plabctl.probes.clean import clean_line
from plabctl.probes.openssh_key import find_public_key
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.probes.target import NO_RULES, KeyRules
from plabctl.probes.user_certificates import KEY_KINDS, UserCertificate, find_fault, parse_certificate, read_kind

MOST_OFFERED = 5
"""How many identities are offered: an sshd closes the connection at the sixth that it refuses (`MaxAuthTries`)."""
_MOST_BYTES = 256 * 1024
"""No private key is longer."""
_LONGEST = 60

IsWanted = Callable[[], bool]
"""Tells whether a signature is still waited for."""
Sign = Callable[[bytes, str, IsWanted], bytes]
"""Signs data by an algorithm; raises AgentError."""
Held = Mapping[bytes, tuple[HeldKey, Sign]]
"""The keys of an agent by what they are on the wire, each with what signs by it."""


class Identity(NamedTuple):
    """Something to log in with, as on the wire: a public key, or a certificate for it; and what signs for it."""

    blob: bytes
    sign: Sign
    certificate: UserCertificate | None = None
    is_held: bool = False
    """An agent signs, and may ask a person first. So it is asked only for what the node has said it would take."""


class Offer(NamedTuple):
    """What to offer to a server, in order, and in words what would have been offered but cannot be used."""

    identities: tuple[Identity, ...]
    faults: tuple[str, ...] = ()


class _Entry(NamedTuple):
    """What was read at one path: how the files looked before, the key or why it cannot be used, its certificate."""

    stamp: object
    key: paramiko.PKey | None
    public: bytes
    fault: str = ""
    file: CertificateFile | None = None


class Identities:
    """The identities of this process, shared by all connections; one that cannot be used is our fault, not a node's."""

    def __init__(self, settings: SshSettings, clock: Clock) -> None:
        self._path = settings.key
        self._clock = clock
        self._asks_agent = settings.agent
        self._agent_socket = settings.agent_socket
        self._agents: dict[str, Agent] = {}
        self._lock = threading.Lock()
        self._found: dict[str, _Entry] = {}

    def find(self, paths: tuple[str, ...] = (), rules: KeyRules = NO_RULES) -> Offer:
        """Return what to offer: the keys at `paths`, else the configured one; then what the agent holds.

        A key with a passphrase counts where the agent holds it. Raise ProbeError if there is nothing.
        """
        faults: list[str] = []
        agent_faults: list[str] = []
        agent = self._find_agent(rules.agent)
        held = _list_held(agent, agent_faults)
        paths = paths or ((self._path,) if self._path or not agent else ())
        files = [file for path in rules.certificates if (file := read_certificate_at(path))]
        faults += [f"the certificate '{file.path}' {file.fault}" for file in files if file.certificate is None]
        found = [each for path in paths for each in self._list_identities(self._read(path), held, files, faults)]
        if not rules.only_these:
            offered = {each.blob for each in found}
            others = [(key, sign) for blob, (key, sign) in held.items() if blob not in offered]
            found += [each for key, sign in others for each in self._take(key, sign, agent_faults)]
        if not found:
            why = "; ".join([*faults[:1], *agent_faults[:1]])
            raise ProbeError(Cause.LOCAL, why or "the agent holds none of the keys that are named")
        faults += agent_faults
        if len(found) > MOST_OFFERED:
            faults.append(f"of {len(found)} keys and certificates only the first {MOST_OFFERED} are offered")
        return Offer(tuple(found[:MOST_OFFERED]), tuple(faults))

    def _find_agent(self, socket: str) -> Agent | None:
        """Return the agent at `socket`, or without one the configured one; None where none is to be asked."""
        if not self._asks_agent or socket == "none":
            return None
        with self._lock:
            return self._agents.setdefault(socket, Agent(socket or self._agent_socket, self._clock))

    def _list_identities(
        self, entry: _Entry, held: Held, files: list[CertificateFile], faults: list[str]
    ) -> Iterator[Identity]:
        """Yield a key of a file, behind its certificates: the one beside it, and those of `files` that are for it."""
        sign: Sign
        if entry.key is not None:
            sign, is_held = partial(_sign, entry.key), False
        elif entry.public in held:
            sign, is_held = held[entry.public][1], True
        else:
            faults.append(entry.fault)
            return
        for file in (
            entry.file,
            *(each for each in files if each.certificate and each.certificate.key == entry.public),
        ):
            if file and (fault := file.find_fault(entry.public, self._clock.now())):
                faults.append(f"the certificate '{file.path}' {fault}")
            elif file and file.certificate:
                yield Identity(file.certificate.blob, sign, file.certificate, is_held)
        yield Identity(entry.public, sign, None, is_held)

    def _take(self, key: HeldKey, sign: Sign, faults: list[str]) -> Iterator[Identity]:
        """Yield the identity that a key of the agent is; nothing if it is of a kind that is not used any more."""
        if read_kind(key.blob) in KEY_KINDS:
            yield Identity(key.blob, sign, None, is_held=True)
            return
        try:
            certificate = parse_certificate(key.blob)
        except ValueError:
            return
        if fault := find_fault(certificate, None, self._clock.now()):
            faults.append(f"the certificate '{clean_line(key.comment, _LONGEST)}' in the agent {fault}")
        else:
            yield Identity(key.blob, sign, certificate, is_held=True)

    def _read(self, path: str) -> _Entry:
        """Return what is at `path` now; a certificate is renewed while we run, and so may be its key."""
        real = os.path.expanduser(path)
        stamp = (read_stamp(real), read_stamp(real + SUFFIX))
        with self._lock:  # so that a thousand threads do not all parse it
            entry = self._found.get(path)
            if entry is None or entry.stamp != stamp:
                entry = self._found[path] = _read_entry(path, real, stamp)
        return entry


def _list_held(agent: Agent | None, faults: list[str]) -> Held:
    """Return the keys that the agent holds; nothing, with the reason in `faults`, where it cannot be asked."""
    if agent is None:
        return {}
    try:
        keys, refused = agent.list_keys()
    except AgentError as error:
        faults.append(str(error))
        return {}
    faults += refused
    return {key.blob: (key, partial(agent.sign, key)) for key in keys}


def _read_entry(path: str, real: str, stamp: object) -> _Entry:
    if not path:
        return _Entry(stamp, None, b"", "no SSH key is configured ('key' under [ssh])")
    what = f"the SSH key '{path}'"
    try:
        fd = open_trusted(real, anyone=True, file_only=True).fd  # a pipe would keep us waiting
    except Untrusted as error:
        return _Entry(stamp, None, b"", f"{what} is not used: {error}")
    except OSError as error:
        return _Entry(stamp, None, b"", f"{what} cannot be read: {format_exception(error)}")
    with open(fd, "rb") as file:
        data = file.read(_MOST_BYTES)
    try:
        key = parse_key(data)
    except Exception as error:  # noqa: BLE001 - key parsers raise whatever they stumble over
        public = find_public_key(data.decode(errors="replace")) or b""
        if "password" in str(error).lower():
            fault = f"{what} has a passphrase; plabctl needs one without, or an agent that holds it (`agent = true`)"
            return _Entry(stamp, None, public, fault, read_certificate(real))
        is_public = data.partition(b" ")[0].decode(errors="replace") in KEY_KINDS or b"PUBLIC KEY" in data[:40]
        why = "is a public key; name the private one" if is_public else f"cannot be used: {format_exception(error)}"
        return _Entry(stamp, None, b"", f"{what} {why}")
    return _Entry(stamp, key, key.asbytes(), "", read_certificate(real))


def parse_key(data: bytes) -> paramiko.PKey:
    """Return the private key in `data`; raise whatever cryptography raises if it is none.

    paramiko's own parsers refuse half of all ECDSA keys that have no comment, and keys in PKCS#8.
    """
    try:
        loaded = serialization.load_ssh_private_key(data, None)
    except ValueError:
        loaded = serialization.load_pem_private_key(data, None)  # type: ignore[assignment]  # other kinds too
    if isinstance(loaded, rsa.RSAPrivateKey):
        return paramiko.RSAKey(key=loaded)
    if isinstance(loaded, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey(vals=(loaded, loaded.public_key()))
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        as_openssh = serialization.PrivateFormat.OpenSSH
        text = loaded.private_bytes(serialization.Encoding.PEM, as_openssh, serialization.NoEncryption())
        return paramiko.Ed25519Key.from_private_key(io.StringIO(text.decode()))
    message = "it is neither an Ed25519, an ECDSA nor an RSA key"
    raise ValueError(message)


def _sign(key: paramiko.PKey, data: bytes, algorithm: str, is_wanted: IsWanted) -> bytes:
    del is_wanted
    return bytes(key.sign_ssh_data(data, algorithm).asbytes())
