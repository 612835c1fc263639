import pytest

from plabctl.counts import format_count


@pytest.mark.parametrize(("count", "words"), [(0, "0 nodes"), (1, "1 node"), (2, "2 nodes"), (1000, "1000 nodes")])
def test_only_one_is_in_the_singular(count: int, words: str) -> None:
    assert format_count(count, "node") == words
