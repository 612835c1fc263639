"""Take apart what NetBox answers: pages of devices, and rows of nodes out of them.

Pure, but for what `HttpSession` says of an answer. A list that is not whole, or that NetBox did not filter as it was
asked to, is not believed.
Tests: `tests/inventories/test_netbox.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from plabctl.errors import UsageFault
from plabctl.http_session import HttpReply, HttpSession
from plabctl.inventories.reading import MAX_VALUE, Row, quote_text
from plabctl.inventories.row_parsers import refuse_many

Filter = tuple[tuple[str, tuple[str, ...]], ...]
"""The values that are wanted, by the name of the filter."""
_OBJECTS = {"site": "slug", "location": "slug", "rack": "name", "tenant": "slug", "platform": "slug"}
"""Which variable a related object becomes, and what of it."""
_OWN_FIELD = "cf_"


class Page(NamedTuple):
    """One page of devices."""

    total: int
    """How many devices there are on all pages."""
    has_next: bool
    devices: Sequence[Mapping[str, Any]]


def parse_page(session: HttpSession, reply: HttpReply) -> Page:
    """Return the page in an answer; raise UsageFault when it is an error, or no page."""
    refuse_many(reply.body.decode("utf-8", "replace"), session.url)
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    session.require_ok(reply, _find_message(found))
    if found is None:
        kind = reply.content_type or "nothing that it names"
        raise UsageFault(f"{session.url}: answered {kind} that is no JSON: is this the URL of NetBox?")
    count, devices = (found.get("count"), found.get("results")) if isinstance(found, dict) else (None, None)
    if not isinstance(count, int) or not isinstance(devices, list) or not all(map(_is_device, devices)):
        raise UsageFault(f"{session.url}: answered JSON that is no list of devices")
    return Page(count, found.get("next") is not None, devices)


def _find_message(found: object) -> str:
    """Return what an answer says is wrong: `detail`, or the first filter whose value is refused."""
    if not isinstance(found, dict) or "results" in found:
        return ""
    name, said = next(iter(found.items()), ("", ""))
    words = said[0] if isinstance(said, list) and said else said
    return str(words) if name == "detail" else f"{name}: {words}"


def _is_device(found: object) -> bool:
    return isinstance(found, dict) and isinstance(found.get("id"), int) and isinstance(found.get("custom_fields"), dict)


class Listing:
    """What was listed so far: each device once, of as many as there are from the first page to the last."""

    def __init__(self, url: str, most: int) -> None:
        self._url = url
        self._most = most
        self._total: int | None = None
        self._known: set[int] = set()

    @property
    def offset(self) -> int:
        """Return how many devices were listed."""
        return len(self._known)

    @property
    def is_complete(self) -> bool:
        """Return whether that is all of them."""
        return self.offset == self._total

    def add(self, page: Page) -> None:
        """Take the next page; raise UsageFault when it does not continue those before it."""
        if self._total is None:
            self._total = page.total
        ids = {device["id"] for device in page.devices}
        if page.total > self._most:
            raise self._refuse(f"lists {page.total} devices, at most {self._most} are believed")
        if page.total != self._total:
            raise self._refuse(f"counted {self._total} devices and then {page.total}: they changed in the meantime")
        if len(ids) < len(page.devices) or not ids.isdisjoint(self._known):
            raise self._refuse("lists a device twice: they changed in the meantime, or its pages are all the same")
        self._known |= ids
        if self.offset > page.total or (self.is_complete and page.has_next):
            raise self._refuse(f"lists more devices than the {page.total} that it counts")
        if not self.is_complete and not (page.devices and page.has_next):
            raise self._refuse(f"lists {self.offset} of {page.total} devices")

    def _refuse(self, words: str) -> UsageFault:
        return UsageFault(f"{self._url}: not believed: it {words}")


def list_rows(pages: Iterable[Page], where: str, wanted: Filter, custom_fields: Sequence[str]) -> Iterator[Row]:
    """Yield a row for each device; raise UsageFault for a custom field that there is none of."""
    by_field = {name.removeprefix(_OWN_FIELD): own for name, own in wanted if name.startswith(_OWN_FIELD)}
    for page in pages:
        for device in page.devices:
            for field in (*by_field, *custom_fields):
                if field not in device["custom_fields"]:
                    raise UsageFault(f"{where}: devices have no custom field {quote_text(field)}")
            for field, values in by_field.items():
                if not _has_one_of(device["custom_fields"][field], values):
                    raise UsageFault(f"{where}: not believed: it does not filter by {_OWN_FIELD}{field}")
            yield _parse_device(device, custom_fields)


def _parse_device(device: Mapping[str, Any], custom_fields: Sequence[str]) -> Row:
    place = f"device {device['id']}"
    name = device.get("name")
    if not isinstance(name, str) or not name:
        return Row(place, "", {}, note="it has no name")
    role = device.get("role") or device.get("device_role")  # its name until version 3.5
    found = {label: _read_part(device.get(label), part) for label, part in _OBJECTS.items()}
    found |= {"role": _read_part(role, "slug"), "status": _read_part(device.get("status"), "value")}
    tags = device.get("tags")
    found["tags"] = ",".join(_read_part(tag, "slug") for tag in tags) if isinstance(tags, list) else ""
    found["ssh_host"] = _read_part(device.get("primary_ip"), "address").partition("/")[0]
    found |= {field: _format_field(device["custom_fields"][field]) for field in custom_fields}
    return Row(place, name, {label: value for label, value in found.items() if value})


def _read_part(found: object, part: str) -> str:
    value = found.get(part) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def _format_field(value: object) -> str:
    """Return the value of a custom field as a variable has it; empty for what is none, such as several lines."""
    text = ",".join(map(_format_item, value)) if isinstance(value, list) else _format_item(value)
    return text if text.isprintable() and len(text) <= MAX_VALUE else ""


def _format_item(value: object) -> str:
    if isinstance(value, dict):
        return _read_part(value, "name") or _read_part(value, "display")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""


def _has_one_of(value: object, wanted: Sequence[str]) -> bool:
    """Return whether the value of a custom field may be what a filter asked for; NetBox looks for parts of texts."""
    items = value if isinstance(value, list) else [value]
    own = [str(each.get("id")) if isinstance(each, dict) else _format_item(each) for each in items]
    return any(each.casefold() in text.casefold() for each in wanted for text in own)
