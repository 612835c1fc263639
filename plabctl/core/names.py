"""Valid names of nodes, labels, pools and vnodes: checked once, on input.

Pure. A name that passed here can be an argument of a command, a cell of a table and part of a file name.
Source: RFC 1123 section 2.1 for host names, and underscores, which OpenSSH and resolvers take; an address literal is
read by the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# Not compiled here: most commands meet no name that they have to check. `re` compiles each once.
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_ALIAS = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
NAME_BEGIN = _ALIAS
"""What a name of a node may begin with, where more is wrong behind it."""
_IPV4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_ZONE = r"[A-Za-z0-9_.-]{1,64}"
"""The name or number of an interface (RFC 4007, section 11)."""
_KEY = r"[A-Za-z_][A-Za-z0-9_.-]{0,62}"
_POOL = r"[a-z][a-z0-9_-]{0,62}"
_NEW_LINE, _DIGITS = ord("\n"), b"0123456789"
MAX_NAME = 253
NO_JUMP = "none"
"""The value of a node's variable `ssh_jump` that means: no jump host, whatever the configuration says."""
JUMP_HOST = '"user@host:port", user and port as needed'
"""What `is_hop` allows, in words."""
RESERVED = frozenset({"CONFIG", "DEBUG", "EXPERIMENT", "NODE", "POOL", "STAGE", "STATE_DIR", "VNODE"})
"""Names of our own variables behind `PLABCTL_`, of which a label would take the place in recipes."""
OPERATOR = "operator"
"""The source of nodes that a person added."""
POOL_NAME = "a name of lower-case letters, digits, - and _, beginning with a letter"
"""What `is_pool_name` allows, in words."""


def is_alias(text: str) -> bool:
    """Return whether `text` can name a node whose address stands in its variable `ssh_host`."""
    return (len(text) <= MAX_NAME and re.fullmatch(_ALIAS, text) is not None) or is_host(text)


def is_host(text: str) -> bool:
    """Return whether `text` is a host name or an IP address literal."""
    if len(text) > MAX_NAME or not text.isascii():
        return False
    if re.fullmatch(_HOST, text):
        return True
    return ":" in text and is_address(text)


def is_server(text: str) -> bool:
    """Return whether `text` can be where a node is reached: a host, or an IPv6 address with its interface."""
    address, percent, zone = text.partition("%")
    if not percent:
        return is_host(text)
    return ":" in address and is_host(address) and re.fullmatch(_ZONE, zone) is not None


def fold_name(name: str) -> str:
    """Return the form of a node's name by which it is compared: `PC1.lab` and `pc1.lab` are one node."""
    return name.lower()


def sort_names(names: Iterable[str]) -> list[str]:
    """Return the names in the order in which people and programs see them: `node2` before `node10`."""
    # Sorting names that are nearly in order already is quick, and `n01` and `n1` get a place each.
    found = sorted(names)
    if not _are_alike(found):
        found.sort(key=build_sort_key)
    return found


def _are_alike(names: Sequence[str]) -> bool:
    """Return whether all have digits in the same places, as `n001` and `n002`: then text is in order as numbers are."""
    text = "\n".join(names)
    if not text.isascii():
        return False
    outlines = bytes(code if code == _NEW_LINE else code in _DIGITS for code in range(256))
    return len(set(text.encode().translate(outlines).split(b"\n"))) == 1


def build_sort_key(name: str) -> list[str | int]:
    """Return a sort key by which `node2` comes before `node10`."""
    parts: list[str | int] = list(re.split(r"(\d+)", name))
    parts[1::2] = map(int, parts[1::2])
    return parts


def is_address(text: str) -> bool:
    """Return whether `text` is an IP address literal."""
    if ":" not in text:
        return re.fullmatch(_IPV4, text) is not None
    # Imported here: only names with a colon need it, and it costs every command a few milliseconds.
    import ipaddress

    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


def is_label_name(text: str) -> bool:
    """Return whether `text` can name a node variable."""
    return re.fullmatch(_KEY, text) is not None


def is_label_setting(text: str) -> bool:
    """Return whether `text` is a label and a value with `=` between them."""
    label, equals, _ = text.partition("=")
    return bool(equals) and is_label_name(label) and text.isprintable()


def split_label(value: str | None) -> set[str]:
    """Return what a label holds: its value, and what stands between the commas in it."""
    return set() if value is None else {value, *value.split(",")}


def is_source_name(text: str) -> bool:
    """Return whether `text` can name a source of nodes: `operator` stands for those that a person added."""
    return bool(text.strip()) and text.isprintable() and text != OPERATOR


def build_variable_name(label: str) -> str:
    """Return the name, behind `PLABCTL_`, of the environment variable for a label: capitals, odd characters as `_`."""
    return re.sub(r"[^A-Z0-9_]", "_", label.upper())


def is_pool_name(text: str) -> bool:
    """Return whether `text` can name a pool or a recipe."""
    return re.fullmatch(_POOL, text) is not None


def is_plain_word(text: str) -> bool:
    """Return whether `text` is printable, without blanks, and no option of a command."""
    return bool(text) and text.isprintable() and " " not in text and not text.startswith("-")


def is_endpoint(text: str) -> bool:
    """Return whether `text` is `host:port`."""
    host, _, port = text.rpartition(":")
    return is_plain_word(host) and port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535


def split_hop(text: str) -> tuple[str, str, int | None] | None:
    """Return user, host and port of a jump host such as `user@host:port`; None when `text` names none.

    The user is empty and the port None where `text` does not say. An IPv6 address stands in brackets before a port.
    """
    user, at, server = text.rpartition("@")
    if text == NO_JUMP or (at and not is_plain_word(user)):
        return None
    if server.startswith("["):
        host, bracket, port = server[1:].partition("]")
        if not bracket or ":" not in host or (port and not port.startswith(":")):
            return None
        has_port, port = bool(port), port[1:]
    elif is_server(server):
        host, has_port, port = server, False, ""
    else:
        host, colon, port = server.partition(":")
        has_port = bool(colon)
    if not is_server(host) or (has_port and not is_endpoint(f"h:{port}")):
        return None
    return user, host, int(port) if has_port else None


def is_hop(text: str) -> bool:
    """Return whether `text` names a jump host."""
    return split_hop(text) is not None


def split_jump(text: str) -> list[str]:
    """Return the jump hosts that a node's variable `ssh_jump` names, in order; none for `none`."""
    return [] if text == NO_JUMP else [hop.strip() for hop in text.split(",")]
