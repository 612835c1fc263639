"""What exceptions say in a reason."""

import pytest

from plabctl.probes.probe_error import format_exception


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
