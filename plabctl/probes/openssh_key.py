"""What a private key says without its secret part: whether it has a passphrase, and the public key.

Pure, and light: no library that reads keys is loaded. The format is that of OpenSSH's PROTOCOL.key.
Tests: `tests/app/test_ssh_check.py`.
"""

from __future__ import annotations

from binascii import Error, a2b_base64

_MAGIC = b"openssh-key-v1\0"


def is_protected(text: str) -> bool | None:
    """Return whether a private key has a passphrase; None when `text` is none."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if not lines or not lines[0].startswith("-----BEGIN ") or "PRIVATE KEY" not in lines[0]:
        return None
    if "OPENSSH" not in lines[0]:
        return "ENCRYPTED" in lines[0] or any(line.startswith("Proc-Type:") and "ENCRYPTED" in line for line in lines)
    fields = _read_fields(lines)
    return None if not fields else fields[0] != b"none"


def find_public_key(text: str) -> bytes | None:
    """Return the public key in a private key that OpenSSH wrote; None for other forms, where it must be computed."""
    lines = [line.strip() for line in text.strip().splitlines()]
    fields = _read_fields(lines) if lines and "OPENSSH" in lines[0] else []
    return fields[3] if len(fields) > _PUBLIC else None


_PUBLIC = 3


def _read_fields(lines: list[str]) -> list[bytes]:
    """Return the fields of the head: the cipher, how its key is made, with what, and the public key; or none."""
    try:
        data = a2b_base64("".join(lines[1:-1]), strict_mode=True)
    except Error:
        return []
    if not data.startswith(_MAGIC):
        return []
    fields, place = [], len(_MAGIC)
    for number in range(_PUBLIC + 1):
        place += 4 * (number == _PUBLIC)  # how many keys it holds
        size = int.from_bytes(data[place : place + 4])
        fields.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return fields
