"""Light rows of very many nodes: a function, compiled for one class of rows, that reads a row from a document.

Pure. It does what the loop in `plabctl.store.codec` does (a test compares the two) in half of the time; compiling it
takes as long as some fifty rows, so only long lists come here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from plabctl.store.shapes import Doc, RowSource
from plabctl.typed import Any
from plabctl.values import MISSING

Reader = Callable[[str, Doc], Any]


def compile_reader(row: type, names: Sequence[str], sources: Mapping[str, RowSource]) -> Reader:
    """Return what makes a `row` of the name and the document of a node; a field without a source is the name."""
    space: dict[str, Any] = {"row": row, "new": tuple.__new__}
    values = []
    for name in names:
        source = sources.get(name)
        if source is None:
            values.append("node")
            continue
        key, is_beside, default, decode = source
        space[f"default_{name}"], space[f"decode_{name}"] = default, decode
        if is_beside:
            values.append(f"doc.get({key!r}, default_{name})")
        elif default is MISSING:
            values.append(f"member[{key!r}]")
        elif decode:
            values.append(f"default_{name} if (value := get({key!r})) is None else decode_{name}(value)")
        else:
            values.append(f"get({key!r}, default_{name})")
    body = ["member = doc['member']", "get = member.get", f"return new(row, ({', '.join(values)},))"]
    exec("\n ".join(["def read(node, doc):", *body]), space)  # noqa: S102 - of names of fields, as `values` does
    read: Reader = space["read"]
    return read
