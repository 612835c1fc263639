"""Tests that get into each other's way run one after the other."""

import os

import pytest


@pytest.mark.xdist_group("lab")
def test_the_tests_of_a_group_are_sent_to_one_process(request: pytest.FixtureRequest) -> None:
    # pytest-xdist goes by the end of the name, which it can give only to the versions of pytest that it knows.
    in_parallel = "PYTEST_XDIST_WORKER" in os.environ

    assert request.node.nodeid.endswith("@lab") is in_parallel
