import re
from dataclasses import fields, replace
from pathlib import Path

from plabctl.config.kind_name import find_kind_name
from plabctl.config.sample import build_sample
from plabctl.config.schema import ROOT
from plabctl.core.keys.table import Table
from plabctl.core.settings import Settings
from plabctl.kinds import POINTS, builtin_kinds, builtin_names
from tests.config.loading import load_text

NUMBER = re.compile(r"(?<![\w./-])\d[\w.]*")
EXAMPLES = {"key", "command", "quiet", "minimum"}
"""Keys that have digits in their example, and no number as a default."""
COMPARED = [field.name for field in fields(Settings) if field.name != "digest"]


def uncommented(text: str) -> str:
    """The sample with every key set: in it, `#key` is a key and `# word` a comment; of executors the default alone."""
    first, _, rest = text.partition("\n#[executor]\n")
    text = f"{first}\n{rest.partition(chr(10) * 2)[2]}"
    return "\n".join(
        line[1:] if line.startswith("#") and line[1:2] not in {" ", ""} else line for line in text.split("\n")
    )


def topics(table: Table) -> dict[str, Table]:
    """The table, those in it and those of its kinds, by topic; of the stages the one with the most keys."""
    found = {table.topic: table}
    if kind_name := find_kind_name(table):
        found |= {kind.keys.topic: kind.keys for kind in kind_name.builtin() if kind.keys.keys}
    for key in table.keys.values():
        for topic, inner in (topics(key.type) if isinstance(key.type, Table) else {}).items():
            found[topic] = max(found.get(topic, inner), inner, key=lambda each: len(each.keys))
    return found


def test_the_sample_means_the_defaults(tmp_path: Path) -> None:
    sampled, empty = load_text(tmp_path, build_sample()), load_text(tmp_path, "")

    assert [getattr(sampled, name) for name in COMPARED] == [getattr(empty, name) for name in COMPARED]


def test_a_constant_that_is_uncommented_is_still_the_default(tmp_path: Path) -> None:
    text = uncommented(build_sample()).replace('plugin_recipes = ["lxc"]', "")  # its example is a package's, not here
    text = text.replace("liveness = { between = 8 }", "")  # without it there are none
    text = text.replace('url_file = "/etc/plabctl/ping.url"', "")  # it stands in place of the url
    everything, empty = load_text(tmp_path, text), load_text(tmp_path, "")

    assert (everything.window, everything.max_load) == (empty.window, empty.max_load)
    assert everything.pools == empty.pools
    assert (everything.flap, everything.guard) == (empty.flap, empty.guard)
    assert replace(everything.ssh, user="", key="", agent_socket="", jump=(), host_ca=(), known_hosts="") == replace(
        empty.ssh, known_hosts=""
    )
    assert everything.recipes["mine"].teardown is not None
    assert [each.kind for each in everything.inventories] == list(builtin_names("inventory"))
    assert [each.kind for each in everything.sinks] == ["command", "slurm", "textfile", "ping", "apprise"]
    assert [each.on for each in everything.all_sinks] == [(), ("transition",), (), (), (), (), ("transition",)]


def test_every_key_stands_in_the_sample() -> None:
    lines = [line.lstrip("#").partition(" = ")[0] for line in build_sample().split("\n")]

    for topic, table in topics(ROOT).items():
        for name, key in table.keys.items():
            if topic not in {"backoff", "liveness", "stage"} and not isinstance(key.type, Table):
                assert name in lines


def test_chosen_keys_are_set_in_it(tmp_path: Path) -> None:
    settings = load_text(tmp_path, build_sample({"ssh.key": '"/keys/id"', "window": "3", "pool.good.confirm": "1"}))

    assert (settings.ssh.key, settings.window, settings.pools["good"].quick_retests) == ("/keys/id", 3, 1)


def test_every_key_and_table_is_described() -> None:
    for topic, table in topics(ROOT).items():
        assert "." in topic or table.text, topic
        for name, key in table.keys.items():
            assert (key.text and key.example) or (table is ROOT and isinstance(key.type, Table)), f"{topic}.{name}"


def test_every_kind_that_may_be_chosen_is_described() -> None:
    for point in POINTS:
        for kind in builtin_kinds(point):
            assert kind.help or getattr(kind, "is_record", False), f"{point} {kind.name}"


def test_every_default_number_in_it_names_its_reason() -> None:
    table = comment = ""
    told: dict[tuple[str, str], str] = {}
    numbers: set[tuple[str, str, str]] = set()
    for line in build_sample().split("\n"):
        key, _, value = line.lstrip("#").partition(" = ")
        if line.startswith("# "):
            comment += line[1:]
            continue
        if line.lstrip("#").startswith("["):
            table = line.strip("#[]").partition(".")[0]
        elif value and key not in EXAMPLES:
            told.setdefault((table, key), f"{comment} ")
            numbers |= {(table, key, number) for number in NUMBER.findall(value)}
        comment = ""

    assert len(numbers) > 25
    for table, key, number in numbers:
        assert " because " in told[table, key], key
        assert re.search(rf"[ ,]{re.escape(number)}[ ,]", told[table, key]), (table, key, number)
