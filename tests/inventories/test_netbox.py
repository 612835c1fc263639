"""The inventory `netbox` against a server that answers as NetBox does, and against some that answer otherwise."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.keys.server_keys import is_server_url
from plabctl.core.settings import InventorySettings
from plabctl.inventories.fetch import FetchResult, fetch
from tests.builders import make_inventory
from tests.cli.console import CONFIG, Desk
from tests.lab.netbox import TOKEN, answer_json, make_device, make_netbox
from tests.lab.recording_server import Answer, RecordingServer, Request, serve, write_certificate

FILTER = (("role", ("compute",)),)
HTML = {"Content-Type": "text/html; charset=utf-8"}
MARGIN_S = 3.0


@pytest.fixture(scope="module", name="server")
def running() -> Iterator[RecordingServer]:
    with serve(make_netbox([])) as server:
        yield server


@pytest.fixture(name="token")
def written(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(name="ask")
def asker(server: RecordingServer, token: Path) -> Callable[..., FetchResult]:
    def ask(answer: Callable[[Request], Answer], **options: Any) -> FetchResult:
        server.answer = answer
        server.requests.clear()
        return fetch(make_source(server.url, token, **options))

    return ask


Ask = Callable[..., FetchResult]


def make_source(url: str, token: Path, **options: Any) -> InventorySettings:
    return make_inventory("netbox", **{"url": url, "token_file": str(token), "filter": FILTER, **options})


def variables_of(found: FetchResult) -> dict[str, dict[str, str]]:
    assert not found.fault
    return {node.name: dict(node.variables) for node in found.reading.nodes}


@pytest.mark.parametrize("version", [3, 4])
def test_a_device_becomes_a_node(ask: Ask, version: int) -> None:
    found = ask(make_netbox([make_device(1, version=version)]))

    assert variables_of(found) == {
        "pc1": {
            "site": "oslo",
            "rack": "R 4",
            "platform": "debian-12",
            "role": "compute",
            "status": "active",
            "tags": "plab",
            "ssh_host": "192.0.2.1",
        }
    }


def test_the_filter_the_token_and_nothing_else_is_sent(ask: Ask, server: RecordingServer) -> None:
    found = ask(make_netbox([make_device(1)]), filter=(("role", ("compute",)), ("tag", ("plab", "gpu"))))

    assert variables_of(found) == {}
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/api/dcim/devices/", b"")
    assert request.query == {
        "role": ["compute"],
        "tag": ["plab", "gpu"],
        "exclude": ["config_context"],
        "limit": ["250"],
        "offset": ["0"],
    }
    assert request.headers["Authorization"] == f"Token {TOKEN}"


def test_a_token_of_the_second_version_is_a_bearers(ask: Ask, token: Path) -> None:
    token.write_text("nbt_abc.def")

    assert variables_of(ask(make_netbox([make_device(1)], token="nbt_abc.def", scheme="Bearer")))


@pytest.mark.parametrize(("page_size", "most", "requests"), [(1000, 1000, 2), (1000, 500, 3), (50, 1000, 24)])
def test_all_pages_are_read(ask: Ask, server: RecordingServer, page_size: int, most: int, requests: int) -> None:
    devices = [make_device(number) for number in range(1, 1200)]

    found = ask(make_netbox(devices, most=most), page_size=page_size)

    assert len(found.reading.nodes) == 1199
    assert len(server.requests) == requests
    assert {request.headers["Host"] for request in server.requests} == {server.url.removeprefix("http://")}


def test_custom_fields_become_variables_when_they_are_named(ask: Ask) -> None:
    fields = {
        "ssh_port": 2222,
        "owner": {"id": 5, "name": "Ada"},
        "note": "two\nlines",
        "gpu": True,
        "uses": ["ml", "hpc"],
        "none": None,
        "unasked": "x",
    }
    found = ask(make_netbox([make_device(1, custom_fields=fields)]), custom_fields=("ssh_port", *list(fields)[1:6]))

    own = variables_of(found)["pc1"]
    assert {name: own[name] for name in own.keys() & fields.keys()} == {
        "ssh_port": "2222",
        "owner": "Ada",
        "gpu": "true",
        "uses": "ml,hpc",
    }


def test_a_device_without_a_name_is_no_node_and_a_bad_name_costs_one(ask: Ask) -> None:
    devices = [make_device(1), make_device(2, name=None), make_device(3, name="pc 3"), make_device(4, primary_ip=None)]

    reading = ask(make_netbox(devices)).reading

    assert [node.name for node in reading.nodes] == ["pc1", "pc4"]
    assert reading.bad_row_count == 1
    assert "device 3: 'pc 3' is neither a host name nor an address" in reading.faults[0]
    assert "device 2: it has no name" in reading.notes[0]


def test_a_filter_that_netbox_ignores_is_noticed(ask: Ask) -> None:
    devices = [make_device(1, custom_fields={"use": "Test bed"}), make_device(2, custom_fields={"use": "office"})]

    assert ask(make_netbox(devices[:1]), filter=(("cf_use", ("test",)),)).fault == ""
    assert ask(make_netbox(devices), filter=(("cf_use", ("test",)),)).fault.endswith(
        ": not believed: it does not filter by cf_use"
    )
    assert ask(make_netbox(devices), filter=(("cf_usage", ("test",)),)).fault.endswith(
        ": devices have no custom field 'usage'"
    )
    assert ask(make_netbox(devices), custom_fields=("usage",)).fault.endswith("no custom field 'usage'")


def page(devices: list[dict[str, Any]], total: object, link: str | None = None) -> Answer:
    return answer_json({"count": total, "next": link, "previous": None, "results": devices})


def by_offset(*pages: Answer) -> Callable[[Request], Answer]:
    """Return what answers with these pages in turn, the last one for ever."""
    left = list(pages)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def trickle(_: Request) -> Answer:
    def parts() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            time.sleep(0.05)
            yield b"X-A: b\r\n"

    return Answer(raw=parts)


def sleep(_: Request) -> Answer:
    time.sleep(2)
    return Answer()


def endless(_: Request) -> Answer:
    def parts() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n"
        for _ in range(1024):
            yield b" " * 1024**2

    return Answer(raw=parts)


ONE, TWO = [make_device(1)], [make_device(2)]
WRONG: dict[str, tuple[Callable[[Request], Answer], str]] = {
    "half a list": (by_offset(page(ONE, 2)), "not believed: it lists 1 of 2 devices"),
    "no further page": (by_offset(page(ONE, 2, "x"), page([], 2)), "not believed: it lists 1 of 2 devices"),
    "a loop": (
        by_offset(page(ONE, 9, "x")),
        "not believed: it lists a device twice: they changed in the meantime, or its pages are all the same",
    ),
    "a count that changes": (
        by_offset(page(ONE, 3, "x"), page(TWO, 2)),
        "not believed: it counted 3 devices and then 2: they changed in the meantime",
    ),
    "more than it counts": (
        by_offset(page(ONE, 1, "x")),
        "not believed: it lists more devices than the 1 that it counts",
    ),
    "far too many": (
        by_offset(page(ONE, 10**9, "x")),
        "not believed: it lists 1000000000 devices, at most 100000 are believed",
    ),
    "half a page": (
        lambda _: Answer(page(ONE, 1).body[:99], 200, {"Content-Length": "4000", "Connection": "close"}),
        "broke off its answer",
    ),
    "half of the JSON": (
        lambda _: Answer(page(ONE, 1).body[:99], 200, {"Content-Type": "application/json"}),
        "answered application/json that is no JSON: is this the URL of NetBox?",
    ),
    "a bad gateway": (lambda _: Answer(b"<html>502</html>", 502, HTML), "answered 502 Bad Gateway"),
    "a refusal": (lambda _: answer_json({"detail": "Token\n expired"}, 403), "answered 403 Forbidden: Token expired"),
    "a bad filter": (
        lambda _: answer_json({"role": ["Select a valid choice."]}, 400),
        "answered 400 Bad Request: role: Select a valid choice.",
    ),
    "a login page": (
        lambda _: Answer(b"<html>Log in</html>", 200, HTML),
        "answered text/html that is no JSON: is this the URL of NetBox?",
    ),
    "a redirect": (
        lambda _: Answer(b"", 302, {"Location": "https://login.example.org/?next=x"}),
        "redirects to https://login.example.org/?next=x, which is not followed: is that its `url`?",
    ),
    "other JSON": (
        lambda _: answer_json({"results": [{"id": "x"}], "count": 1}),
        "answered JSON that is no list of devices",
    ),
    "deep JSON": (
        lambda _: Answer(b"[" * 200_000, 200, {"Content-Type": "application/json"}),
        "answered application/json that is no JSON: is this the URL of NetBox?",
    ),
    "many values": (
        lambda _: Answer(b"[" + b"0," * 4_000_001, 200, {"Content-Type": "application/json"}),
        "more than 4,000,000 items are not a list of nodes",
    ),
    "no HTTP": (
        lambda _: Answer(raw=lambda: iter([b"SSH-2.0-OpenSSH_9.2\r\n"])),
        "answers by something that is not HTTP",
    ),
    "nothing": (lambda _: Answer(raw=lambda: iter([])), "broke off its answer"),
    "a gigabyte": (endless, "answered more than 64 MiB"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_whole_list_is_told_in_one_line(ask: Ask, server: RecordingServer, what: str) -> None:
    answer, words = WRONG[what]
    # Of a page as an object, the same one is sent again and again.
    found = ask(answer)

    assert found.fault == f"{server.url}: {words}"
    assert found.reading.nodes == ()
    assert TOKEN not in found.fault


@pytest.mark.parametrize("answer", [trickle, sleep], ids=["head by head", "silence"])
def test_a_server_that_takes_its_time_is_given_up(server: RecordingServer, token: Path, answer: Any) -> None:
    server.answer = answer
    began = time.monotonic()

    found = fetch(make_source(server.url, token, timeout_s=0.3))

    assert found.fault == f"{server.url}: did not answer within 0.3 s"
    assert time.monotonic() - began < 0.3 + MARGIN_S


DEEP: list[Any] = []
for _ in range(900):
    DEEP = [DEEP]
ODD: tuple[Any, ...] = (
    None,
    True,
    5,
    1.5,
    "x",
    "",
    [],
    {},
    [5],
    [{}],
    {"slug": 5, "name": 5, "value": [], "address": 7},
    DEEP,
)


def test_fields_of_other_types_cost_a_label_or_the_node(ask: Ask) -> None:
    devices = [make_device(0)]
    for field in ("name", "site", "rack", "role", "status", "tags", "primary_ip"):
        devices += [make_device(len(devices) + place, **{field: odd}) for place, odd in enumerate(ODD)]
    devices += [make_device(len(devices) + place, custom_fields={"own": odd}) for place, odd in enumerate(ODD)]
    for device in devices[: -len(ODD)]:
        device["custom_fields"] = {"own": "x"}

    reading = ask(make_netbox(devices, is_filtered=False), custom_fields=("own",)).reading

    assert len(reading.nodes) + reading.bad_row_count + reading.note_count == len(devices)
    assert ask(make_netbox(devices, is_filtered=False), filter=(("cf_own", ("x",)),)).fault.endswith("filter by cf_own")


def test_a_connection_that_ends_between_two_pages_is_made_anew(ask: Ask, server: RecordingServer) -> None:
    devices = [make_device(1), make_device(2)]
    netbox = make_netbox(devices)

    def answer(request: Request) -> Answer:
        found = netbox(request)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(found.body)}\r\n\r\n"
        return Answer(raw=lambda: iter([head.encode(), found.body]))

    assert list(variables_of(ask(answer, page_size=1))) == ["pc1", "pc2"]
    assert len(server.requests) == 2


def test_a_redirect_takes_the_token_nowhere(ask: Ask, server: RecordingServer) -> None:
    with serve(make_netbox([make_device(1)])) as other:
        found = ask(lambda request: Answer(b"", 301, {"Location": other.url + request.target}))

        assert "redirects to" in found.fault
        assert (len(server.requests), other.requests) == (1, [])


def test_a_server_that_is_not_there_is_a_fault(token: Path) -> None:
    with serve(make_netbox([])) as server:
        url = server.url

    assert fetch(make_source(url, token)).fault == f"{url}: cannot be reached: connection refused"
    assert "cannot be reached: " in fetch(make_source("http://no-such-host.invalid", token)).fault


def test_a_certificate_is_believed_by_its_authority_only(token: Path, tmp_path: Path) -> None:
    own, other = write_certificate(tmp_path / "own.pem"), write_certificate(tmp_path / "other.pem")
    with serve(make_netbox([make_device(1)]), own) as server:
        assert list(variables_of(fetch(make_source(server.url, token, ca=str(own))))) == ["pc1"]
        for ca in ("", str(other)):
            fault = fetch(make_source(server.url, token, ca=ca)).fault
            assert fault == f"{server.url}: its certificate is not believed: self-signed certificate"
        assert [request.method for request in server.requests] == ["GET"]
        other.write_text("nothing")
        assert fetch(make_source(server.url, token, ca=str(other))).fault == "`ca` has no certificate that can be read"


def test_a_server_without_tls_is_told(token: Path, server: RecordingServer) -> None:
    url = server.url.replace("http:", "https:")

    assert fetch(make_source(url, token)).fault.startswith(f"{url}: no TLS can be agreed on: ")


def test_a_token_that_others_may_read_is_not_sent(ask: Ask, server: RecordingServer, token: Path) -> None:
    token.chmod(0o644)

    assert ask(make_netbox([])).fault == f"{token}: not used: everybody may read it; run: chmod 600 '{token}'"
    assert server.requests == []


@pytest.mark.parametrize("text", ["", "\n", "a\nb", "\x1b[2J", "t\u00f6ken", "x" * 5000])
def test_what_is_no_token_is_not_sent(ask: Ask, server: RecordingServer, token: Path, text: str) -> None:
    token.write_text(text)

    assert ask(make_netbox([])).fault.startswith(f"{token}: not used: ")
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://netbox.example.org", True),
        ("http://127.0.0.1:8000/netbox/", True),
        ("https://[2001:db8::1]:8443", True),
        *[
            (text, False)
            for text in ("netbox", "ftp://a", "https://", "https://u:p@a", "https://a/?q=1", "https://a b")
        ],
        *[(text, False) for text in ("https://a:0", "https://a:99999", "https://[zz]", "https://a/\n", "https://a#b")],
    ],
)
def test_what_is_a_url(text: str, is_one: bool) -> None:
    assert is_server_url(text) is is_one


def test_a_netbox_that_fails_changes_nothing(server: RecordingServer, token: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    source = f'[[inventory]]\nkind = "netbox"\nurl = "{server.url}"\ntoken_file = "{token.name}"\nevery = "0"\n'
    desk.config.write_text(f'{CONFIG}{source}filter = {{ role = "compute", tag = ["plab"] }}\n')
    server.answer = make_netbox([make_device(number) for number in range(1, 13)])
    desk.ok("inventory", "sync")
    assert 'filter = { role = "compute", tag = "plab" }' in desk.ok("config", "show")
    before = desk.ok("status", "-o", "name").split()
    assert len(before) == 12

    drops = (by_offset(page(ONE, 1)), "lists 1 of its 12 nodes, so it is not believed yet")
    for answer, words in (WRONG["half a list"], WRONG["a bad gateway"], WRONG["a login page"], drops):
        server.answer = answer
        said = desk.run("inventory", "sync")
        assert (said.code, words in said.err, said.out, said.err.count("plabctl: ")) == (1, True, "", 1), said
        assert desk.ok("status", "-o", "name").split() == before
