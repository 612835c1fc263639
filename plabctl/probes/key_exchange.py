"""Key exchanges over finite fields that cost us little, whatever group the node names.

Loads paramiko, whose own take a second and more with the largest groups, in one step that no other thread can
interrupt: it raises to powers of as many bits as the group has. OpenSSH takes twice the bits of the keys that are
wanted, which is as safe. Elliptic curves cost little as they are. `plabctl.probes.ssh_transport` installs these.
Tests: `tests/probes/test_connection_bounds.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import paramiko

from plabctl.probes.connection_bounds import BoundExceeded

SECRET_BITS = 512
"""Twice the longest key that any cipher or digest takes, as in OpenSSH."""
MIN_BITS, MAX_BITS = 2048, 4096
"""Groups that the node may choose. OpenSSH asks for up to 8192 bits; servers that have those have smaller ones too."""

_KINDS = "diffie-hellman-group"
_CHOSEN = "diffie-hellman-group-exchange"


class _ShortSecret:
    """Makes the secret exponent of an exchange."""

    x: int

    def _generate_x(self) -> None:
        self.x = secrets.randbits(SECRET_BITS) | 1 << (SECRET_BITS - 1)


class _ChosenGroup(_ShortSecret):
    """An exchange in a group that the node chooses."""

    min_bits, max_bits = MIN_BITS, MAX_BITS

    def _parse_kexdh_gex_group(self, message: paramiko.Message) -> None:
        modulus, generator = message.get_mpint(), message.get_mpint()
        bits = modulus.bit_length()
        if modulus <= 0 or not modulus & 1 or not 1 < generator < modulus - 1:
            raise BoundExceeded("named a group for the key exchange that is none")
        if not MIN_BITS <= bits <= MAX_BITS:
            raise BoundExceeded(
                f"named a group of {bits} bits for the key exchange, where {MIN_BITS} to {MAX_BITS} will do"
            )
        message.rewind()
        super()._parse_kexdh_gex_group(message)  # type: ignore[misc]  # paramiko's, by way of `bound_exchanges`


def bound_exchanges(engines: Mapping[str, Any]) -> dict[str, Any]:
    """Return paramiko's table of key exchanges, with the cost of those over finite fields limited."""
    return {
        name: type(engine.__name__, (_ChosenGroup if name.startswith(_CHOSEN) else _ShortSecret, engine), {})
        if name.startswith(_KINDS)
        else engine
        for name, engine in engines.items()
    }
