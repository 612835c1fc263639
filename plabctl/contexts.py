"""What short commands use of `contextlib`, without loading it: half of that module is for asynchronous programs.

Pure. Type checkers see the real names. What every short command loads imports from here (`tests/cli/test_imports.py`);
elsewhere `contextlib` will do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from types import TracebackType

from plabctl.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import contextmanager as contextmanager
    from contextlib import suppress as suppress
else:

    class _Context:
        """A generator that yields once, as a context manager."""

        __slots__ = ("_steps",)

        def __init__(self, steps: Generator[object]) -> None:
            self._steps = steps

        def __enter__(self) -> object:
            try:
                return next(self._steps)
            except StopIteration:
                raise RuntimeError("a context manager yielded nothing") from None

        def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> bool:
            steps = self._steps
            try:
                if error is None:
                    next(steps)
                else:
                    steps.throw(error)
            except StopIteration as end:
                return end is not error  # its own: the generator ended, and has dealt with the error if there was one
            except BaseException as raised:
                # Generators turn a StopIteration that they do not deal with into a RuntimeError.
                is_turned = isinstance(raised, RuntimeError) and isinstance(error, StopIteration)
                if raised is not error and not (is_turned and raised.__cause__ is error):
                    raise
                error.__traceback__ = trace  # as it was raised in the block
                return False
            steps.close()
            raise RuntimeError("a context manager yielded twice")

    def contextmanager(function: Callable[..., Generator[object]]) -> Callable[..., _Context]:
        """Return a function that makes context managers of what `function` yields between."""

        @wraps(function)
        def make(*args: Any, **kwargs: Any) -> _Context:
            return _Context(function(*args, **kwargs))

        return make

    class _Suppress:
        """A context in which errors of these classes end the block, and no more."""

        __slots__ = ("_errors",)

        def __init__(self, *errors: type[BaseException]) -> None:
            self._errors = errors

        def __enter__(self) -> None:
            """Do nothing."""

        def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
            """Return whether an error of these classes ended the block."""
            return kind is not None and issubclass(kind, self._errors)

    suppress = _Suppress
