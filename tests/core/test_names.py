import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.names import MAX_NAME, build_sort_key, fold_name, is_alias, is_host, is_server, sort_names, split_hop

HOSTS = ["pc1", "PC1.lab", "web_1.lab", "_x", "x_", "casm_n0", "10.0.0.1", "2001:db8::1", "a-b.c-d", "a" * 63]
ALIASES = ["pc1-", "pc1..lab", "pc1.", "_-", "a" * 64, "a" * MAX_NAME]
NEITHER = [
    "",
    "-oProxyCommand=x",
    ".",
    "..",
    "a b",
    "a/b",
    "a;b",
    "é",
    "a:b",
    "fe80::1%eth0",
    "a" * (MAX_NAME + 1),
    "a\n",
    "@a",
    "!a",
    "a=b",
    "n[1]",
]


@pytest.mark.parametrize("text", HOSTS)
def test_a_host_name_has_letters_digits_hyphens_and_underscores(text: str) -> None:
    assert is_host(text)
    assert is_alias(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("pc1.lab", True),
        ("fe80::1%eth0", True),
        ("fe80::1%br-lan.5", True),
        ("fe80::1%", False),
        ("fe80::1%a b", False),
        ("fe80::1%$(x)", False),
        ("10.0.0.1%eth0", False),
        ("pc1%eth0", False),
    ],
)
def test_an_address_may_name_its_interface(text: str, *, is_one: bool) -> None:
    assert is_server(text) is is_one


@pytest.mark.parametrize("text", ALIASES)
def test_an_alias_need_not_be_one(text: str) -> None:
    assert not is_host(text)
    assert is_alias(text)


@pytest.mark.parametrize("text", NEITHER)
def test_what_could_be_taken_for_something_else_names_nothing(text: str) -> None:
    assert not is_host(text)
    assert not is_alias(text)


def test_names_are_compared_without_regard_to_case() -> None:
    assert fold_name("PC1.Lab") == fold_name("pc1.lAB") != fold_name("pc2.lab")


def test_numbers_sort_as_numbers() -> None:
    assert sort_names(["node10", "node9", "a", "node9b"]) == ["a", "node9", "node9b", "node10"]
    assert sort_names(["a", "10", "9"]) == ["9", "10", "a"]
    assert sort_names(["n01", "n1", "n2"]) == sort_names(["n2", "n1", "n01"]) == ["n01", "n1", "n2"]


@given(st.sampled_from("09.a").flatmap(lambda end: st.lists(st.from_regex(rf"[a-c][0-2]{{1,3}}{end}", fullmatch=True))))
def test_names_alike_are_in_the_same_order_as_any_others(names: list[str]) -> None:
    assert sort_names(names) == sorted(sorted(names), key=build_sort_key)


@given(st.lists(st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True)))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    assert sorted(sort_names(names)) == sorted(names)
    assert sort_names(reversed(names)) == sort_names(names)


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("gate", ("", "gate", None)),
        ("me@gate:2222", ("me", "gate", 2222)),
        ("a@b@gate", ("a@b", "gate", None)),
        ("[fd00::1]:2222", ("", "fd00::1", 2222)),
        ("me@[fd00::1]", ("me", "fd00::1", None)),
        ("fe80::1%eth0", ("", "fe80::1%eth0", None)),
        ("none", None),
        ("", None),
        ("@gate", None),
        ("-oProxyCommand=x@gate", None),
        ("gate:0", None),
        ("gate:65536", None),
        ("gate:ssh", None),
        ("gate:", None),
        ("[fd00::1", None),
        ("[fd00::1]x", None),
        ("[gate]:22", None),
        ("a,b", None),
        ("ga te", None),
    ],
)
def test_a_jump_host_has_user_host_and_port(text: str, hop: tuple[str, str, int | None] | None) -> None:
    assert split_hop(text) == hop
