"""What exceptions say in a reason."""

import pytest

from plabctl.probes.probe_error import format_exception, format_wait


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (ValueError("Embedded null byte"), "embedded null byte"),
        (EOFError(), "the connection ended"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_exception_is_told_in_words(error: BaseException, said: str) -> None:
    assert format_exception(error) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.52, "0.5 s"), (1.04, "1 s"), (5.96, "6 s"), (6.14, "6 s"), (120.4, "120 s")]
)
def test_waits_with_the_same_time_out_read_the_same(seconds: float, said: str) -> None:
    assert format_wait(seconds) == said
