"""The types of value that a key of the configuration may hold: how each is read, bounded and written.

Pure. `read` returns the value as the program uses it or raises ValueError saying what is wrong; `allowed` says what
would be right; `format` writes a value as TOML. `plabctl.core.keys.table` says how a key is declared.
Tests: `tests/config/test_schema.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from plabctl.core.keys.formatting import (
    describe_value,
    format_exact_duration,
    format_list,
    format_size,
    parse_size,
    quote,
)
from plabctl.durations import parse_duration
from plabctl.typed import Protocol, cast

DAY_S = 86400.0


class Base(Protocol):
    """What relative paths are relative to."""

    def make_absolute(self, path: str) -> str:
        """Return `path` as an absolute path."""


class ValueType:
    """One type of value."""

    __slots__ = ("allowed",)

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed

    def read(self, value: object) -> object:
        """Return `value` as the program uses it; raise ValueError saying what is wrong with it."""
        raise NotImplementedError

    def resolve_paths(self, value: object, base: Base) -> object:
        """Return a value that was read with the paths in it made absolute."""
        return value

    def format(self, value: object) -> str:
        """Return `value`, as the program uses it, as TOML."""
        return quote(str(value))

    def show(self, value: object) -> str:
        """Return `value`, as the program uses it, as TOML for people: what looks like a secret in it is masked."""
        from plabctl.masks import mask_secrets

        return mask_secrets(self.format(value))


class Text(ValueType):
    """A string that `accepts` agrees to."""

    __slots__ = ("accepts",)

    def __init__(self, allowed: str, accepts: Callable[[str], bool]) -> None:
        super().__init__(allowed)
        self.accepts = accepts

    def read(self, value: object) -> str:
        """Return the string."""
        if not isinstance(value, str) or not self.accepts(value):
            raise ValueError(f"cannot be {describe_value(value)}")
        return value


class Whole(ValueType):
    """A whole number from `least` to `most`."""

    __slots__ = ("least", "most")

    def __init__(self, least: int, most: int) -> None:
        super().__init__(f"a whole number from {least} to {most}")
        self.least = least
        self.most = most

    def read(self, value: object) -> int:
        """Return the number."""
        # In Python a bool is an int; in a config file `window = true` is a mistake.
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise ValueError(f"cannot be {describe_value(value)}")
        return value

    def format(self, value: object) -> str:
        """Return the number as TOML."""
        return str(value)


class Number(ValueType):
    """A number from `least` to `most`."""

    __slots__ = ("least", "most")

    def __init__(self, least: float, most: float) -> None:
        super().__init__(f"a number from {least:g} to {most:g}")
        self.least = least
        self.most = most

    def read(self, value: object) -> float:
        """Return the number; nan is refused by the comparison."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.least <= value <= self.most:
            raise ValueError(f"cannot be {describe_value(value)}")
        return float(value)

    def format(self, value: object) -> str:
        """Return the number as TOML."""
        number = cast("float", value)
        return str(int(number)) if number.is_integer() else str(number)


class Flag(ValueType):
    """True or false."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("true or false")

    def read(self, value: object) -> bool:
        """Return the truth value."""
        if not isinstance(value, bool):
            raise ValueError(f"cannot be {describe_value(value)}")  # noqa: TRY004 - all types complain alike
        return value

    def format(self, value: object) -> str:
        """Return the truth value as TOML."""
        return "true" if value else "false"


class Duration(ValueType):
    """A duration of at least `least_s` and at most `most_s` seconds."""

    __slots__ = ("least_s", "most_s")

    def __init__(self, least_s: float = 0.0, most_s: float = 366 * DAY_S) -> None:
        least = format_exact_duration(least_s) if least_s else "0"
        super().__init__(f'a duration such as "90s" or "2m30s", from {least} to {format_exact_duration(most_s)}')
        self.least_s = least_s
        self.most_s = most_s

    def read(self, value: object) -> float:
        """Return the duration in seconds."""
        if type(value) is int and value != 0:
            raise ValueError(f"{value} has no unit")
        if type(value) is not int and not isinstance(value, str):
            raise ValueError(f"cannot be {describe_value(value)}")
        try:
            seconds = parse_duration(str(value))
        except ValueError:
            raise ValueError(f"cannot be {describe_value(value)}") from None
        if not self.least_s <= seconds <= self.most_s:
            raise ValueError(f"cannot be {describe_value(value)}")
        return seconds

    def format(self, value: object) -> str:
        """Return the seconds as TOML."""
        return quote(format_exact_duration(cast(float, value)))


class Size(ValueType):
    """A number of bytes from `least` to `most`."""

    __slots__ = ("least", "most")

    def __init__(self, least: int, most: int) -> None:
        super().__init__(f'a size such as "64KiB" or "1MiB", from {format_size(least)} to {format_size(most)}')
        self.least = least
        self.most = most

    def read(self, value: object) -> int:
        """Return the size in bytes."""
        if type(value) is int:
            raise ValueError(f"{value} has no unit")
        size = parse_size(value) if isinstance(value, str) else None
        if size is None or not self.least <= size <= self.most:
            raise ValueError(f"cannot be {describe_value(value)}")
        return size

    def format(self, value: object) -> str:
        """Return the bytes as TOML."""
        return quote(format_size(cast(int, value)))


class Choice(ValueType):
    """One of a few words."""

    __slots__ = ("words",)

    def __init__(self, words: Collection[str]) -> None:
        super().__init__("one of " + ", ".join(quote(str(word)) for word in words))
        self.words = words

    def read(self, value: object) -> str:
        """Return the word, as a member of the enumeration it was declared with."""
        for word in self.words:
            if value == str(word):
                return word
        raise ValueError(f"cannot be {describe_value(value)}")


MAX_WORDS = 1000
"""How long a list of words may be."""


class Words(ValueType):
    """A list of strings, none twice, each of which `accepts` agrees to."""

    __slots__ = ("accepts", "least")

    def __init__(self, allowed: str, accepts: Callable[[str], bool], least: int = 1) -> None:
        super().__init__(allowed)
        self.accepts = accepts
        self.least = least

    def read(self, value: object) -> tuple[str, ...]:
        """Return the strings."""
        if not isinstance(value, list) or len(value) < self.least:
            raise ValueError(f"cannot be {describe_value(value)}")
        if len(value) > MAX_WORDS:
            raise ValueError(f"cannot be {len(value)} values, at most {MAX_WORDS}")
        known: set[str] = set()
        for word in value:
            if not isinstance(word, str) or not self.accepts(word):
                raise ValueError(f"cannot be {describe_value(word)}")
            if word in known:
                raise ValueError(f"{describe_value(word)} twice")
            known.add(word)
        return tuple(value)

    def format(self, value: object) -> str:
        """Return the strings as TOML."""
        return format_list(cast("tuple[str, ...]", value))
