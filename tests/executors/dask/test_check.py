"""What `doctor` says of the sites of nodes and of workers; the rest is asked of real ones in `test_cluster`."""

import pytest

from plabctl.executors.dask.check import check_sites


@pytest.mark.parametrize(
    ("there", "second_opinion", "told"),
    [
        (["north", "south"], True, []),
        (["north"], False, ["there is no worker at site 'south', which has 2 nodes"]),
        (
            ["north"],
            True,
            [
                "there is no worker at site 'south', which has 2 nodes",
                "all workers are at site 'north': no failure can be looked at from another",
            ],
        ),
        ([], True, ["no worker can be used: nothing is tested"]),
    ],
)
def test_sites_without_a_worker_are_told(there: list[str], told: list[str], *, second_opinion: bool) -> None:
    remarks = list(check_sites(there, {"north": 1, "south": 2, "": 1}, second_opinion=second_opinion))

    assert [remark.text for remark in remarks] == told
    assert all(remark.advice for remark in remarks)
