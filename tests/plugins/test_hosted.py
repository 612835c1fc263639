"""Kinds of plug-ins as kinds like the built-in ones: on which side they are, and what they take, also when broken."""

from pathlib import Path

import pytest

from tests.plugins.packages import place
from tests.plugins.test_plugins import Shop

SUBCLASS = "from plabctl.core.pools.{base} import {name}\nclass It({name}): pass\n"
POINTS = {"plabctl.pools strange": "It"}
ON_THE_SIDE_OF_GOOD = """
[pool.offered]
kind = "strange"
{keys}
[pool.bad]
kind = "bad"
"""
ON_THE_SIDE_OF_BAD = """
[pool.good]
kind = "good"
[pool.waiting]
kind = "strange"
{keys}
"""


@pytest.mark.parametrize("is_broken", [False, True], ids=["sound", "broken"])
@pytest.mark.parametrize(
    ("text", "config", "keys", "leaves"),
    [
        (SUBCLASS.format(base="good", name="GoodPool"), ON_THE_SIDE_OF_GOOD, 'on_fail = "bad"', "bad"),
        (SUBCLASS.format(base="good", name="GoodPool"), ON_THE_SIDE_OF_GOOD, "confirm = 2", "bad"),
        (SUBCLASS.format(base="bad", name="BadPool"), ON_THE_SIDE_OF_BAD, 'on_pass = "good"', "good"),
        (SUBCLASS.format(base="bad", name="BadPool"), ON_THE_SIDE_OF_BAD, "", "good"),
    ],
)
def test_its_side_and_its_keys_are_those_of_the_class_it_is_one_of(
    tmp_path: Path, text: str, config: str, keys: str, leaves: str, is_broken: bool
) -> None:
    text = f"{text}raise OSError\n" if is_broken else text
    site = place(tmp_path / "site", "strange", text, POINTS)
    shop = Shop(tmp_path, site, f'state_dir = "state"\n{config.format(keys=keys)}')

    said = shop.run("config", "check")

    name = "offered" if "offered" in config else "waiting"
    assert (said.code, "cannot be used: OSError" in said.err) == ((78, True) if is_broken else (0, False)), said
    assert 'kind = "strange"' in shop.ok("config", "show")
    assert f"to {leaves} " in shop.ok("pool", "show", name) or is_broken
