import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plabctl.config.key_lines import find_key_lines
from plabctl.config.read_document import build_path
from plabctl.config.sample import build_sample
from plabctl.core.keys.formatting import quote
from tests.config.test_load import FULL
from tests.config.test_sample import uncommented

TRICKY = '''\
# comment = "no key"
a = "x # no comment [no.table]" # comment
b = """
c = 1
[d]
"quoted" \\""" still inside"""
e.f = 1
'g h' = [1, "]", # ]
  [ { i = "}" } ],
]
[ j . "k l" ] # table
m = { n = 1, o = { p = [2] }, q.r = 3 }
s = \'\'\'
'' t = 1\'\'\'\'\'
u = 1979-05-27 07:32:00
[[v]]
w = 1
[v.x]
y = 1
[[v]]
w = 2
'''


def paths_in(value: Any, path: str = "") -> list[str]:
    """The paths of all keys in a parsed document."""
    if isinstance(value, dict):
        return [
            each
            for name, inner in value.items()
            for each in [build_path(path, name), *paths_in(inner, build_path(path, name))]
        ]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [each for number, inner in enumerate(value, 1) for each in paths_in(inner, f"{path}[{number}]")]
    return []


def test_keys_are_found_where_they_stand() -> None:
    assert tomllib.loads(TRICKY)
    assert find_key_lines(TRICKY) == {
        "a": 2,
        "b": 3,
        "e.f": 7,
        '"g h"': 8,
        '"g h"[3][1].i': 9,
        'j."k l"': 11,
        'j."k l".m': 12,
        'j."k l".m.n': 12,
        'j."k l".m.o': 12,
        'j."k l".m.o.p': 12,
        'j."k l".m.q.r': 12,
        'j."k l".s': 13,
        'j."k l".u': 15,
        "v[1]": 16,
        "v[1].w": 17,
        "v[1].x": 18,
        "v[1].x.y": 19,
        "v[2]": 20,
        "v[2].w": 21,
    }


def test_line_ends_of_windows_count_once() -> None:
    assert find_key_lines('a = """\r\nx"""\r\nb = 1\r\n') == {"a": 1, "b": 3}


def test_every_key_of_a_whole_config_has_its_line() -> None:
    for text in (FULL, uncommented(build_sample())):
        lines = find_key_lines(text)

        for path in paths_in(tomllib.loads(text)):
            name = path.rpartition(".")[2]
            assert (
                path in {"pool", "recipe", "inventory", "occupancy", "sink", "hook"}
                or name in text.split("\n")[lines[path] - 1]
            )


texts = st.text(st.sampled_from("a\"'\\\n#[]{}=, .é"), max_size=12)
plain = st.one_of(
    texts.map(quote),
    texts.filter(lambda text: "'" not in text and "\n" not in text).map(lambda text: f"'{text}'"),
    texts.map(lambda text: '"""' + text.replace("\\", "\\\\").replace('"', '\\"') + '"""'),
    texts.filter(lambda text: "'" not in text).map(lambda text: f"'''{text}'''"),
    st.sampled_from(["1", "true", "-1.5e3", "1979-05-27T07:32:00Z"]),
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + " ,\n # c ]\n".join(items) + "]"),
        st.lists(inner.filter(lambda each: "\n" not in each), max_size=2).map(
            lambda items: "{" + ", ".join(f"k{n} = {item}" for n, item in enumerate(items)) + "}"
        ),
    ),
    max_leaves=5,
)


@given(st.lists(values, min_size=1, max_size=5))
def test_no_value_hides_the_key_that_follows(items: list[str]) -> None:
    text = ""
    expected = {}
    for number, item in enumerate(items):
        expected[f"key{number}"] = text.count("\n") + 1
        text += f"key{number} = {item} # comment\n"
    tomllib.loads(text)

    lines = find_key_lines(text)

    assert {path: line for path, line in lines.items() if path in expected} == expected
