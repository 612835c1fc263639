"""What NetBox answers: devices as version 4 has them, or version 3, filtered and page by page as its sources say.

Pure. `tests.lab.recording_server` sends it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.lab.recording_server import Answer, Request

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PAGE, MOST = 50, 1000
"""PAGINATE_COUNT and MAX_PAGE_SIZE as they are where nobody sets them."""


def make_device(number: int, *, version: int = 4, **fields: Any) -> dict[str, Any]:
    """Return a device with all the parts by which lists are read, and some of the many others."""
    base = "http://netbox/api"
    role = {"id": 2, "url": f"{base}/dcim/device-roles/2/", "display": "Compute", "name": "Compute", "slug": "compute"}
    device = {
        "id": number,
        "url": f"{base}/dcim/devices/{number}/",
        "display": f"pc{number}",
        "name": f"pc{number}",
        "device_type": {"id": 3, "display": "R650", "manufacturer": {"id": 1, "slug": "dell"}, "slug": "r650"},
        "role": role,
        "tenant": None,
        "platform": {"id": 1, "display": "Debian 12", "name": "Debian 12", "slug": "debian-12"},
        "serial": "",
        "asset_tag": None,
        "site": {"id": 7, "url": f"{base}/dcim/sites/7/", "display": "Oslo", "name": "Oslo", "slug": "oslo"},
        "location": None,
        "rack": {"id": 9, "display": "R 4", "name": "R 4"},
        "position": 12.0,
        "status": {"value": "active", "label": "Active"},
        "primary_ip": {"id": number, "family": {"value": 4, "label": "IPv4"}, "address": f"192.0.2.{number % 250}/24"},
        "oob_ip": None,
        "comments": "line one\nline two",
        "local_context_data": None,
        "tags": [{"id": 1, "display": "plab", "name": "plab", "slug": "plab", "color": "9e9e9e"}],
        "custom_fields": {"ssh_port": None, "owner": None},
        "created": "2026-01-01T00:00:00Z",
        **fields,
    }
    if version == 3:
        device["device_role"] = device.pop("role")
        device["primary_ip"] = {"id": number, "family": 4, "address": f"192.0.2.{number % 250}/24"}
    return device


def answer_json(found: object, status: int = 200) -> Answer:
    """Return an answer as Django's REST framework gives it."""
    return Answer(json.dumps(found).encode(), status, {"Content-Type": "application/json"})


def make_netbox(
    devices: list[dict[str, Any]],
    *,
    token: str = TOKEN,
    most: int = MOST,
    scheme: str = "Token",
    is_filtered: bool = True,
) -> Callable[[Request], Answer]:
    """Return what answers as a NetBox that has these devices; one that is not filtered ignores every filter."""

    def answer(request: Request) -> Answer:
        if token and request.headers.get("Authorization") != f"{scheme} {token}":
            return answer_json({"detail": "Invalid token"}, 403)
        if request.path != "/api/dcim/devices/":
            return Answer(b"<html><title>404 Not Found</title></html>", 404, {"Content-Type": "text/html"})
        query = request.query
        found = [device for device in devices if not is_filtered or _is_wanted(device, query)]
        limit = min(int(query.get("limit", [str(PAGE)])[0]) or most, most)
        offset = int(query.get("offset", ["0"])[0])
        end = offset + limit
        # As behind a proxy that does not say by which name it was asked.
        link = f"http://10.0.0.1:8001{request.path}?limit={limit}&offset={end}" if end < len(found) else None
        return answer_json({"count": len(found), "next": link, "previous": None, "results": found[offset:end]})

    return answer


def _is_wanted(device: dict[str, Any], query: dict[str, list[str]]) -> bool:
    """Return whether the filters of a query pass a device; like NetBox, ignore those that are not known."""
    own = {"site": device["site"]["slug"], "status": device["status"]["value"]}
    own["role"] = device["device_role" if "device_role" in device else "role"]["slug"]
    tags = {tag["slug"] for tag in device["tags"]}
    return {*query.get("tag", [])} <= tags and all(own[name] in query[name] for name in own.keys() & query.keys())
