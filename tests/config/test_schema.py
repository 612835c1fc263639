import math
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.config.kind_name import KindName
from plabctl.config.load import examine
from plabctl.config.locate import BaseDir
from plabctl.config.policy_keys import FLAP, GUARD
from plabctl.config.pool_keys import BACKOFF
from plabctl.config.schema import ROOT
from plabctl.config.ssh_keys import SSH
from plabctl.core.keys.formatting import describe_value, format_exact_duration, format_size, parse_size, quote, suggest
from plabctl.core.keys.table import Table
from plabctl.core.keys.types import Choice, Duration, Flag, Number, Size, ValueType, Whole
from plabctl.core.names import is_endpoint
from plabctl.durations import parse_duration
from plabctl.kinds import find_builtin
from tests.config.loading import load_text
from tests.config.test_sample import topics

SCALARS = {
    f"{topic}.{name}": (key.type, key.example)
    for topic, table in topics(ROOT).items()
    for name, key in table.keys.items()
    if not isinstance(key.type, Table)
}


def values_of(kind: ValueType, example: str) -> st.SearchStrategy[str]:
    """Values that `kind` allows, as TOML; the example where they cannot be made up."""
    made: st.SearchStrategy[str] = st.just(example)
    match kind:
        case Whole() | Size():
            made = st.integers(kind.least, kind.most).map(kind.format)
        case Number():
            made = st.floats(kind.least, kind.most).map(str)
        case Flag():
            made = st.booleans().map(kind.format)
        case Duration():
            made = st.integers(math.ceil(kind.least_s * 1000), int(kind.most_s * 1000)).map(
                lambda ms: kind.format(ms / 1000)
            )
        case KindName():
            made = st.sampled_from([quote(each.name) for each in kind.builtin()])
        case Choice():
            made = st.sampled_from([quote(str(word)) for word in kind.words])
    return made


def subsets(table: Table) -> st.SearchStrategy[dict[str, str]]:
    """Any subset of the keys of `table` that hold no table, with allowed values as TOML."""
    optional = {
        name: values_of(key.type, key.example)
        for name, key in table.keys.items()
        if not isinstance(key.type, Table) and name != "plugin_recipes"  # which must name what is installed
    }
    return st.fixed_dictionaries({}, optional=optional)


def written(header: str, keys: dict[str, str]) -> str:
    return "\n".join([header, *(f"{name} = {value}" for name, value in keys.items()), ""])


def sane(backoff: dict[str, str]) -> bool:
    """Whether base is at most max, which is not a matter of one key alone."""
    kind = find_builtin("backoff", backoff.get("kind", '"additive"').strip('"'))
    defaults = kind.default(is_good=True)
    base = parse_duration(backoff["base"].strip('"')) if "base" in backoff else defaults.base_s
    longest = parse_duration(backoff["max"].strip('"')) if "max" in backoff else defaults.max_s
    return base <= longest


@given(subsets(ROOT), subsets(SSH), subsets(FLAP), subsets(GUARD), subsets(BACKOFF).filter(sane))
def test_any_subset_of_valid_keys_loads(
    root: dict[str, str], ssh: dict[str, str], flap: dict[str, str], guard: dict[str, str], backoff: dict[str, str]
) -> None:
    parts = [written("", root | ({"entry_pool": '"good"'} if "entry_pool" in root else {}))]
    parts += [written("[ssh]", ssh), written("[flap]", flap), written("[guard]", guard)]
    parts += ["[pool.bad]\n[pool.good]\n", written("[pool.good.backoff]", backoff)]

    with TemporaryDirectory() as folder:
        loaded = load_text(Path(folder), "\n".join(parts))

    assert loaded.window == int(root.get("window", "40"))
    assert loaded.ssh.port == int(ssh.get("port", "22"))
    assert loaded.flap.half_life_s == parse_duration(flap.get("half_life", '"6h"').strip('"'))
    assert loaded.pools["good"].backoff.jitter_s == parse_duration(backoff.get("jitter", '"1m"').strip('"'))
    assert loaded.entry_pool == ("good" if "entry_pool" in root else "bad")


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.datetimes()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=4,
)
names = st.one_of(
    st.sampled_from(sorted({name.rpartition(".")[2] for name in SCALARS} | set(ROOT.keys))), st.text(max_size=5)
)


@given(st.dictionaries(names, st.one_of(junk, st.dictionaries(names, st.one_of(junk, st.dictionaries(names, junk))))))
@settings(max_examples=30)
def test_no_document_breaks_the_reading_of_it(document: dict[str, Any]) -> None:
    _, faults = examine(document, BaseDir("/etc", "/root"))

    assert all(path.isprintable() and what.isprintable() for path, what in faults)


@pytest.mark.parametrize(("kind", "example"), SCALARS.values(), ids=SCALARS)
@given(data=st.data())
@settings(max_examples=25)
def test_a_value_survives_being_written(kind: ValueType, example: str, data: st.DataObject) -> None:
    toml = data.draw(values_of(kind, example))
    value: object = kind.read(tomllib.loads(f"x = {toml}")["x"])

    assert kind.read(tomllib.loads(f"x = {kind.format(value)}")["x"]) == value


@given(st.text())
def test_a_quoted_text_is_the_same_text_in_toml_and_inert(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()

    assert tomllib.loads(f"x = {quote(text)}")["x"] == text
    assert quote(text).isprintable()


@given(st.integers(0, 10**12))
def test_durations_and_sizes_are_written_without_loss(number: int) -> None:
    assert round(parse_duration(format_exact_duration(number / 1000)) * 1000) == number
    assert parse_size(format_size(number)) == number


def test_what_was_seen_is_told_briefly() -> None:
    assert describe_value("x" * 100_000) == '"' + "x" * 60 + '..."'
    assert describe_value("\x1b[31m") == '"\\u001b[31m"'
    assert (
        describe_value({}),
        describe_value([]),
        describe_value([1]),
        describe_value(1.5),
        describe_value(False),
    ) == (
        "a table",
        "an empty list",
        "a list",
        "1.5",
        "false",
    )


def test_the_nearest_word_is_offered_only_when_there_is_one() -> None:
    assert suggest("windw", ["window", "ssh"]) == ', did you mean "window"?'
    assert suggest("qqq", ["window", "ssh"]) == ""


def test_paths_are_taken_from_the_folder_of_the_file_and_from_home() -> None:
    base = BaseDir("/etc/plabctl", "/home/plab")

    assert [base.make_absolute(path) for path in ("/a/../b", "keys/id", "~/id", "~", "~other/id")] == [
        "/b", "/etc/plabctl/keys/id", "/home/plab/id", "/home/plab", "/etc/plabctl/~other/id"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gw:22", True),
        ("[::1]:65535", True),
        ("gw:0", False),
        ("gw:65536", False),
        (":22", False),
        ("-o:22", False),
        ("gw:", False),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(text: str, expected: bool) -> None:
    assert is_endpoint(text) is expected
