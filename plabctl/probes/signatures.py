"""Check a signature that a server sends, at a bounded cost, by the one algorithm that is wanted.

Pure. Loads paramiko, which takes any algorithm of the key's kind and numbers of any length. The formats are those of
RFC 4253 (6.6), RFC 5656, RFC 8332 and, for keys on a FIDO token, OpenSSH's PROTOCOL.u2f.
Tests: `tests/probes/test_host_certificates.py`, `tests/probes/test_hostile_servers.py`.
"""

from __future__ import annotations

import hashlib

import paramiko

from plabctl.probes.bounded_packets import BoundedMessage
from plabctl.probes.known_hosts_lines import TOKEN_KINDS, HostKey

_NAMES = {"ssh-rsa": "rsa-sha2-512"}
"""Where paramiko names what reads a kind of key by a signature that it makes."""
_TOKEN_TAIL = 5
"""Bytes after the signature of a token: a byte of flags and a counter."""


def find_signer(key: HostKey, algorithm: str, signature: bytes, data: bytes) -> paramiko.PKey | None:
    """Return paramiko's form of `key` if `signature` is one of `data` by it and `algorithm`, such as `rsa-sha2-512`.

    Raise SSHException or ValueError for a key or signature that is malformed.
    """
    if key.kind in TOKEN_KINDS:
        return _find_token(key, algorithm, signature, data)
    outer = BoundedMessage(signature)
    if outer.get_text() != algorithm:
        return None
    inner = BoundedMessage(outer.get_binary())
    if outer.get_remainder():
        return None
    if algorithm.startswith("ecdsa-"):
        inner.get_mpint(), inner.get_mpint()  # so that none is longer than any in use
    signer = _load_key(key)
    return signer if signer.verify_ssh_sig(data, BoundedMessage(signature)) else None


def _load_key(key: HostKey) -> paramiko.PKey:
    message = BoundedMessage(key.blob)
    if message.get_text() != key.kind:
        raise paramiko.SSHException(f"the key is no {key.kind}")
    message.rewind()
    return paramiko.Transport._key_info[_NAMES.get(key.kind, key.kind)](message)  # type: ignore[attr-defined,no-any-return]


def _find_token(key: HostKey, algorithm: str, signature: bytes, data: bytes) -> paramiko.PKey | None:
    """Do the same for a key on a FIDO token, which signs what was asked for together with facts of its own."""
    plain = TOKEN_KINDS[key.kind]
    fields = BoundedMessage(key.blob)
    names = [fields.get_binary() for _ in range(2 if plain.startswith("ecdsa-") else 1)]
    numbers, application = fields.get_binary(), fields.get_binary()
    outer = BoundedMessage(signature)
    if fields.get_remainder() or not outer.get_text() == algorithm == key.kind:
        return None
    proof = outer.get_binary()
    facts = outer.get_remainder()
    if len(facts) != _TOKEN_TAIL:
        return None
    names[0] = plain.encode()
    signed = hashlib.sha256(application).digest() + facts + hashlib.sha256(data).digest()
    return find_signer(HostKey(plain, pack(*names, numbers)), plain, pack(plain.encode(), proof), signed)


def pack(*strings: bytes) -> bytes:
    """Return strings as SSH sends them, each with its length in front."""
    return b"".join(len(each).to_bytes(4) + each for each in strings)
