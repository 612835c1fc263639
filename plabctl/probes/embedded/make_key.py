"""Fresh ed25519 keys in OpenSSH's format.

I/O. Made by the cryptography library, because paramiko reads such keys but makes none. Go on with `ssh_node`.
Tests: `tests/probes/embedded/test_ssh_node.py`.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from plabctl.files.atomic import write_new


def make_key(path: Path) -> str:
    """Write a fresh private key to `path`, for its owner alone, and return the public one as `ssh-ed25519 AAAA...`.

    Raises FileExistsError rather than replace a key, and OSError when the file cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    write_new(str(path), text)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode("ascii")
