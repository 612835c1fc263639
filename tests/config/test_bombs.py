"""Documents that are made to cost much: refused at once, in few words."""

import time
from pathlib import Path

import pytest

from plabctl.config.load import MAX_KEY_PARTS, load
from plabctl.config.locate import MAX_BYTES
from plabctl.config.read_document import MAX_FAULTS
from plabctl.errors import ConfigError
from plabctl.plugins import hosted
from plabctl.plugins.hosted import MAX_PLUGINS
from tests.config.loading import ENVIRON

CPU_S = 10.0
"""What a refusal may cost on a slow machine; a quiet one needs a second for the costliest."""
LONG = f"a key of more than {MAX_KEY_PARTS} parts is no key"
SIZE = MAX_BYTES - 4096


def many(form: str) -> str:
    """Return `form` as often as it fits, each with a number in place of `#`."""
    return "".join(form.replace("#", str(number)) for number in range(SIZE // (len(form) + 6)))


BOMBS: dict[str, tuple[str, str]] = {
    "key of 100,000 parts": ("window = 3\n" + "a." * 100_000 + "b = 1\n", f":2: {LONG}"),
    "with blanks": ("a . " * 100_000 + "b = 1\n", f":1: {LONG}"),
    "quoted": ('"a".' * 100_000 + "b = 1\n", f":1: {LONG}"),
    "in apostrophes": ("'a'." * 100_000 + "b = 1\n", f":1: {LONG}"),
    "with quotes in its parts": ('"\\"".' * 100_000 + "b = 1\n", f":1: {LONG}"),
    "of a table": ("\n\n[" + "a." * 100_000 + "b]\n", f":3: {LONG}"),
    "in a table on one line": ('x = {y = "v", ' + "a." * 100_000 + "b = 1}\n", f":1: {LONG}"),
    "many keys of 99 parts": (many(".".join("a" * 98) + ".k# = 1\n"), ": a: unknown key"),
    "many keys": (many("k# = 1\n"), f"... and {SIZE // 13 - MAX_FAULTS} more"),
    "many tables": (many("[k#]\n"), "more"),
    "many pools": (many('[pool.p#]\nkind = "good"\non_fail = "bad"\n'), ", allowed: at most 250"),
    "many recipes": (many('[recipe.r#]\ncheck = {run = "true"}\n'), ", allowed: at most 250"),
    "many hooks": (many('[[hook]]\non = ["suspect"]\ncommand = ["/bin/x#"]\n'), ", allowed: at most 250"),
    "many inventories": (many('[[inventory]]\nkind = "file"\npath = "/x#"\n'), ", allowed: at most 250"),
    "many words": ("[guard]\ncanary = [" + many('"h#:22",') + "]\n", "values, at most 1000"),
    "nested arrays": ("a = " + "[" * 400_000, ": not TOML: nested too deeply"),
    "nested tables": ("a = " + "{a = " * 100_000, ": not TOML: nested too deeply"),
    "quotes without end": ('a = "' + '\\"' * 400_000 + "." * 1000, ": not TOML: unterminated string"),
    "a long word": ("x = " + "a" * 500_000 + "." * 500_000, ": not TOML: "),
    "a long name": ("x" * 500_000 + " = 1\n", f": {'x' * 80}"),
    "a long number": ("window = " + "1" * 500_000, ": not TOML: "),
    "larger than any": (" " * (MAX_BYTES + 1), ": more than 1 MiB is not a config file"),
}


@pytest.mark.parametrize(("text", "fault"), BOMBS.values(), ids=BOMBS)
def test_a_document_of_any_shape_is_refused_at_once(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "plabctl.toml"
    path.write_text(text)

    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(str(path), ENVIRON)
    assert time.process_time() - began < CPU_S

    said = "\n".join(caught.value.faults)
    assert fault in said
    assert len(caught.value.faults) <= MAX_FAULTS + 1
    assert max(map(len, caught.value.faults)) < 4096


def test_a_key_of_as_many_parts_as_are_allowed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plabctl.toml"
    path.write_text(".".join("a" * (MAX_KEY_PARTS - 1)) + " = 1\n")

    with pytest.raises(ConfigError, match="a: unknown key"):
        load(str(path), ENVIRON)


def test_dots_in_a_text_are_no_key(tmp_path: Path) -> None:
    path = tmp_path / "plabctl.toml"
    run = "echo " + "." * 1000 + " 127.0.0.1 " * 200
    path.write_text(f'[recipe.dots]\ncheck = {{ run = """\n{run}""" }}\n')

    assert load(str(path), ENVIRON).recipes["dots"].check is not None


def test_only_so_many_plug_ins_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    class NobodyThere:
        def call(self, _: str, __: str, name: str, **___: object) -> tuple[str, None]:
            looked.append(name)
            return "", None

        def close(self) -> None:
            pass

    monkeypatch.setattr(hosted, "PluginHost", NobodyThere)
    hosted.find.cache_clear()
    path = tmp_path / "plabctl.toml"
    path.write_text("plugin_recipes = [" + ",".join(f'"p{number}"' for number in range(900)) + "]\n")

    settings = load(str(path), ENVIRON)
    assert len(looked) == MAX_PLUGINS
    assert settings.recipe_faults["p899"] == f"more than {MAX_PLUGINS} plug-ins are named"
    hosted.find.cache_clear()
