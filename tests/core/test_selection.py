"""NODES: names, globs and pools mean what they say, and nothing is never something."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.experiments.model import Experiment
from plabctl.core.names import fold_name
from plabctl.core.selection import find_nearest, read_plain_names, select_nodes, split_words
from plabctl.core.state import Changes
from plabctl.errors import NoSuchNode, NoSuchPool
from plabctl.nodesets import fold_nodeset
from plabctl.values import replace
from tests.builders import NOW, make_member, make_node, make_settings, make_state
from tests.memory_state import MemoryState
from tests.test_nodesets import NAMES

STATE = make_state(
    make_member("pc1.example.org"),
    make_member("pc2.example.org"),
    make_member("lab7", "bad"),
    make_member("2001:db8::1"),
)
BOTH = make_settings()
SETTINGS = replace(BOTH, pools={**BOTH.pools, "spare": replace(BOTH.pools["bad"], name="spare")})


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
    selection = select_nodes(words, STATE, SETTINGS, NOW)

    assert list(selection.names) == names
    assert selection.is_broad is is_broad


@pytest.mark.parametrize("word", ["pc1.exmaple.org", "x*", "@spare", "LAB8"])
def test_a_word_for_nothing_is_an_error(word: str) -> None:
    with pytest.raises(NoSuchNode) as caught:
        select_nodes([word], STATE, SETTINGS, NOW)

    assert repr(word.removeprefix("@")) in str(caught.value)
    assert caught.value.hint


def test_one_good_word_does_not_hide_a_bad_one() -> None:
    with pytest.raises(NoSuchNode):
        select_nodes(["lab7", "nope"], STATE, SETTINGS, NOW)


@pytest.mark.parametrize("words", [[], [","], [" "]])
def test_no_word_is_an_error(words: list[str]) -> None:
    with pytest.raises(NoSuchNode):
        select_nodes(words, STATE, SETTINGS, NOW)


def test_a_glob_for_nothing_is_said_to_match_nothing() -> None:
    with pytest.raises(NoSuchNode, match=r"no node matches 'pc9\*'"):
        select_nodes(["pc9*"], STATE, SETTINGS, NOW)


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(NoSuchNode) as caught:
        select_nodes(["pc1.exmaple.org"], STATE, SETTINGS, NOW)

    assert "'pc1.example.org'" in caught.value.hint


def test_an_unknown_pool_is_told_apart_from_an_empty_one() -> None:
    with pytest.raises(NoSuchPool) as caught:
        select_nodes(["@god"], STATE, SETTINGS, NOW)

    assert "'good'" in caught.value.hint


def test_nodes_of_a_pool_that_the_configuration_lost_can_be_named() -> None:
    only_bad = replace(BOTH, pools={"bad": BOTH.pools["bad"]})

    assert select_nodes(["@good"], STATE, only_bad, NOW).names


def test_a_glob_as_long_as_it_likes_ends() -> None:
    with pytest.raises(NoSuchNode):
        select_nodes(["*a" * 2000 + "!"], STATE, SETTINGS, NOW)


def test_nothing_like_it_means_none() -> None:
    assert find_nearest("zzz", ["good", "bad"]) is None


MANY = tuple(f"n{number}" for number in range(1, 21))
RACKS = MemoryState(
    Changes(
        nodes=tuple(make_node(name, rack=str(number % 2)) for number, name in enumerate(MANY, 1)),
        members=tuple(
            make_member(name, "bad" if name == "n20" else "good", fail_streak=int(name == "n3")) for name in MANY
        ),
    )
)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["n[10-12]"], ["n10", "n11", "n12"]),
        (["n[1,3-4],n7"], ["n1", "n3", "n4", "n7"]),
        (["N[1-2]"], ["n1", "n2"]),
        (["n[1-2]*"], [*(f"n{number}" for number in range(10, 20)), "n1", "n2", "n20"]),
        (["rack=1", "!n[1-9],!n1[1-7]"], ["n19"]),
        (["!rack=1", "!n[2-18]"], ["n20"]),
        (["@usable", "!n[4-19]"], ["n1", "n2"]),
        (["n[1-3]", "!@bad", "!n2"], ["n1", "n3"]),
    ],
)
def test_sets_labels_and_exclusions_mean_nodes(words: list[str], names: list[str]) -> None:
    selection = select_nodes(words, RACKS, BOTH, NOW)

    assert sorted(selection.names) == sorted(names)
    assert selection.is_broad


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("n[19-22]", "no node is named 'n[21-22]', of 'n[19-22]'"),
        ("n[3-1]", "'n[3-1]' is not a set of nodes: "),
        ("n[1-", "'n[1-' is not a set of nodes: "),
        ("n[abc]", "'n[abc]' is not a set of nodes: "),
        ("n[1-99999999]", "more than 100,000 names"),
        ("n[1-1000]-[1-1000]", "more than 100,000 names"),
        ("rack=7", "no node has rack=7"),
        ("row=7", "no node has a label 'row'"),
        ("n[1-2]&n1", "only numbers and ranges of numbers may stand in brackets"),
    ],
)
def test_a_set_or_a_label_for_nothing_is_an_error(word: str, said: str) -> None:
    with pytest.raises(NoSuchNode) as caught:
        select_nodes([word], RACKS, BOTH, NOW)

    assert said in str(caught.value)
    assert caught.value.hint


def test_what_is_left_out_must_be_known_and_may_be_empty() -> None:
    assert select_nodes(["n1", "!@spare"], RACKS, SETTINGS, NOW).names == ("n1",)
    with pytest.raises(NoSuchPool):
        select_nodes(["n1", "!@spar"], RACKS, SETTINGS, NOW)
    with pytest.raises(NoSuchNode):
        select_nodes(["n1", "!n99"], RACKS, SETTINGS, NOW)


def test_when_all_is_left_out_nothing_is_meant() -> None:
    with pytest.raises(NoSuchNode, match="no node is left"):
        select_nodes(["n1", "!n[1-2]"], RACKS, BOTH, NOW)


def test_a_pool_called_usable_is_that_pool() -> None:
    settings = replace(BOTH, pools={**BOTH.pools, "usable": replace(BOTH.pools["bad"], name="usable")})

    with pytest.raises(NoSuchNode, match="no node is in pool 'usable'"):
        select_nodes(["@usable"], RACKS, settings, NOW)


@given(st.sets(NAMES, min_size=1, max_size=30))
def test_what_is_folded_means_the_same_nodes(names: set[str]) -> None:
    state = make_state(*map(make_member, {fold_name(name): name for name in names}.values()))

    assert set(select_nodes([fold_nodeset(list(state.names()))], state, BOTH, NOW).names) == set(state.names())


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("bad", "for the nodes in that pool: @bad"),
        ("usable", "for the nodes that are usable: @usable"),
        ("web", "for the nodes of that experiment: plabctl experiment show web"),
        ("PC1", "the full name is 'pc1.example.org'"),
        ("pc", "is it one of pc.lab, pc.net?"),
    ],
)
def test_what_may_have_been_meant_is_told(word: str, hint: str) -> None:
    state = make_state(*map(make_member, ("pc1.example.org", "pc.lab", "pc.net")))
    state.experiments["web"] = Experiment("web", "process", "ada", NOW)

    with pytest.raises(NoSuchNode) as caught:
        select_nodes([word], state, BOTH, NOW)

    assert (str(caught.value), caught.value.hint, caught.value.word) == (f"no node is named {word!r}", hint, word)


@given(st.lists(st.text("n12-[],!@=*? " + "rack" + "\u00b2\u0663\0", max_size=15) | st.text(max_size=5), max_size=4))
def test_any_words_mean_nodes_or_are_refused(words: list[str]) -> None:
    try:
        found = select_nodes(words, RACKS, BOTH, NOW)
    except (NoSuchNode, NoSuchPool):
        return
    assert found.names
    assert set(found.names) <= set(MANY)


def test_a_label_may_hold_several_values() -> None:
    state = MemoryState(Changes(nodes=(make_node("n1", roles="web,db"),), members=(make_member("n1"),)))

    assert select_nodes(["roles=db"], state, BOTH, NOW).names == ("n1",)


def test_a_list_of_very_many_names_is_split_at_once() -> None:
    words = [",".join(f"n{number}.example.org" for number in range(20_000))]

    began = time.process_time()

    assert len(split_words(words)) == len(read_plain_names(words) or ()) == 20_000
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("word", "parts"),
    [("n[1,3],x", ["n[1,3]", "x"]), ("n[1,3", ["n[1,3"]), ("a]b,c", ["a]b", "c"]), ("[1,2][3,4],", ["[1,2][3,4]"])],
)
def test_commas_in_brackets_do_not_split(word: str, parts: list[str]) -> None:
    assert split_words([word]) == parts
