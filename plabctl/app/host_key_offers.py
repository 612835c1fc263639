"""Host keys: ask nodes for theirs, compare with those we know, and remember what a person accepted.

I/O: the network, within the configured connect time-out for each node, and known_hosts.
Tests: `tests/cli/test_trust.py`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plabctl.app.context import App
from plabctl.core.model import Node
from plabctl.errors import PlabctlError
from plabctl.probes.host_keys import KnownHosts, trust_keys
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.probe_error import ProbeError

if TYPE_CHECKING:
    from plabctl.core.state import State

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class KeyOffer:
    """The keys that a node shows now, and those that we know; `fault` says why there are none, or not all."""

    node: str
    label: str = ""
    shown: tuple[HostKey, ...] = ()
    known: tuple[HostKey, ...] = ()
    unseen: tuple[str, ...] = ()
    """Kinds of keys that it has, too, and did not show."""
    fault: str = ""

    @property
    def is_known(self) -> bool:
        """Return whether all that it shows is what we know."""
        return bool(self.known) and set(self.known) >= set(self.shown)

    @property
    def is_changed(self) -> bool:
        """Return whether a key that we know is shown with other bytes, or not at all any more.

        Of a kind that was not shown this time nothing is known; but one of those that we know must be shown.
        """
        if not self.known:
            return False
        seen = {key for key in self.known if key.kind not in self.unseen}
        return not seen or not seen <= set(self.shown)


def fetch_offers(app: App, state: State, names: Sequence[str]) -> Iterator[KeyOffer]:
    """Ask the nodes for their keys, many at once, and yield what each offers, in the order in which they are named."""
    known = KnownHosts(app.settings.ssh.known_hosts, app.settings.origin.owners)
    try:
        known.load()
    except ProbeError as probe_error:
        raise PlabctlError(probe_error.reason) from probe_error
    waiting: queue.SimpleQueue[Node] = queue.SimpleQueue()
    done: queue.SimpleQueue[KeyOffer] = queue.SimpleQueue()
    nodes = [node for name in names if (node := state.node(name))]
    for node in nodes:
        waiting.put(node)

    def work() -> None:
        while not waiting.empty():
            try:
                node = waiting.get_nowait()
            except queue.Empty:  # another of us was quicker
                return
            done.put(_fetch_offer(app, node, known))

    _run_threads(work, min(_AT_ONCE, len(nodes)))
    came: dict[str, KeyOffer] = {}
    for node in nodes:
        while node.name not in came:
            offer = done.get()
            came[offer.node] = offer
        yield came[node.name]


def _run_threads(work: Callable[[], None], count: int) -> None:
    """Have so many threads do `work`; where no more are to be had those that there are, or else this one."""
    for number in range(count):
        try:
            threading.Thread(target=work, daemon=True).start()
        except RuntimeError:
            if not number:
                work()
            return


def _fetch_offer(app: App, node: Node, known: KnownHosts) -> KeyOffer:
    from plabctl.probes.scan_host_keys import scan_node

    try:
        label, scan = scan_node(node, app.settings.ssh, app.clock)
    except PlabctlError as error:
        return KeyOffer(node.name, fault=str(error))
    except Exception as error:  # noqa: BLE001 - a thread that died would leave its asker waiting for ever
        return KeyOffer(node.name, fault=f"its host key cannot be fetched: {error}")
    for key in scan.keys:
        if known.is_revoked(label, key):
            fault = f"'{node.name}' shows the host key {key.fingerprint}, which is revoked in known_hosts"
            return KeyOffer(node.name, fault=f"{fault}; the node needs a new one")
    return KeyOffer(node.name, label, tuple(scan.keys), known.find(label), scan.unseen, scan.fault)


def accept_keys(app: App, offers: Sequence[KeyOffer]) -> None:
    """Remember the keys that these nodes show, in place of any others that they could have shown."""
    path = Path(app.settings.ssh.known_hosts)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PlabctlError(f"known_hosts '{path}' cannot be written: {error.strerror or error}") from error
    for offer in offers:
        kept = () if offer.is_changed else [key for key in offer.known if key.kind in offer.unseen]
        trust_keys(path, offer.label, (*offer.shown, *kept), app.settings.origin.owners)
