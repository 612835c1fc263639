"""Rows by the thousand: for one class of views, a function that writes its JSON objects or its lines of TSV.

Pure. They write what `data_formats` makes of a few views (a test compares the two), without an object in between: one
formatted string for each view, compiled from the names and types of its fields. That takes half of the time; compiling
it takes as long as some fifty rows, so only long lists come here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
from math import floor
from types import NoneType, UnionType

from plabctl.core.model import Hold, Verdict
from plabctl.render.encode import DIGITS, EMPTY_IS_UNKNOWN, encode_value, format_cell, get_digits, get_key, is_instant
from plabctl.render.times import MINUTES, SECONDS
from plabctl.typed import Any
from plabctl.values import fields

Writer = Callable[[Any], str]
Space = dict[str, object]
_ENUMS = frozenset({"Outcome", "Cause"})
"""The types of fields that hold enums. The values of types that are not known here are looked at one by one."""
_INNER_VIEWS: dict[str, type] = {"Verdict": Verdict, "Hold": Hold}
"""The types of fields that hold views; their fields may have columns of their own (`last.outcome`)."""
_TAB = "\\t"
"""As it stands in the text of a function."""
_INSTANTS: Space = {"MINUTES": MINUTES, "SECONDS": SECONDS, "floor": floor}


def _write_instant(name: str) -> list[str]:
    """Return expressions whose texts make up what `format_iso` says: to call that would take twice as long."""
    return [f"MINUTES[(_second := floor({name})) // 60]", "SECONDS[_second % 60]"]


def _write_number(name: str, digits: int) -> str:
    """Return an expression that rounds only a number with more places: most have been rounded."""
    return f'_text if "." in (_text := repr({name}))[{-1 - digits}:] else repr(round({name}, {digits}))'


def make_object_writer(cls: type, dumps: Callable[[object], str]) -> Writer:
    """Return what writes a view of the class as a JSON object; `dumps` writes what the fields of other types hold.

    The class has a field that is never None.
    """
    space: Space = {"quote": encode_basestring, **_INSTANTS}
    lines, parts, comma = [], [repr("{")], ""
    for key, name, kind in sorted((get_key(name), name, kind) for name, kind in describe_fields(cls)):
        value = _write_json_field(name, kind.removesuffix(" | None"), get_digits(cls, name), space, dumps)
        is_empty_unknown = (cls.__name__, name) in EMPTY_IS_UNKNOWN
        if is_empty_unknown or kind.endswith("| None"):
            # Those before the first field that is always there are followed by a comma, the others follow one.
            pair = [repr(f',"{key}":'), *value] if comma else [repr(f'"{key}":'), *value, repr(",")]
            absent = f"not {name}" if is_empty_unknown else f"{name} is None"
            lines.append(f"{name} = '' if {absent} else {' + '.join(pair)}")
            parts.append(name)
        else:
            parts += [repr(f'{comma}"{key}":'), *value]
            comma = ","
    return _compile(cls, [*lines, f"return ''.join(({', '.join(parts)}, '}}'))"], space)


def _write_json_field(name: str, kind: str, digits: int, space: Space, dumps: Callable[[object], str]) -> list[str]:
    """Return expressions whose texts make up a field, and put the functions that they call into `space`."""
    if is_instant(name):
        return [repr('"'), *_write_instant(name), repr('"')]
    if kind in _ENUMS:
        return [repr('"'), f"{name}._value_", repr('"')]
    if kind == "float":
        return [f"({_write_number(name, digits)})"]
    plain = {"bool": f"('true' if {name} else 'false')", "int": f"repr({name})", "str": f"quote({name})"}
    if kind in plain:
        return [plain[kind]]
    writer = f"write_{name}"

    def write_first(view: object) -> str:
        # Compiled when there is one: of many a long list no node is held.
        space[writer] = write = make_object_writer(_INNER_VIEWS[kind], dumps)
        return write(view)

    space[writer] = write_first if kind in _INNER_VIEWS else lambda value: dumps(encode_value(value))
    return [f"{writer}({name})"]


def make_line_writer(cls: type, columns: Sequence[str]) -> Writer:
    """Return what writes the line of a view of the class; raise KeyError for a column that it has no field for."""
    kinds = {get_key(name): (name, kind) for name, kind in describe_fields(cls)}
    space: Space = {**_INSTANTS, "cell": format_cell, "number": _format_number}
    lines, cells = [], []
    for head, inner in _group_columns(columns):
        name, kind = kinds[head]
        cell = _write_cell(name, kind.removesuffix(" | None"), get_digits(cls, name), inner, space)
        if kind.endswith("| None"):
            empty = _TAB * (len(inner) - 1)
            lines.append(f"{name} = '{empty}' if {name} is None else {cell}")
            cell = name
        cells.append(cell)
    return _compile(cls, [*lines, f"return '{_TAB}'.join(({', '.join(cells)},))"], space)


def _write_cell(name: str, kind: str, digits: int, inner: list[str], space: Space) -> str:
    """Return an expression for the text of a cell, and put the functions that it calls into `space`."""
    if inner != [""]:
        space[f"write_{name}"] = make_line_writer(_INNER_VIEWS[kind], inner)
        return f"write_{name}({name})"
    if is_instant(name):
        return " + ".join(_write_instant(name))
    if kind in _ENUMS:
        return f"{name}._value_"
    plain = {
        "bool": f"('true' if {name} else 'false')",
        "int": f"repr({name})",
        "str": f"({name} if {name}.isprintable() else cell({name}))",
        "float": f'(number({name}) if {name} else "0")' if digits == DIGITS else f"cell(round({name}, {digits}))",
    }
    if kind in plain:
        return plain[kind]
    space["encode"] = encode_value
    return f"cell(encode({name}))"


def _group_columns(columns: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return the outer fields, each with the inner ones that follow one another; `""` is the field itself."""
    groups: list[tuple[str, list[str]]] = []
    for column in columns:
        head, _, inner = column.partition(".")
        if inner and groups and groups[-1][0] == head:
            groups[-1][1].append(inner)
        else:
            groups.append((head, [inner]))
    return groups


def _compile(cls: type, body: Sequence[str], space: Space) -> Writer:
    """Return a function of one view of the class; `body` has its fields as variables, and what is in `space`."""
    names = [name for name, _ in describe_fields(cls)]
    unpack = [f"{', '.join(names)}, = view"] if issubclass(cls, tuple) else [f"{name} = view.{name}" for name in names]
    write: Writer = compile_function("write", "view", [*unpack, *body], space)
    return write


def compile_function(name: str, argument: str, body: Sequence[str], space: Space) -> Callable[[Any], Any]:
    """Return a function of one argument with the lines of `body`, which uses what is in `space`."""
    exec("\n ".join([f"def {name}({argument}):", *body]), space)  # noqa: S102 - of names of fields, as `values` does
    made: Callable[[Any], Any] = space[name]  # type: ignore[assignment]  # just defined
    return made


def describe_fields(cls: type) -> list[tuple[str, str]]:
    """Return the names of the fields of a class of views, and their types as text."""
    if issubclass(cls, tuple):
        types: Mapping[str, object] = cls.__annotations__
        return [(name, _format_type(types[name])) for name in cls._fields]  # type: ignore[attr-defined]  # a NamedTuple
    return [(each.name, _format_type(each.type)) for each in fields(cls)]


def _format_type(found: object) -> str:
    if isinstance(found, UnionType):
        return " | ".join(map(_format_type, found.__args__))
    if found is NoneType:
        return "None"
    return found.__name__ if isinstance(found, type) else str(getattr(found, "__forward_arg__", found))


def _format_number(value: float) -> str:
    text = f"{value:.{DIGITS}f}".rstrip("0")
    return text[:-1] if text[-1] == "." else text
