"""The inventory `plcapi` against a server that answers as PlanetLab's, and against some that answer otherwise."""

import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.settings import InventorySettings
from plabctl.inventories.fetch import FetchResult, fetch
from tests.builders import make_inventory
from tests.lab.plc import NODES, PASSWORD, SITES, USER, XML, answer_fault, answer_value, make_plc
from tests.lab.recording_server import Answer, RecordingServer, Request, serve, write_certificate

HTML = {"Content-Type": "text/html"}
Ask = Callable[..., FetchResult]


@pytest.fixture(scope="module", name="server")
def running() -> Iterator[RecordingServer]:
    with serve(make_plc()) as server:
        yield server


@pytest.fixture(name="ask")
def asker(server: RecordingServer) -> Ask:
    def ask(answer: Callable[[Request], Answer], **options: Any) -> FetchResult:
        server.answer = answer
        server.requests.clear()
        return fetch(make_source(server.url, **options))

    return ask


@pytest.fixture(name="password")
def written(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


def make_source(url: str, **options: Any) -> InventorySettings:
    return make_inventory("plcapi", **{"url": f"{url}/PLCAPI/", **options})


def variables_of(found: FetchResult) -> dict[str, dict[str, str]]:
    assert not found.fault
    return {node.name: dict(node.variables) for node in found.reading.nodes}


def test_nodes_get_their_site_and_boot_state(ask: Ask, server: RecordingServer) -> None:
    assert variables_of(ask(make_plc())) == {
        "planetlab1.cs.example.edu": {"site": "example", "boot_state": "boot"},
        "planetlab2.cs.example.edu": {"site": "example", "boot_state": "reinstall"},
        "ple1.example.no": {"site": "uio", "boot_state": "boot"},
    }
    assert [xmlrpc.client.loads(request.body) for request in server.requests] == [
        (({"AuthMethod": "anonymous"}, {}, ["site_id", "login_base"]), "GetSites"),
        (
            ({"AuthMethod": "anonymous"}, {"peer_id": None}, ["node_id", "hostname", "boot_state", "site_id"]),
            "GetNodes",
        ),
    ]
    assert {request.headers["Content-Type"] for request in server.requests} == {"text/xml"}


def test_nodes_of_peers_are_listed_when_they_are_asked_for(ask: Ask) -> None:
    assert "far.example.jp" in variables_of(ask(make_plc(), peers=True))


def test_only_nodes_that_should_run_are_taken_by_match(ask: Ask) -> None:
    assert list(variables_of(ask(make_plc(), match=["boot_state=boot"]))) == [
        "planetlab1.cs.example.edu",
        "ple1.example.no",
    ]


def test_a_password_is_sent_from_its_file(ask: Ask, password: Path) -> None:
    assert variables_of(ask(make_plc(), user=USER, password_file=str(password)))
    password.write_text("wrong")
    assert ask(make_plc(), user=USER, password_file=str(password)).fault.endswith(
        "/PLCAPI/: GetSites: refused: GetSites: AuthenticationFailure: Failed to authenticate call (103)"
    )


def test_a_password_that_others_may_read_is_not_sent(ask: Ask, server: RecordingServer, password: Path) -> None:
    password.chmod(0o644)

    fault = ask(make_plc(), user=USER, password_file=str(password)).fault
    assert fault == f"{password}: not used: everybody may read it; run: chmod 600 '{password}'"
    assert server.requests == []


def test_a_node_whose_site_is_missing_stays_as_it_is(ask: Ask) -> None:
    reading = ask(make_plc(sites=SITES[1:])).reading

    assert [node.name for node in reading.nodes] == ["ple1.example.no"]
    assert reading.bad_names == {"planetlab1.cs.example.edu", "planetlab2.cs.example.edu"}
    assert "node 1: no site has its number 10" in reading.faults[0]


def test_a_node_without_a_name_costs_one(ask: Ask) -> None:
    reading = ask(make_plc([{**NODES[0], "hostname": None}, NODES[2]])).reading

    assert [node.name for node in reading.nodes] == ["ple1.example.no"]
    assert "node 1: it has no host name" in reading.faults[0]


@pytest.mark.parametrize("field", ["node_id", "hostname", "boot_state", "site_id"])
def test_fields_of_other_types_cost_the_node_or_a_label(ask: Ask, field: str) -> None:
    odd: tuple[Any, ...] = (None, True, 5, 1.5, "x", "", [], {}, [[5]], {"a": []})
    nodes = [{**NODES[0], "hostname": f"n{place}", field: each} for place, each in enumerate(odd)]
    sites = [*SITES, *({"site_id": each, "login_base": each} for each in odd)]

    reading = ask(make_plc(nodes, sites)).reading

    assert len(reading.nodes) + reading.bad_row_count == len(odd)


def xml(text: str) -> Answer:
    return Answer(f"<?xml version='1.0'?>{text}".encode(), 200, XML)


def bomb() -> Answer:
    lines = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
    value = "<methodResponse><params><param><value>&e9;</value></param></params></methodResponse>"
    return xml(f'<!DOCTYPE x [<!ENTITY e0 "lol">{lines}]>{value}')


def gigabyte(_: Request) -> Answer:
    def parts() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n"
        for _ in range(1024):
            yield b"<" * 1024**2

    return Answer(raw=parts)


WHOLE = answer_value([NODES[0]]).body
NO_XML = "GetSites: answered {} that is no XML-RPC: is this the URL of the API?"
WRONG: dict[str, tuple[Callable[[Request], Answer], str]] = {
    "a page": (lambda _: Answer(b"<html><p>Log in<br></html>", 200, HTML), NO_XML.format("text/html")),
    "half of the XML": (lambda _: Answer(WHOLE[: len(WHOLE) // 2], 200, XML), NO_XML.format("text/xml")),
    "no value": (lambda _: xml("<methodResponse/>"), NO_XML.format("text/xml")),
    "an odd number": (
        lambda _: xml("<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>"),
        NO_XML.format("text/xml"),
    ),
    "half an answer": (
        lambda _: Answer(WHOLE, 200, {"Content-Length": "9999", "Connection": "close"}),
        "broke off its answer",
    ),
    "a bad gateway": (lambda _: Answer(b"<html>502</html>", 502, HTML), "answered 502 Bad Gateway"),
    "a fault": (
        lambda _: answer_fault(102, "GetSites:\nInvalid argument"),
        "GetSites: refused: GetSites: Invalid argument (102)",
    ),
    "an odd fault": (lambda _: answer_fault(7, ["a", "b"]), "GetSites: refused: ['a', 'b'] (7)"),
    "a number": (lambda _: answer_value(5), "GetSites: answered something else than a list of structures"),
    "names": (lambda _: answer_value(["a", "b"]), "GetSites: answered something else than a list of structures"),
    "entities": (lambda _: bomb(), "GetSites: answered XML with a document type, which no XML-RPC has"),
    "depth": (
        lambda _: xml("<methodResponse>" + "<value><array><data>" * 50_000),
        "GetSites: answered XML that is nested too deeply",
    ),
    "many values": (
        lambda _: xml("<a>" * 8_000_001),
        "GetSites: answered XML with more than 8,000,000 tags",
    ),
    "a gigabyte": (gigabyte, "answered more than 64 MiB"),
    "nothing": (lambda _: Answer(raw=lambda: iter([])), "broke off its answer"),
    "a redirect": (
        lambda _: Answer(b"", 301, {"Location": "http://other/"}),
        "redirects to http://other/, which is not followed: is that its `url`?",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_list_is_told_in_one_line(ask: Ask, server: RecordingServer, what: str) -> None:
    answer, words = WRONG[what]

    found = ask(answer)

    assert found.fault == f"{server.url}/PLCAPI/: {words}"
    assert found.reading.nodes == ()


def test_a_server_that_does_not_answer_is_given_up(server: RecordingServer) -> None:
    server.answer = lambda _: time.sleep(2) or answer_value([])  # type: ignore[func-returns-value]

    fault = fetch(make_inventory("plcapi", url=f"{server.url}/PLCAPI/", timeout_s=0.2)).fault
    assert fault == f"{server.url}/PLCAPI/: did not answer within 0.2 s"


def test_an_authority_is_believed(tmp_path: Path) -> None:
    own = write_certificate(tmp_path / "own.pem")
    with serve(make_plc(), own) as server:
        assert variables_of(fetch(make_source(server.url, ca=str(own))))
        assert "its certificate is not believed" in fetch(make_source(server.url)).fault
