"""The sink `apprise`: notices to people, by mail, chat or whatever else the library of that name can reach.

I/O. What is told is decided in `plabctl.core.notices` from what is so now and what each service was told; it is sent by
processes of their own (`plabctl.sinks.notice_delivery`), so that no tick waits for a service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from plabctl.core.event_kinds import PLACE_KINDS
from plabctl.sinks.apprise_keys import KEYS, AppriseOptions, find_name, find_options
from plabctl.sinks.base import Scene, SinkContext, SyncResult, SyncSinkKind

if TYPE_CHECKING:
    from plabctl.core.settings import Settings, SinkSettings


class AppriseKind(SyncSinkKind):
    """Services that reach people, each of which is told what it was not told yet."""

    name = "apprise"
    help = "notices to people by mail, chat and a hundred other services; see notices.md"
    keys = KEYS
    place_keys = ("url", "url_file", "name", "match", "on")
    reaches_people = True
    least_pause_s = 60.0
    begins_with_tick = False
    looks_on = frozenset({*PLACE_KINDS, "guard-on", "guard-off", "fault", "fault-over"})

    def check(self, given: Mapping[str, Any], defaults: AppriseOptions) -> Iterator[tuple[str, str]]:
        """Refuse a sink without URLs."""
        if "url" not in given and "url_file" not in given:
            yield "url", "missing, allowed: a URL here, or in the file that url_file names"
        if given.get("remind", defaults.remind_s) > given.get("remind_at_most", defaults.longest_s):
            yield "remind", "longer than remind_at_most, allowed: at most that"

    def identify(self, own: SinkSettings) -> str:
        """Return the name: all else may be secret."""
        return find_name(own)

    def describe(self, own: SinkSettings) -> str:
        """Return the name."""
        return f"notices to {find_name(own)!r}"

    def list_named_files(self, options: AppriseOptions) -> Iterator[tuple[str, bool]]:
        """Yield the file with the URLs."""
        if options.url_file:
            yield options.url_file, True

    def find_faults(self, own: SinkSettings, settings: Settings) -> Iterator[tuple[str, str]]:
        """Yield what could only be found out when something is to be sent, by key."""
        from plabctl.sinks.apprise_check import find_faults

        return find_faults(find_options(own), settings)

    def suggest_name(self, own: SinkSettings) -> str:
        """Return the name."""
        return find_name(own)

    def try_out(self, own: SinkSettings, scene: Scene, context: SinkContext) -> Iterator[tuple[str, str]]:
        """Send a test to each service and wait for it, one after the other."""
        from plabctl.sinks.service_notices import try_services

        return try_services(own, scene, context)

    def sync(
        self,
        own: SinkSettings,
        scene: Scene,
        timeout_s: float,
        context: SinkContext,
        *,
        is_rehearsal: bool = False,
    ) -> SyncResult:
        """Begin to tell each service what it is to be told now."""
        from plabctl.sinks.service_notices import tell_services

        return tell_services(self.describe(own), own, scene, timeout_s, context, is_rehearsal=is_rehearsal)


APPRISE = AppriseKind()
