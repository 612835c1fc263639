"""What is wrong with a sink `apprise` that its table does not show: looked for by `config check` and `doctor`.

I/O: reads the file of URLs, and imports apprise to ask it about them.
Tests: `tests/sinks/test_apprise_config.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from plabctl.core.keys.formatting import quote, suggest
from plabctl.files.secret_file import find_readers
from plabctl.sinks.apprise_keys import AppriseOptions
from plabctl.sinks.apprise_urls import MISSING, explain_url, has_secret, read_urls
from plabctl.sinks.service_notices import find_zone

if TYPE_CHECKING:
    from plabctl.core.settings import Settings


def find_faults(options: AppriseOptions, settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with each key, in words without secrets, and what to do."""
    yield from _find_url_faults("url", options.url)
    if options.url_file:
        try:
            urls = read_urls(options.url_file, settings.origin.owners)
        except ValueError as why:
            yield "url_file", f"{options.url_file}: {why}"
        else:
            yield from _find_url_faults("url_file", urls)
    if any(map(has_secret, options.url)) and (others := find_readers(os.stat(settings.path))):
        advice = f"put it into a url_file, or run: chmod 600 '{settings.path}'"
        yield "url", f"has a secret, and {others} may read '{settings.path}'; {advice}"
    for pool, _ in options.minimum:
        if pool not in settings.pools:
            yield "minimum", f"no pool {quote(pool)}{suggest(pool, settings.pools)}"
        elif pool not in settings.good_pools:
            yield "minimum", f"no node of pool {quote(pool)} is ever usable"
    try:
        find_zone(options.time_zone)
    except ValueError as error:
        yield "time_zone", f"{error}; see: ls /usr/share/zoneinfo"


def _find_url_faults(key: str, urls: Sequence[str]) -> Iterator[tuple[str, str]]:
    try:
        faults = [why for url in urls if (why := explain_url(url))]
    except ImportError:
        faults = [MISSING]
    yield from ((key, why) for why in dict.fromkeys(faults))
