"""The types of value that hold paths: a file, files, and a command whose program may be one.

Pure: a path is made absolute, nobody looks whether it exists. The other types are in `plabctl.core.keys.types`.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from plabctl.core.keys.formatting import describe_value, format_list
from plabctl.core.keys.types import Base, ValueType
from plabctl.typed import cast


class FilePath(ValueType):
    """A path of the file system."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("a path, absolute or relative to the config file")

    def read(self, value: object) -> str:
        """Return the path as it is written."""
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise ValueError(f"cannot be {describe_value(value)}")
        return value

    def resolve_paths(self, value: object, base: Base) -> str:
        """Return the path, made absolute."""
        return base.make_absolute(str(value))


class FilePaths(ValueType):
    """A list of paths of the file system."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("a list of paths, absolute or relative to the config file")

    def read(self, value: object) -> tuple[str, ...]:
        """Return the paths as they are written."""
        if isinstance(value, list):
            return tuple(map(FilePath().read, value))
        raise ValueError(f"cannot be {describe_value(value)}")

    def resolve_paths(self, value: object, base: Base) -> tuple[str, ...]:
        """Return the paths, made absolute."""
        return tuple(map(base.make_absolute, cast("tuple[str, ...]", value)))

    def format(self, value: object) -> str:
        """Return the paths as TOML."""
        return format_list(cast("tuple[str, ...]", value))


class Argv(ValueType):
    """A command as a list of arguments. A program given by a relative path stands beside the config file."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__('a list of arguments such as ["prog", "arg"]; no shell reads it')

    def read(self, value: object) -> tuple[str, ...]:
        """Return the arguments."""
        if not isinstance(value, list) or not value:
            raise ValueError(f"cannot be {describe_value(value)}")
        for word in value:
            if not isinstance(word, str) or "\0" in word:
                raise ValueError(f"{describe_value(word)} is no argument")
        if not value[0].strip():
            raise ValueError("no program is named")
        return tuple(value)

    def resolve_paths(self, value: object, base: Base) -> tuple[str, ...]:
        """Return the arguments; the program's path is made absolute, its bare name is looked for when it runs."""
        program, *arguments = cast("tuple[str, ...]", value)
        return (base.make_absolute(program) if "/" in program else program, *arguments)

    def format(self, value: object) -> str:
        """Return the arguments as TOML."""
        return format_list(cast("tuple[str, ...]", value))
