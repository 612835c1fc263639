"""`replace` for one class of values, compiled: twice as fast, for where millions of values are changed.

Pure. The general one is in `plabctl.values`.
"""

from __future__ import annotations

from collections.abc import Callable

from plabctl.typed import Any

_MISSING = object()


def compile_replace(cls: type) -> Callable[..., Any]:
    """Return a function that does for values of `cls` what `replace` does: names that are no fields raise TypeError."""
    names: tuple[str, ...] = cls.__slots__  # type: ignore[attr-defined]  # values have slots, one for each field
    space: dict[str, object] = {"_class": cls, "_new": object.__new__, "_missing": _MISSING}
    # A slot's own setter is faster by a third than finding the slot by its name.
    space.update({f"_set_{name}": getattr(cls, name).__set__ for name in names})
    changes = ", ".join(f"{name}=_missing" for name in names)
    steps = "".join(f"  _set_{name}(made, value.{name} if {name} is _missing else {name})\n" for name in names)
    code = (
        f"def make({', '.join(space)}):\n"
        f" def replace(value, /, *, {changes}):\n"
        f"  made = _new(_class)\n{steps}"
        "  return made\n"
        " return replace"
    )
    found: dict[str, Any] = {}
    exec(code, {}, found)  # noqa: S102 - of identifiers, as the standard decorator does
    compiled: Callable[..., Any] = found["make"](*space.values())
    return compiled
