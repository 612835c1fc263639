"""Which algorithms are negotiated, and in which order.

Pure, by the names of RFC 4253 and OpenSSH's PROTOCOL; loads paramiko for its exception. `plabctl.probes.ssh_transport`
puts them to use.
Tests: `tests/probes/test_ssh_libraries.py`, `tests/probes/test_odd_servers.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import paramiko

HOST_KEY = "kind of host key"
LIBSSH_CURVE, RFC_CURVE = "curve25519-sha256@libssh.org", "curve25519-sha256"
"""One key exchange under the name it had first and that of RFC 8731; paramiko knows the former only."""
CERTIFICATE = "-cert-v01@openssh.com"
"""What the names of signatures end with by which a host shows a certificate of its key."""

_CHEAP_THEN_DEAR = ("ecdh-sha2-nistp256", "curve25519")
_WEAK_CIPHERS = ("-cbc",)
"""Without these, and ChaCha20, which paramiko does not have, the Terrapin attack (CVE-2023-48795) has no hold."""
_AUTHENTICATED = "-gcm@"
_WEAK_DIGESTS = ("-md5", "-96")
_WEAK_EXCHANGES = ("-sha1",)
_RSA, _RSA_BY_SHA2 = "ssh-rsa", "rsa-sha2-"
"""The kind of key, which is also the name of its signature by SHA-1, and how the names of the others begin."""
_SIGNALS = ("ext-info-", "kex-strict-")
"""What stands among the names of key exchanges and is none (RFC 8308; OpenSSH's PROTOCOL, 1.9)."""
_NAMED_MOST = 12


class NoCommonAlgorithm(paramiko.ssh_exception.IncompatiblePeer):
    """The other side and we have no algorithm for something in common; `purpose` says for what."""

    def __init__(self, purpose: str, theirs: Iterable[str], ours: Iterable[str]) -> None:
        super().__init__(f"no {purpose} in common: it has {_join(theirs)}; plabctl has {_join(ours)}")
        self.purpose = purpose


def _join(names: Iterable[str]) -> str:
    found = [name for name in names if name and not name.startswith(_SIGNALS) and not name.endswith(CERTIFICATE)]
    more = f" and {len(found) - _NAMED_MOST} more" if len(found) > _NAMED_MOST else ""
    return ", ".join(name[:64] for name in found[:_NAMED_MOST]) + more or "none"


def select_exchanges(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of key exchanges without weak ones, the cheap ones first, Curve25519 under both its names."""
    strong = [name for name in names if not name.endswith(_WEAK_EXCHANGES)]
    return order_by_cost(each for name in strong for each in ((RFC_CURVE, name) if name == LIBSSH_CURVE else (name,)))


def order_by_cost(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of key exchanges with NIST P-256 before Curve25519, and else in their order.

    The two are equally strong, and OpenSSH computes the former several times faster: a tenth of what a login costs it.
    """
    found = list(names)
    cheap, dear = (next((name for name in found if name.startswith(start)), None) for start in _CHEAP_THEN_DEAR)
    if cheap and dear and found.index(dear) < found.index(cheap):
        found.remove(cheap)
        found.insert(found.index(dear), cheap)
    return tuple(found)


def select_ciphers(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of ciphers without weak ones, those first that need no authentication code beside them.

    They are as strong, and save each packet a code by Python's hmac and a comparison byte by byte.
    """
    strong = [name for name in names if not name.endswith(_WEAK_CIPHERS)]
    return tuple(sorted(strong, key=lambda name: _AUTHENTICATED not in name))


def select_macs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of message authentication codes without weak ones."""
    return tuple(name for name in names if not name.endswith(_WEAK_DIGESTS))


def drop_sha1(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of signatures without RSA by SHA-1, which paramiko 4 offers."""
    return tuple(name for name in names if not name.startswith(_RSA))


def order_host_keys(names: Iterable[str], known: Collection[str], *, certified: bool = False) -> tuple[str, ...]:
    """Return the names of signatures of host keys: with `certified` those of certificates, then those of `known` kinds.

    A node that has keys of several kinds shows the first that is asked for, and one that is not known would pass for a
    changed host key. An RSA key can sign by either form of SHA-2; none may sign by SHA-1.
    """

    def rank(name: str) -> int:
        if name.endswith(CERTIFICATE):
            return 0 if certified else 3
        return 1 if find_kind(name) in known else 2

    return tuple(sorted(drop_sha1(names), key=rank))


def find_kind(algorithm: str) -> str:
    """Return the kind of key that makes a signature, also where that is shown with a certificate."""
    plain = algorithm.removesuffix(CERTIFICATE)
    return _RSA if plain.startswith(_RSA_BY_SHA2) else plain
