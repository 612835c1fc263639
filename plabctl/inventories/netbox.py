"""The inventory `netbox`: devices that NetBox lists.

I/O: asks NetBox over its REST API, page by page. Versions 3 and 4 are meant. What a device becomes is decided in
`plabctl.inventories.netbox_devices`. Plain HTTP, since pynetbox would follow redirects with the token, and links to
other hosts, and knows no bound on time and bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.core.keys.formatting import describe_value, format_list, quote
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.server_keys import CA_KEY, SERVER_URL
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import ValueType, Whole, Words
from plabctl.core.names import is_label_name
from plabctl.inventories.base import InventoryKind
from plabctl.inventories.reading import Reading
from plabctl.typed import TYPE_CHECKING, Any, cast
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin
    from plabctl.http_session import HttpSession
    from plabctl.inventories.netbox_devices import Filter, Page

MAX_DEVICES = 100_000
_PATH = "/api/dcim/devices/"
_WITH_NOT = ("platform", "region", "role", "site", "site_group", "status", "tag", "tenant", "tenant_group")
_WITH_ID = ("cluster", "device_type", "location", "rack", "region", "role", "site", "tenant")
FILTERS = frozenset(
    [
        *(
            "name",
            "name__ic",
            "name__isw",
            "name__iew",
            "serial",
            "asset_tag",
            "manufacturer",
            "has_primary_ip",
            "id",
            "q",
        ),
        *(f"{name}{suffix}" for name in _WITH_NOT for suffix in ("", "__n")),
        *(f"{name}_id" for name in _WITH_ID),
    ]
)
"""The filters that versions 3 and 4 know. NetBox ignores one that it does not know, and lists every device then."""
_OWN_FIELD = "cf_"


class DeviceFilter(ValueType):
    """A table of filters, each with one value or several."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__('a table of filters such as { role = "compute", tag = ["plab"] }')

    def read(self, value: object) -> Filter:
        """Return the filters with their values as texts."""
        if not isinstance(value, dict) or not value:
            raise ValueError(f"cannot be {describe_value(value)}")
        for name in value:
            if name not in FILTERS and not (name.startswith(_OWN_FIELD) and is_label_name(name)):
                raise ValueError(f"{describe_value(name)} is no filter that every NetBox knows, which would ignore it")
        return tuple((name, _read_values(name, each)) for name, each in value.items())

    def format(self, value: object) -> str:
        """Return the filters as TOML."""
        pairs = cast("Filter", value)
        texts = (f"{name} = {quote(own[0]) if len(own) == 1 else format_list(own)}" for name, own in pairs)
        return "{ " + ", ".join(texts) + " }"


def _read_values(name: str, value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str | int) and str(each) for each in values):
        raise ValueError(f"{name} cannot be {describe_value(value)}")
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in values)


@dataclass(frozen=True, slots=True)
class NetboxOptions:
    """What only an inventory of this kind can be told."""

    url: str = ""
    filter: Filter = ()
    token_file: str = ""
    custom_fields: tuple[str, ...] = ()
    page_size: int = 250
    ca: str = ""


class NetboxKind(InventoryKind):
    """Devices in NetBox."""

    name = "netbox"
    help = "devices that NetBox lists; see inventories.md"
    keys = Table(
        "inventory.netbox",
        NetboxOptions(),
        Key(
            "url",
            SERVER_URL,
            text="Where NetBox is. Use https: over http everybody on the way can read the token.",
            example='"https://netbox.example.org"',
            required=True,
        ),
        Key(
            "filter",
            DeviceFilter(),
            text="Which devices are nodes, by NetBox's own filters; switches are devices, too.",
            example='{ role = "compute", status = "active", tag = ["plab"] }',
            required=True,
        ),
        Key(
            "token_file",
            FilePath(),
            text="A file with an API token that may read devices; nobody else may read the file.",
            example='"/etc/plabctl/netbox.token"',
            default="no token",
        ),
        Key(
            "custom_fields",
            Words("a list of names of custom fields", is_label_name),
            text="The custom fields that become variables of the nodes; one may be called `ssh_port`.",
            example='["ssh_port", "owner"]',
            default="none",
        ),
        Key(
            "page_size",
            Whole(1, 1000),
            text="How many devices are asked for at once. 250 because NetBox takes seconds for 1000.",
            example="250",
        ),
        CA_KEY,
    )

    def identify(self, options: NetboxOptions) -> str:
        """Return the URL and the filters."""
        from plabctl.masks import mask_secrets

        return mask_secrets(" ".join([options.url, *(f"{name}={','.join(own)}" for name, own in options.filter)]))

    def suggest_name(self, options: NetboxOptions) -> str:
        """Return the host."""
        return options.url.split("/")[2]

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the devices that NetBox lists."""
        from plabctl.files.secret_file import read_certificates, read_secret
        from plabctl.http_session import HttpSession
        from plabctl.inventories.netbox_devices import list_rows
        from plabctl.inventories.node_list import check_rows

        options = own.options
        assert isinstance(options, NetboxOptions), "the configuration fills it"
        headers = {"Accept": "application/json"}
        if options.token_file:
            headers["Authorization"] = build_authorization(read_secret(options.token_file, origin.owners))
        ca = read_certificates(options.ca, origin.owners) if options.ca else ""
        with HttpSession(options.url, own.timeout_s, ca=ca) as session:
            rows = list_rows(_list_pages(session, options, headers), options.url, options.filter, options.custom_fields)
            return check_rows(rows, options.url, own.name, own.match)

    def list_named_files(self, options: Any) -> Iterator[tuple[str, bool]]:
        """Yield the token and the authorities."""
        assert isinstance(options, NetboxOptions), "the configuration fills it"
        yield from ((path, True) for path in (options.token_file, options.ca) if path)


NETBOX = NetboxKind()


def build_authorization(token: str) -> str:
    """Return the header for a token: those of version 2, which NetBox 4.5 introduced, begin with `nbt_`."""
    return f"Bearer {token}" if token.startswith("nbt_") else f"Token {token}"


def _list_pages(session: HttpSession, options: NetboxOptions, headers: dict[str, str]) -> Iterator[Page]:
    """Yield the pages until all devices were listed.

    Behind a proxy `next` may name another host, so only whether there is one counts, and how many came before.
    """
    from urllib.parse import urlencode

    from plabctl.inventories.netbox_devices import Listing, parse_page

    listing = Listing(options.url, MAX_DEVICES)
    wanted = [(name, each) for name, values in options.filter for each in values]
    while not listing.is_complete:
        query = [*wanted, ("exclude", "config_context"), ("limit", options.page_size), ("offset", listing.offset)]
        reply = session.request("GET", f"{_PATH}?{urlencode(query)}", headers)
        page = parse_page(session, reply)
        listing.add(page)
        yield page
