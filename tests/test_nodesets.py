import random
import time
from collections.abc import Callable, Collection

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.names import is_alias
from plabctl.core.selection import split_words
from plabctl.nodesets import (
    MAX_NODES,
    _expand_plainly,
    _fold,
    _fold_plainly,
    expand_nodelist,
    expand_nodeset,
    fold_nodeset,
)

_PIECES = st.sampled_from(("a", "pc", "-", "_", ".", "0", "00", "1", "2", "9", "10", "017", "123456789012345678901234"))
NAMES = st.one_of(
    st.lists(_PIECES, min_size=1, max_size=6).map("".join).filter(is_alias),
    st.integers(0, 99).map("fe80::{:x}".format),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=4).map(str),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n[10-12]", ["n10", "n11", "n12"]),
        ("n[01-03].lab", ["n01.lab", "n02.lab", "n03.lab"]),
        ("n[1-9/4,20]", ["n1", "n5", "n9", "n20"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("n[1-2]4", ["n14", "n24"]),
        ("fe80::[9-10]", ["fe80::9", "fe80::10"]),
        ("x-5000000-[1-2]", ["x-5000000-1", "x-5000000-2"]),
        ("n[20261128000001-20261128000002]", ["n20261128000001", "n20261128000002"]),
    ],
)
def test_a_set_is_expanded_as_clustershell_does(text: str, names: list[str]) -> None:
    assert sorted(expand_nodeset(text)) == sorted(names)


@given(
    st.sampled_from(("n", "pc-", "r1n", "x.", "")),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=4),
    st.sampled_from(("", ".lab", "-a1")),
)
def test_what_is_expanded_without_clustershell_is_what_it_would_be(
    head: str, ranges: list[tuple[int, int, int]], tail: str
) -> None:
    parts = [f"{first:0{width}}" + (f"-{first + more:0{width}}" if more else "") for first, more, width in ranges]
    text = f"{head}[{','.join(parts)}]{tail}"
    names = _expand_plainly(text)

    if names is not None:
        assert names == [str(name) for name in NodeSet(text, resolver=RESOLVER_NOGROUP)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["n[1-2],x7", "y"], ["n1", "n2", "x7", "y"]),
        (["n[1,3],m[01-02].lab"], ["n1", "n3", "m01.lab", "m02.lab"]),
        (["r[1-2]n[1-2]"], None),
        (["n[1-2", "x"], None),
        ([","], []),
    ],
)
def test_lists_of_schedulers_are_expanded(words: list[str], names: list[str] | None) -> None:
    assert expand_nodelist(words) == names


@pytest.mark.parametrize("text", ["n[1-4]", "pc[01-12].lab", "r1n[3,1,7-9]", "n[5]"])
def test_what_schedulers_write_needs_no_clustershell(text: str) -> None:
    assert _expand_plainly(text) == [str(name) for name in NodeSet(text, resolver=RESOLVER_NOGROUP)]


@pytest.mark.parametrize(
    "text",
    ["n[", "n]", "n[]", "n[3-1]", "n[1-", "n[abc]", "n[*]", "n[[1-2]]", "n[1-2]]", "n[01-100]", "n[1-3/0]", "n[1]&n[2]",
     "n[1-3]!n[2]", "n[1-3]^n2", "@all[1-2]", f"n[1-{'9' * 5000}]", "[" * 100_000, "[1]" * 30_000],
)  # fmt: skip
def test_what_is_no_set_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+") as caught:
        expand_nodeset(text)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "text",
    [f"n[1-{MAX_NODES + 1}]", "n[1-99999999999]", "n[1-1000]-[1-1000]", "[-1000000000-1]", f"n[{'1-60000,' * 2}1]"],
)
def test_too_many_are_refused_before_they_are_made(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="more than 100,000 names"):
        expand_nodeset(text)

    assert time.process_time() - began < 0.1


@given(st.text("n019-,/[] \t:%*", max_size=20))
def test_any_text_is_a_set_or_refused(text: str) -> None:
    try:
        found = expand_nodeset(text)
    except ValueError:
        return
    assert all(type(name) is str for name in found)


@pytest.mark.parametrize("digits", [101, 250])
def test_a_number_too_long_to_fold_by_is_left_as_it_is(digits: int) -> None:
    name = f"n{'9' * digits}"

    assert fold_nodeset([name]) == name
    assert fold_nodeset([name, "x1", "n01", "x2", "n1"]).count(name) == 1


@given(st.sets(NAMES, min_size=1, max_size=40))
def test_what_is_folded_unfolds_to_the_same_names(names: set[str]) -> None:
    parts = split_words([fold_nodeset(names)])

    assert sorted(name for part in parts for name in (expand_nodeset(part) if "[" in part else [part])) == sorted(names)


@given(
    st.sets(st.integers(0, 30) | st.integers(0, 10**9 - 1), min_size=1),
    st.sets(st.sampled_from(["pc", "", "x-", "a."]), min_size=1),
    st.sampled_from([0, 9]),
)
def test_what_is_folded_without_clustershell_is_what_it_would_be(
    numbers: set[int], begins: set[str], width: int
) -> None:
    for end in ("", ".lab"):
        names = [f"{begin}{number:0{width}}{end}" for number in numbers for begin in begins] + ["login", "x"]
        assert _fold_plainly(names) == str(NodeSet.fromlist(names, resolver=RESOLVER_NOGROUP))


@pytest.mark.parametrize(
    "names",
    [
        *([], ["x"], ["pc01"], ["pc1", "x1"], ["pc1a2"], ["pc1", "pc"], ["10.0.0.1", "10.0.0.2"]),
        ["b1", "a1", "a2", "c1x", "c2x", "c10", "PC1"],
        ["r1n1", "r1n2", "r2n1", "r3n5", "r3n6", "r3n7"],
        ["r1n1", "r2n1", "r1n2", "r2n2", "r9n1", "x", "a1b1", "a1"],
        [f"r{n // 40}n{n % 40:02}.lab" for n in range(300)],
        [f"c{n % 2}r{n // 16}n{n // 2 % 8}" for n in range(80)],
    ],
)
def test_some_names_with_several_numbers_fold_alike(names: list[str]) -> None:
    assert _fold_plainly(names) == str(NodeSet.fromlist(names, resolver=RESOLVER_NOGROUP))


@pytest.mark.parametrize("names", ["pc1 pc01", "00 x 0", "r9n08 r9n9 x", "pc1234567890", "fe80::1"])
def test_what_is_harder_to_fold_is_left_to_clustershell(names: str) -> None:
    assert _fold_plainly(names.split()) is None


def test_names_with_two_numbers_in_no_order_fold_in_a_tenth_of_the_time() -> None:
    rng = random.Random(4)
    names = [f"r{n // 40}n{n % 40}.lab" for n in range(1000) if rng.random() < 0.7]

    def measure(fold: Callable[[Collection[str]], str]) -> float:
        began = time.process_time()
        assert len(fold(names)) < 1400
        return time.process_time() - began

    assert min(measure(fold_nodeset) for _ in range(5)) < min(measure(_fold) for _ in range(3)) / 3


def test_numbers_fold() -> None:
    assert fold_nodeset([f"pc{number}.lab" for number in range(1, 13)]) == "pc[1-12].lab"
    assert fold_nodeset([f"pc{number:02}" for number in range(1, 13)]) == "pc[01-12]"
    assert fold_nodeset(["x", "n2", "n1"]) == "n[1-2],x"
    assert fold_nodeset([]) == ""


@pytest.mark.parametrize("form", ["a{0}b{1}c{2}d{3}e{4}f{5}", "r{5}n{6}"])
def test_sets_without_order_do_not_take_very_long(form: str) -> None:
    rng = random.Random(4)
    names = {form.format(*(rng.randrange(size) for size in (7, 11, 13, 17, 5, 2000, 2000))) for _ in range(1000)}

    began = time.process_time()
    folded = fold_nodeset(names)

    assert time.process_time() - began < 1.0, "as one set it takes 2 to 5 seconds"
    assert sorted(name for part in split_words([folded]) for name in expand_nodeset(part)) == sorted(names)


def test_a_large_grid_folds_in_both_ways() -> None:
    assert fold_nodeset([f"pc{n}.site{site}" for n in range(1, 301) for site in range(1, 9)]) == "pc[1-300].site[1-8]"
    assert fold_nodeset([f"site{site}pc{n}" for n in range(1, 301) for site in range(1, 9)]) == "site[1-8]pc[1-300]"
