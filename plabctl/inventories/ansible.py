"""The inventory `ansible`: nodes out of what `ansible-inventory --list` prints.

I/O: runs that command. What it prints is taken apart in `plabctl.inventories.ansible_listing`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from plabctl.core.keys.lister_keys import LISTER_KEYS
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Words
from plabctl.errors import UsageFault
from plabctl.inventories.base import InventoryKind, decode_text
from plabctl.inventories.reading import Reading
from plabctl.lister import clean_line, refuse_untrusted, run_lister
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin

_PROGRAM = "ansible-inventory"
_COLORS = r"\x1b\[[0-9;]*m"
_MESSAGE = r"(?m)^\s*(?=\[(?:WARNING|ERROR|DEPRECATION WARNING)\])"
_ABOUT_PARSING = r"\[WARNING\].*\bpars(?:e|ed|ing)\b"
_NO_HEAD = r"^\[WARNING\]:?[\s*]*"
_AGAIN = r"(?<=\S) (?=Failed to parse inventory with |<<< caused by)"
"""Where a warning of newer versions begins to say the same again, with the file and the line."""


@dataclass(frozen=True, slots=True)
class AnsibleOptions:
    """What only an inventory of this kind can be told."""

    path: str = ""
    groups: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    directory: str = ""


class AnsibleKind(InventoryKind):
    """An inventory of Ansible's, in whatever form Ansible reads."""

    name = "ansible"
    help = "an Ansible inventory, read by `ansible-inventory`"
    keys = Table(
        "inventory.ansible",
        AnsibleOptions(),
        Key("path", FilePath(), text="The inventory: a file or a folder.", example='"hosts.yml"', required=True),
        Key(
            "groups",
            Words("a list of names of groups", lambda word: bool(word.strip()) and word.isprintable()),
            text="Only the hosts of these groups, or of groups in them, are nodes.",
            example='["compute", "gpu"]',
            default="all hosts",
        ),
        *LISTER_KEYS,
    )

    def identify(self, options: AnsibleOptions) -> str:
        """Return the path."""
        return options.path

    def suggest_name(self, options: AnsibleOptions) -> str:
        """Return the name of the file."""
        return os.path.basename(os.path.normpath(options.path))

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the hosts that Ansible lists and that are reached by SSH."""
        from plabctl.inventories.ansible_listing import parse_ansible
        from plabctl.inventories.node_list import check_rows

        options = own.options
        assert isinstance(options, AnsibleOptions), "the configuration fills it"
        refuse_untrusted(options.path, origin)
        text = decode_text(_list_hosts(options, own.timeout_s, origin), options.path)
        return check_rows(parse_ansible(text, options.path, options.groups), options.path, own.name, own.match)

    def list_named_files(self, options: AnsibleOptions) -> Iterator[tuple[str, bool]]:
        """Yield the inventory, which may be a program or name plug-ins, and the folder where an ansible.cfg may be."""
        yield options.path, True
        if options.directory:
            yield options.directory, True


ANSIBLE = AnsibleKind()


def _list_hosts(options: AnsibleOptions, timeout_s: float, origin: Origin) -> bytes:
    """Return what `ansible-inventory` lists; raise UsageFault when it fails, or could not read all sources."""
    try:
        printed = run_lister(
            (_PROGRAM, "-i", options.path, "--list"),
            timeout_s,
            origin,
            environment=options.environment,
            directory=options.directory,
        )
    except UsageFault as fault:
        said = str(fault)
        if "decrypt" in said.lower():
            advice = "give the password of the vault, as ANSIBLE_VAULT_PASSWORD_FILE in `environment`"
            raise UsageFault(f"{options.path}: encrypted by ansible-vault: {advice} ({said})") from fault
        if said.endswith("no such file or directory"):
            raise UsageFault(f"{said}; its folder can be put into PATH in `environment`") from fault
        raise
    if said := _find_parse_warning(printed.errors):
        raise UsageFault(f"{options.path}: not believed, as Ansible could not read all of it: {said}")
    return printed.output


def _find_parse_warning(errors: str) -> str:
    """Return what Ansible warns of when it cannot read a source, which it leaves out and ends with exit code 0.

    It warns of each plug-in that tried the source, and at last that none of them could. Empty when there is nothing.
    """
    messages = (" ".join(message.split()) for message in re.split(_MESSAGE, re.sub(_COLORS, "", errors)))
    warnings = [
        re.sub(_NO_HEAD, "", message) for message in messages if re.match(_ABOUT_PARSING, message, re.IGNORECASE)
    ]
    source = next((each for each in warnings if "as an inventory source" in each), "")
    reasons = [re.split(_AGAIN, each)[0] for each in warnings if each != source]
    return "; ".join(clean_line(each) for each in (source, *reasons[:2]) if each)
