"""Honest nodes among many that lie in every way: how long they wait, and what the process takes.

I/O: a real sshd, the servers of `tests.lab.attacks`, and `besieged` in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.lab import requirements
from tests.lab.hostile_servers import HostileServers
from tests.lab.sshd import Sshd
from tests.torture.finding import Finding, none_of
from tests.torture.honest_among_hostile import HONEST
from tests.torture.options import TortureOptions

missing = requirements.for_sshd

RATIO = 3.0
"""How much longer the honest nodes may take in such company than alone."""
PEAK_KIB = 150 * 1024


def run(options: TortureOptions) -> list[Finding]:
    """Test them alone and together, and return how that went."""
    liars, honest = options.count(300, 60), options.count(20, 6)
    found = _besieged(options, liars, honest)
    alone_s, together_s = found["alone"]["honest_s"], found["together"]["honest_s"]
    said: dict[str, dict[str, int]] = found["together"]["said"]
    wronged = [text for part in ("alone", "together") for text in found[part]["said"][HONEST] if text != "pass None: "]
    missed = [
        f"{kind}: {text}"
        for kind, counts in said.items()
        for text in counts
        if kind != HONEST and not text.startswith("fail ")
    ]
    ratio = together_s / alone_s
    return [
        none_of(f"verdicts on {honest} honest nodes that were wrong", wronged, str(honest)),
        none_of(f"liars of {len(said) - 1} kinds that were not caught", missed, str(liars)),
        Finding(
            f"times as long until the last of {honest} honest nodes has its verdict, among {liars} liars",
            f"{ratio:.1f} ({alone_s} s, {together_s} s)",
            f"{RATIO:g}",
            ratio <= RATIO,
        ),
        Finding("MiB that the process took", f"{found['kib'] / 1024:.0f}", "150", found["kib"] <= PEAK_KIB),
        Finding("seconds of processor time for all of them", f"{found['cpu_s']}"),
    ]


def _besieged(options: TortureOptions, liars: int, honest: int) -> dict[str, Any]:
    with Sshd(options.folder / "sshd", totals=False) as sshd, HostileServers(options.folder / "liars") as servers:
        known = options.folder / "known_hosts"
        known.write_text(sshd.known_hosts() + servers.known_hosts.read_text())
        given = {
            "user": sshd.user,
            "key": str(sshd.key),
            "known_hosts": str(known),
            "honest": sshd.port,
            "honest_count": honest,
            "liars": list(servers.ports.items()),
            "liar_count": liars,
            "seed": options.seed,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.torture.honest_among_hostile"],
            input=json.dumps(given),
            stdout=subprocess.PIPE,
            text=True,
            timeout=280,
            check=True,
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result
