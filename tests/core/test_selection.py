"""NODES: names, globs and pools mean what they say, and nothing is never something."""

import pytest

from plabctl.core.selection import find_nearest, select_nodes
from plabctl.errors import NoSuchNode, NoSuchPool
from tests.builders import make_member, make_state

STATE = make_state(
    make_member("pc1.example.org"),
    make_member("pc2.example.org"),
    make_member("lab7", "bad"),
    make_member("2001:db8::1"),
)
POOLS = ("good", "bad", "spare")


@pytest.mark.parametrize(
    ("words", "names", "is_broad"),
    [
        (["lab7"], ["lab7"], False),
        (["lab7", "lab7"], ["lab7"], False),
        (["pc2.example.org,lab7"], ["lab7", "pc2.example.org"], False),
        ([" lab7 , "], ["lab7"], False),
        (["2001:db8::1"], ["2001:db8::1"], False),
        (["pc*"], ["pc1.example.org", "pc2.example.org"], True),
        (["pc[1]*"], ["pc1.example.org"], False),
        (["pc?.example.org"], ["pc1.example.org", "pc2.example.org"], True),
        (["@bad"], ["lab7"], False),
        (["@good"], ["2001:db8::1", "pc1.example.org", "pc2.example.org"], True),
        (["pc*,lab7"], ["lab7", "pc1.example.org", "pc2.example.org"], True),
        (["LAB7", "lab7"], ["lab7"], False),
        (["PC?.Example.*"], ["pc1.example.org", "pc2.example.org"], True),
        (["*"], ["2001:db8::1", "lab7", "pc1.example.org", "pc2.example.org"], True),
    ],
)
def test_words_mean_nodes(words: list[str], names: list[str], is_broad: bool) -> None:
    selection = select_nodes(words, STATE, POOLS)

    assert list(selection.names) == names
    assert selection.is_broad is is_broad


@pytest.mark.parametrize("word", ["pc1.exmaple.org", "x*", "@spare", "LAB8"])
def test_a_word_for_nothing_is_an_error(word: str) -> None:
    with pytest.raises(NoSuchNode) as caught:
        select_nodes([word], STATE, POOLS)

    assert repr(word.removeprefix("@")) in str(caught.value)
    assert caught.value.hint


def test_one_good_word_does_not_hide_a_bad_one() -> None:
    with pytest.raises(NoSuchNode):
        select_nodes(["lab7", "nope"], STATE, POOLS)


@pytest.mark.parametrize("words", [[], [","], [" "]])
def test_no_word_is_an_error(words: list[str]) -> None:
    with pytest.raises(NoSuchNode):
        select_nodes(words, STATE, POOLS)


def test_a_glob_for_nothing_is_said_to_match_nothing() -> None:
    with pytest.raises(NoSuchNode, match=r"no node matches 'pc9\*'"):
        select_nodes(["pc9*"], STATE, POOLS)


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(NoSuchNode) as caught:
        select_nodes(["pc1.exmaple.org"], STATE, POOLS)

    assert "'pc1.example.org'" in caught.value.hint


def test_an_unknown_pool_is_told_apart_from_an_empty_one() -> None:
    with pytest.raises(NoSuchPool) as caught:
        select_nodes(["@god"], STATE, POOLS)

    assert "'good'" in caught.value.hint


def test_nodes_of_a_pool_that_the_configuration_lost_can_be_named() -> None:
    assert select_nodes(["@good"], STATE, ("bad",)).names


def test_a_glob_as_long_as_it_likes_ends() -> None:
    with pytest.raises(NoSuchNode):
        select_nodes(["*a" * 2000 + "!"], STATE, POOLS)


def test_nothing_like_it_means_none() -> None:
    assert find_nearest("zzz", ["good", "bad"]) is None
