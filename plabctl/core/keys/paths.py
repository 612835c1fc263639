"""The types of value that hold paths: a file, and a command whose program may be one.

Pure: a path is made absolute, nobody looks whether it exists. The other types are in `plabctl.core.keys.types`.
"""

from __future__ import annotations

from typing import cast

from plabctl.core.keys.types import Base, ValueType
from plabctl.core.keys.wording import seen, shown_list


class FilePath(ValueType):
    """A path of the file system."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("a path, absolute or relative to the config file")

    def read(self, value: object) -> str:
        """Return the path as it is written."""
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise ValueError(f"cannot be {seen(value)}")
        return value

    def placed(self, value: object, base: Base) -> str:
        """Return the path, made absolute."""
        return base.absolute(str(value))


class Argv(ValueType):
    """A command as a list of arguments. A program given by a relative path stands beside the config file."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__('a list of arguments such as ["prog", "arg"]; no shell reads it')

    def read(self, value: object) -> tuple[str, ...]:
        """Return the arguments."""
        if not isinstance(value, list) or not value:
            raise ValueError(f"cannot be {seen(value)}")
        for word in value:
            if not isinstance(word, str) or "\0" in word:
                raise ValueError(f"{seen(word)} is no argument")
        if not value[0].strip():
            raise ValueError("no program is named")
        return tuple(value)

    def placed(self, value: object, base: Base) -> tuple[str, ...]:
        """Return the arguments; the program's path is made absolute, its bare name is looked for when it runs."""
        program, *arguments = cast("tuple[str, ...]", value)
        return (base.absolute(program) if "/" in program else program, *arguments)

    def show(self, value: object) -> str:
        """Return the arguments as TOML."""
        return shown_list(cast("tuple[str, ...]", value))
