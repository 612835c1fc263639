"""What the API of a PlanetLab answers: `GetNodes` and `GetSites`, with the filters and fields that it is asked for.

Pure. `tests.lab.recording_server` sends it.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable
from typing import Any, cast

from tests.lab.recording_server import Answer, Request

USER, PASSWORD = "ada@example.org", "open & <sesame>"
XML = {"Content-Type": "text/xml"}
NODES: list[dict[str, Any]] = [
    {"node_id": 1, "hostname": "planetlab1.cs.example.edu", "site_id": 10, "boot_state": "boot", "peer_id": None},
    {"node_id": 2, "hostname": "planetlab2.cs.example.edu", "site_id": 10, "boot_state": "reinstall", "peer_id": None},
    {"node_id": 3, "hostname": "ple1.example.no", "site_id": 11, "boot_state": "boot", "peer_id": None},
    {"node_id": 4, "hostname": "far.example.jp", "site_id": 12, "boot_state": "boot", "peer_id": 2},
]
SITES: list[dict[str, Any]] = [
    {"site_id": 10, "login_base": "example", "name": "Example University", "is_public": True, "latitude": 59.9},
    {"site_id": 11, "login_base": "uio", "name": "Oslo", "is_public": True, "latitude": None},
    {"site_id": 12, "login_base": "plj", "name": "Japan", "is_public": True, "latitude": 35.7},
]


def answer_value(value: Any) -> Answer:
    """Return an answer of XML-RPC."""
    return Answer(xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode(), 200, XML)


def answer_fault(code: int, text: Any) -> Answer:
    """Return a refusal as XML-RPC has it: with the status of a success."""
    return Answer(xmlrpc.client.dumps(xmlrpc.client.Fault(code, text), methodresponse=True).encode(), 200, XML)


def make_plc(nodes: list[dict[str, Any]] = NODES, sites: list[dict[str, Any]] = SITES) -> Callable[[Request], Answer]:
    """Return what answers as a PlanetLab that has these nodes and sites."""

    def answer(request: Request) -> Answer:
        if request.path != "/PLCAPI/":
            return Answer(b"<html>nothing here</html>", 404, {"Content-Type": "text/html"})
        parameters, method = xmlrpc.client.loads(request.body)
        auth, wanted, fields = cast("tuple[Any, Any, Any]", parameters)
        if auth not in (
            {"AuthMethod": "anonymous"},
            {"AuthMethod": "password", "Username": USER, "AuthString": PASSWORD},
        ):
            return answer_fault(103, f"{method}: AuthenticationFailure: Failed to authenticate call")
        rows = {"GetNodes": nodes, "GetSites": sites}[str(method)]
        found = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
        return answer_value([{name: row[name] for name in fields} for row in found])

    return answer
