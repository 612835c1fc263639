"""What every inventory can do, and what a kind of inventory has to say of itself.

Pure. A kind is one module beside this one with one instance of an
`InventoryKind`; `plabctl.kinds` lists it by name. `plabctl.inventories.fetch` reads one; what becomes of the nodes is
decided in `plabctl.core.inventory_changes`. Settings hold a kind by its name: kinds import late what only `read` needs.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from plabctl.core.keys.table import Kind
from plabctl.errors import UsageFault
from plabctl.inventories.reading import Reading
from plabctl.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin

MAX_BYTES = 64 * 1024**2
"""How long a listing may be."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class InventoryKind(Kind, ABC):
    """One kind of inventory. Its `help` says what it reads: `a list of names, or CSV, or JSON`."""

    @abstractmethod
    def identify(self, options: Any) -> str:
        """Return what tells this source from others of its kind, without secrets."""

    def suggest_name(self, options: Any) -> str:
        """Return what it is called when nobody gave it a name: what does not change when it moves."""
        return self.identify(options)

    @abstractmethod
    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the nodes that it lists now, with `own.name` as their source, and the faults of single rows.

        `origin` says where the configuration is from that names it. Raise UsageFault when the source as a whole cannot
        be read or believed; end within about `own.timeout_s` seconds.
        """

    def list_named_files(self, options: Any) -> Iterator[tuple[str, bool]]:
        """Yield each file that the options name, and whether it must be in the hands of people we trust."""
        yield from ()


def decode_text(raw: bytes, where: str) -> str:
    """Return `raw` as text: UTF-8, else what Windows makes of tables: UTF-16 with its mark, or code page 1252.

    Names are ASCII, so that a wrong guess spoils a label, not a list. Raise UsageFault for what is no text.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    is_wide = raw.startswith(_UTF_16)
    try:
        text = raw.decode("utf-16") if is_wide else raw.decode("cp1252", "replace")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageFault(f"{where}:{line}: no text: neither UTF-8 nor what Windows writes")
    return text


def parse_listing(raw: bytes, where: str, source: str, match: Iterable[str] = ()) -> Reading:
    """Return what a plain list, CSV or JSON lists; raise UsageFault when it is none of these.

    Bad rows of nodes that `match` does not ask for are no faults.
    """
    from plabctl.inventories.node_list import check_rows
    from plabctl.inventories.row_parsers import parse_rows

    return check_rows(parse_rows(decode_text(raw, where), where), where, source, match)
