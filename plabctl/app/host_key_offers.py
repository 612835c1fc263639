"""Host keys: ask nodes for theirs, compare with those we know, and remember what a person accepted.

I/O: the network, within the configured connect time-out for each node, and known_hosts.
Tests: `tests/cli/test_trust.py`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from plabctl.app.context import App
from plabctl.core.model import Node
from plabctl.errors import PlabctlError
from plabctl.probes.cancellation import hang_up
from plabctl.probes.host_keys import KnownHosts, trust_keys
from plabctl.probes.known_hosts_lines import HostKey, strip_port
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.target import Target, Targets
from plabctl.probes.watchdog import Watchdog

if TYPE_CHECKING:
    from plabctl.core.state import State
    from plabctl.probes.ssh import Ssh
    from plabctl.probes.ssh_transport import NodeTransport
    from plabctl.probes.tunnel import Wire

_AT_ONCE = 32
_LOGIN_S = 5.0
"""How long a login may take that is made for the server's sake alone."""


@dataclass(frozen=True, slots=True)
class KeyOffer:
    """The keys that a node shows now, and those that we know; `fault` says why there are none, or not all."""

    node: str
    """The name of the node; of a jump host the words that name it."""
    label: str = ""
    shown: tuple[HostKey, ...] = ()
    known: tuple[HostKey, ...] = ()
    unseen: tuple[str, ...] = ()
    """Kinds of keys that it has, too, and did not show."""
    fault: str = ""
    is_jump_host: bool = False
    authority: HostKey | None = None
    """Whose certificate the node is accepted by, so that no key needs to be known."""
    remark: str = ""
    """Why its certificate is not good, with the certificate as subject."""

    @property
    def is_known(self) -> bool:
        """Return whether all that it shows is what we know, or an authority vouches for it."""
        return self.authority is not None or (bool(self.known) and set(self.known) >= set(self.shown))

    @property
    def is_changed(self) -> bool:
        """Return whether a key that we know is shown with other bytes, or not at all any more.

        Of a kind that was not shown this time nothing is known; but one of those that we know must be shown.
        """
        if not self.known or self.authority:
            return False
        seen = {key for key in self.known if key.kind not in self.unseen}
        return not seen or not seen <= set(self.shown)


def find_jump_hosts(app: App, names: Sequence[str], *, known_too: bool) -> list[Target]:
    """Return the jump hosts on the way to these nodes whose keys are not known, each with those before it.

    The nearest come first. One that may have a certificate is among them; with `known_too` those whose keys are known,
    too, as they may have changed.
    """
    known, targets, state = _load_known(app), Targets(app.settings.ssh), app.store.snapshot()
    found: dict[tuple[Target, ...], None] = {}
    for name in names:
        with suppress(ProbeError):  # it is told as that of the node
            if node := state.node(name):
                jumps = targets.find(node).jumps
                found.update(dict.fromkeys(jumps[: number + 1] for number in range(len(jumps))))
    hops = [replace(way[-1], jumps=way[:-1]) for way in sorted(found, key=len)]
    # An authority for all hosts says nothing of whether this one has a certificate: it is asked.
    return [hop for hop in hops if known_too or not (known.find(hop.label) or known.find(strip_port(hop.label)))]


def fetch_jump_host_offer(app: App, hop: Target) -> KeyOffer:
    """Ask a jump host for its keys, over those before it."""
    return _fetch_offer(app, f"jump host {hop.label}", lambda: hop, _load_known(app), _load_ssh(app))


def fetch_offers(app: App, state: State, names: Sequence[str]) -> Iterator[KeyOffer]:
    """Ask the nodes for their keys, many at once, and yield what each offers, in the order in which they are named."""
    known, targets, ssh = _load_known(app), Targets(app.settings.ssh), _load_ssh(app)
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
            done.put(_fetch_offer(app, node.name, partial(targets.find, node), known, ssh))

    _run_threads(work, min(_AT_ONCE, len(nodes)))
    came: dict[str, KeyOffer] = {}
    for node in nodes:
        while node.name not in came:
            offer = done.get()
            came[offer.node] = offer
        yield came[node.name]


def _load_known(app: App) -> KnownHosts:
    ssh = app.settings.ssh
    known = KnownHosts(ssh.known_hosts, app.settings.origin.owners, ssh.host_ca)
    try:
        known.load()
    except ProbeError as probe_error:
        raise PlabctlError(probe_error.reason) from probe_error
    return known


def _load_ssh(app: App) -> Ssh:
    """Return what connects to a target, over its jump hosts if it has some, and logs in."""
    from plabctl.probes.ssh import Ssh

    return Ssh(app.settings.ssh, app.clock, Watchdog(app.clock), app.settings.origin.owners)


def _run_threads(work: Callable[[], None], count: int) -> None:
    """Have so many threads do `work`; where no more are to be had those that there are, or else this one."""
    for number in range(count):
        try:
            threading.Thread(target=work, daemon=True).start()
        except RuntimeError:
            if not number:
                work()
            return


def _fetch_offer(app: App, name: str, find: Callable[[], Target], known: KnownHosts, ssh: Ssh) -> KeyOffer:
    from plabctl.probes.scan_host_keys import scan_target

    try:
        target = find()
        log_in = partial(_try_to_log_in, app, ssh, target)
        scan = scan_target(target, app.settings.ssh.connect_timeout_s, app.clock, ssh.dial, log_in, known)
    except PlabctlError as error:
        return KeyOffer(name, fault=str(error))
    except Exception as error:  # noqa: BLE001 - a thread that died would leave its asker waiting for ever
        return KeyOffer(name, fault=f"its host key cannot be fetched: {error}")
    return KeyOffer(
        name,
        target.label,
        tuple(scan.keys),
        known.find(target.label),
        scan.unseen,
        scan.fault,
        is_jump_host=not target.node,
        authority=scan.authority,
        remark=scan.remark,
    )


def _try_to_log_in(app: App, ssh: Ssh, target: Target, transport: NodeTransport, sock: Wire) -> bool:
    from plabctl.probes.login import Login

    alarm = ssh.watchdog.arm(app.clock.monotonic() + _LOGIN_S, partial(hang_up, sock))
    try:
        Login(target.user, ssh.identities.find(target.keys, target.rules), app.clock).authenticate(transport)
    except Exception:  # noqa: BLE001 - nobody needs the login, and the tests that follow say what is wrong with it
        return False
    finally:
        alarm.disarm()
    return True


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
