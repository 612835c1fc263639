"""The inventory `plcapi`: nodes of PlanetLab, or of a testbed that runs its software (MyPLC, PlanetLab Europe, NorNet).

I/O: calls `GetNodes` and `GetSites` of its API over XML-RPC. A node's site is the `login_base` of its site.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.server_keys import CA_KEY, SERVER_URL
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Flag, Text
from plabctl.errors import UsageFault
from plabctl.inventories.base import InventoryKind
from plabctl.inventories.reading import Reading, Row
from plabctl.typed import TYPE_CHECKING, Any
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin
    from plabctl.http_session import HttpSession

NODE_FIELDS = ["node_id", "hostname", "boot_state", "site_id"]
SITE_FIELDS = ["site_id", "login_base"]
_MAX_TAGS = 8_000_000
"""A node takes some forty."""
_MAX_DEPTH = 64
"""Answers are lists of structures: five tags lead to a value."""


@dataclass(frozen=True, slots=True)
class PlcapiOptions:
    """What only an inventory of this kind can be told."""

    url: str = ""
    user: str = ""
    password_file: str = ""
    peers: bool = False
    ca: str = ""


class PlcapiKind(InventoryKind):
    """Nodes of a PlanetLab."""

    name = "plcapi"
    help = "the nodes of a PlanetLab, by its XML-RPC API; see inventories.md"
    keys = Table(
        "inventory.plcapi",
        PlcapiOptions(),
        Key("url", SERVER_URL, text="The API.", example='"https://www.planet-lab.eu/PLCAPI/"', required=True),
        Key(
            "user",
            Text("a name of printable characters", lambda text: bool(text.strip()) and text.isprintable()),
            text="Who asks, mostly an address of mail.",
            example='"ada@example.org"',
            default="nobody: what the API tells everybody",
        ),
        Key(
            "password_file",
            FilePath(),
            text="A file with that user's password; nobody else may read the file.",
            example='"/etc/plabctl/plc.password"',
            default="none",
        ),
        Key(
            "peers",
            Flag(),
            text="Also nodes of the testbeds that it is federated with. Off because these test their own.",
            example="false",
        ),
        CA_KEY,
    )

    def check(self, given: Mapping[str, Any], defaults: PlcapiOptions) -> Iterator[tuple[str, str]]:
        """Refuse a user without a password and a password without a user."""
        pair = ("user", "password_file")
        for own, other in (pair, pair[::-1]):
            if own in given and other not in given:
                yield own, f"means nothing without {other}, allowed: both or none"

    def identify(self, options: PlcapiOptions) -> str:
        """Return the URL."""
        from plabctl.masks import mask_secrets

        return mask_secrets(options.url)

    def suggest_name(self, options: PlcapiOptions) -> str:
        """Return the host."""
        return options.url.split("/")[2]

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the nodes that the API lists."""
        from plabctl.files.secret_file import read_certificates, read_secret
        from plabctl.http_session import HttpSession
        from plabctl.inventories.node_list import check_rows

        options = own.options
        assert isinstance(options, PlcapiOptions), "the configuration fills it"
        auth = {"AuthMethod": "anonymous"}
        if options.user:
            secret = read_secret(options.password_file, origin.owners)
            auth = {"AuthMethod": "password", "Username": options.user, "AuthString": secret}
        ca = read_certificates(options.ca, origin.owners) if options.ca else ""
        wanted = {} if options.peers else {"peer_id": None}
        with HttpSession(options.url, own.timeout_s, ca=ca) as session:
            sites = _call(session, "GetSites", auth, {}, SITE_FIELDS)
            nodes = _call(session, "GetNodes", auth, wanted, NODE_FIELDS)
        return check_rows(list_rows(nodes, sites), options.url, own.name, own.match)

    def list_named_files(self, options: PlcapiOptions) -> Iterator[tuple[str, bool]]:
        """Yield the password and the authorities."""
        yield from ((path, True) for path in (options.password_file, options.ca) if path)


PLCAPI = PlcapiKind()


def list_rows(nodes: Sequence[Mapping[str, Any]], sites: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield a row for each node; one whose site is not listed is left out, as its labels would be wrong."""
    bases = {_read_number(site, "site_id"): site.get("login_base") for site in sites}
    for node in nodes:
        name, place = node.get("hostname"), f"node {_read_number(node, 'node_id') or 'without a number'}"
        number, state = _read_number(node, "site_id"), node.get("boot_state")
        base = bases.get(number) if number is not None else None
        if not isinstance(name, str) or not name:
            yield Row(place, "", {}, "it has no host name")
        elif not isinstance(base, str) or not base:
            yield Row(place, name, {}, f"no site has its number {number}")
        else:
            yield Row(place, name, {"site": base, **({"boot_state": state} if isinstance(state, str) else {})})


def _read_number(found: Mapping[str, Any], name: str) -> int | None:
    value = found.get(name)
    return value if isinstance(value, int) else None


def _call(session: HttpSession, method: str, *parameters: Any) -> list[Mapping[str, Any]]:
    """Return the list of structures that a method of the API answers; raise UsageFault for all else."""
    import xmlrpc.client

    body = xmlrpc.client.dumps(parameters, method, allow_none=True).encode()
    reply = session.request("POST", "/", {"Content-Type": "text/xml"}, body)
    session.require_ok(reply)
    where = f"{session.url}: {method}"
    try:
        found = _parse(reply.body)
    except xmlrpc.client.Fault as fault:
        from plabctl.http_session import clean_words

        raise UsageFault(f"{where}: refused: {clean_words(f'{fault.faultString} ({fault.faultCode})')}") from fault
    except UsageFault as fault:
        raise UsageFault(f"{where}: {fault}") from fault
    except Exception as error:  # the parser raises whatever the conversion of a value does
        kind = reply.content_type or "nothing that it names"
        raise UsageFault(f"{where}: answered {kind} that is no XML-RPC: is this the URL of the API?") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UsageFault(f"{where}: answered something else than a list of structures")
    return found


def _parse(body: bytes) -> object:
    """Return the value in an answer. A document type is refused, since entities are declared in one."""
    import xml.parsers.expat
    from xmlrpc.client import Unmarshaller

    if body.count(b"<") > _MAX_TAGS:
        raise UsageFault(f"answered XML with more than {_MAX_TAGS:,} tags")
    target = Unmarshaller(use_builtin_types=True)
    target.xml("", None)  # what the parser hands on is text already
    parser = xml.parsers.expat.ParserCreate(None, None)
    depth = 0

    def start(tag: str, attributes: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise UsageFault("answered XML that is nested too deeply")
        target.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        target.end(tag)

    def refuse(*_: object) -> None:
        raise UsageFault("answered XML with a document type, which no XML-RPC has")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = target.data
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(body, True)
    (value,) = target.close()
    return value
