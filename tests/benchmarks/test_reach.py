"""A peer that hangs or fails costs its own rows and no others."""

import asyncio
from pathlib import Path

from tests.benchmarks.measure import Contestant, Run, Sample, alternate
from tests.benchmarks.reach import LEFT_OUT, compare_naps, pair_naps
from tests.benchmarks.stub import Gate


class Session:
    def __init__(self) -> None:
        self.is_gone = False

    def is_closing(self) -> bool:
        return self.is_gone


def test_of_a_peer_whose_first_run_fails_the_others_count(tmp_path: Path) -> None:
    marks: list[float] = []
    argv = ("sh", "-c", 'test -e "$1" || { : > "$1"; exit 1; }', "sh", str(tmp_path / "ran"))
    peer = Contestant("peer", argv, after=lambda: marks.append(7.0), optional=True)

    results = alternate([peer], 2, warm_up=False)
    naps = pair_naps(marks, results["peer"].values(), 5.0)

    assert list(results["peer"]) == [1]
    assert [nap.began_at for nap in naps] == [7.0]


def test_without_any_run_of_plain_fabric_its_rows_are_not_measured() -> None:
    samples = (Sample(2.0, 0.5, 8), Sample(4.0, 0.75, 8))
    own = pair_naps([0.0], [Run(6.0, 1.0, 50.0, 0, "", 6.0, samples)], 5.0)

    *compared, threads = compare_naps(own, [], 4)

    assert [(row.ratio, row.yardstick, row.met) for row in compared] == [(None, LEFT_OUT, None)] * 2
    assert threads.met


def test_sessions_of_a_client_that_was_killed_do_not_open_the_gate(tmp_path: Path) -> None:
    async def check() -> None:
        gate, dead = Gate(tmp_path), Session()
        killed = asyncio.create_task(gate.pass_with(2, dead))
        await asyncio.sleep(0)
        dead.is_gone = True
        first = asyncio.create_task(gate.pass_with(2, Session()))
        await asyncio.sleep(0.01)
        assert not first.done(), "it was counted together with one that is gone"
        await asyncio.wait_for(gate.pass_with(2, Session()), 10)
        await asyncio.gather(first, killed)

    asyncio.run(check())
