"""What all tests share: tests that need a machine of a certain kind say so by a mark, and are skipped with a reason."""

import os
import signal
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.lab import needs

# A slow machine is no fault of the code: how long an example takes decides nothing.
settings.register_profile("plabctl", deadline=None)
settings.load_profile("plabctl")

# Whoever runs the tests in the background of a script lets them ignore Ctrl-C, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_trace_on_this_machine() -> Iterator[None]:
    """Keep what plabctl writes by default, such as which error it told last, out of the machine's own places."""
    before = os.environ.get("PLABCTL_STATE_DIR")
    with tempfile.TemporaryDirectory(prefix="plabctl-tests-") as folder:
        os.environ["PLABCTL_STATE_DIR"] = f"{folder}/state"
        yield
    os.environ.pop("PLABCTL_STATE_DIR")
    if before is not None:
        os.environ["PLABCTL_STATE_DIR"] = before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark, missing in (("lab", needs.for_lab), ("sshd", needs.for_sshd)):
            if item.get_closest_marker(mark) and (reason := missing()):
                item.add_marker(pytest.mark.skip(reason=reason))
