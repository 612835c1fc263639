"""What all tests share: tests that need a machine of a certain kind say so by a mark, and are skipped with a reason."""

import pytest
from hypothesis import settings

from tests.lab import needs

# A slow machine is no fault of the code: how long an example takes decides nothing.
settings.register_profile("plabctl", deadline=None)
settings.load_profile("plabctl")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark, missing in (("lab", needs.for_lab), ("sshd", needs.for_sshd)):
            if item.get_closest_marker(mark) and (reason := missing()):
                item.add_marker(pytest.mark.skip(reason=reason))
