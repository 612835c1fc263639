"""Several ticks and people at once, interleaved step by step, any of them dying, stalling or failing at any step.

I/O: none but threads. One episode after the other is played from the seed and its number, each in a world of its own
(`tests.torture.interleaving`), the product's own code on a kernel, machines and a clock that are not real, so that a
step costs next to nothing and each run with a seed is the same run. After every step it is checked whether all that is
promised still holds, and at the end of an episode, when all is well again, whether all that was begun was finished.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

from tests.torture.finding import Finding, none_of
from tests.torture.interleaving.episode import Episode
from tests.torture.options import TortureOptions

STEPS = 6_000_000
SHORT_STEPS = 30_000
CHAOS = 8000
PROCESSES = 2


@dataclass(slots=True)
class Score:
    """What episodes came to."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def run(options: TortureOptions) -> list[Finding]:
    """Play episodes until there were enough steps."""
    score = _side_by_side(options) if options.whole else play(options.seed, 0, 1, SHORT_STEPS, CHAOS // 4)
    counts = score.counts
    steps = f"{counts['steps']:,}"
    return [
        none_of("a promise was broken", score.broken, f"{counts['episodes']} episodes"),
        Finding("steps, each followed by all checks", steps, "at least a million", counts["steps"] >= 1_000_000)
        if options.whole
        else Finding("steps, each followed by all checks", steps),
        Finding("processes that were killed", f"{counts['killed']:,}"),
        Finding("commits", f"{counts['commits']:,}"),
        Finding("probes begun", f"{counts['probes']:,}, of which {counts['checks']:,} liveness checks"),
        Finding("moves between pools", f"{counts['moves']:,}"),
        Finding("times that the clock was set", f"{counts['clock']:,}"),
    ]


def play(seed: int, first: int, stride: int, steps: int, chaos: int) -> Score:
    """Play the episodes `first`, `first + stride`, ... until `steps` are reached."""
    score = Score()
    number = first
    while score.counts["steps"] < steps:
        broken = play_one(seed, number, chaos, score.counts)
        if broken:
            score.broken.append(broken)
        number += stride
    return score


def play_one(seed: int, number: int, chaos: int, counts: Counter[str]) -> str:
    """Play one episode and add to `counts`; return what broke and the last steps before, nothing if all was well."""
    episode = Episode(f"{seed} {number}")
    broken = ""
    try:
        episode.run(chaos)
    except Exception as error:  # noqa: BLE001 - whatever breaks is a finding
        again = f"python -m tests.torture.interleave {seed} {number} {chaos}"
        broken = f"{type(error).__name__}: {error}\nagain by: {again}\n{episode.step_log}"
    counts.update(episode.counts())
    counts["episodes"] += 1
    return broken


def _side_by_side(options: TortureOptions) -> Score:
    """Play in a process for each core, as threads of one share one."""
    share = STEPS // PROCESSES
    command = [sys.executable, "-m", "tests.torture.interleave", str(options.seed)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    players = [
        subprocess.Popen(
            [*command, str(first), str(CHAOS), str(share)], stdout=subprocess.PIPE, text=True, env=environment
        )
        for first in range(PROCESSES)
    ]
    score = Score()
    for player in players:
        output, _ = player.communicate()
        lines, _, broken = output.partition("\n\n")
        score.counts.update({name: int(count) for name, count in (line.split() for line in lines.splitlines())})
        if broken or player.returncode:
            score.broken.append(broken or f"it ended with {player.returncode}")
    return score


def main(words: list[str]) -> int:
    """Play one episode, or with a fourth word as many as have so many steps, and print what came of it."""
    seed, number, chaos, *steps = map(int, words)
    if steps:
        score = play(seed, number, PROCESSES, steps[0], chaos)
    else:
        score = Score()
        score.broken = [broken] if (broken := play_one(seed, number, chaos, score.counts)) else []
    print("\n".join(f"{name} {count}" for name, count in sorted(score.counts.items())), end="\n\n")
    print("\n".join(score.broken), end="")
    return 0


if __name__ == "__main__":
    random.seed(0)
    sys.exit(main(sys.argv[1:]))
