"""The stand-ins do what those of `contextlib` do: the same blocks, through both."""

import contextlib
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from plabctl import contexts

BOTH = pytest.mark.parametrize("module", [contextlib, contexts], ids=["contextlib", "ours"])


@BOTH
def test_a_block_begins_and_ends_with_its_context(module: ModuleType) -> None:
    told: list[str] = []

    @module.contextmanager  # type: ignore[untyped-decorator]  # of either module
    def context(value: int, *, step: int) -> Iterator[int]:
        """Say what it does."""
        try:
            yield value + step
        finally:
            told.append("end")

    with context(1, step=2) as found:
        told.append(str(found))

    assert told == ["3", "end"]
    assert (context.__name__, context.__doc__) == ("context", "Say what it does.")


def deal_with_none() -> Iterator[None]:
    yield


def deal_with_all() -> Iterator[None]:
    with contextlib.suppress(Exception):
        yield


def turn_into_another() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise LookupError("another") from error


def raise_at_its_end() -> Iterator[None]:
    yield
    raise LookupError("at the end")


def yield_twice() -> Iterator[None]:
    with contextlib.suppress(Exception):
        yield
    yield


def end_before() -> Iterator[None]:
    yield from ()


@pytest.mark.parametrize(
    "steps",
    [deal_with_none, deal_with_all, turn_into_another, raise_at_its_end, yield_twice, end_before],
    ids=lambda steps: steps.__name__,
)
@pytest.mark.parametrize("error", [None, ValueError("x"), StopIteration("x"), RuntimeError("x")], ids=repr)
def test_an_error_comes_out_of_a_context_as_from_the_real_one(
    steps: Callable[[], Iterator[None]], error: Exception | None
) -> None:
    ours, real = (run(module, steps, error) for module in (contexts, contextlib))

    assert ours == real


def run(module: ModuleType, steps: Callable[[], Iterator[None]], error: Exception | None) -> tuple[object, ...]:
    """What comes out of a block in this context that raises `error`: of what class, whether itself, from what."""
    context = module.contextmanager(steps)
    try:
        with context():
            fail_with(error)
    except (LookupError, RuntimeError, StopIteration, ValueError) as raised:
        return type(raised), raised is error, raised.__cause__ is error
    return ()


def fail_with(error: Exception | None) -> None:
    if error:
        raise error


@BOTH
@pytest.mark.parametrize("error", [None, FileNotFoundError(), KeyError()], ids=repr)
def test_errors_of_these_classes_are_suppressed(module: ModuleType, error: Exception | None) -> None:
    with module.suppress(OSError, KeyError):
        fail_with(error)


@BOTH
def test_other_errors_are_not_suppressed(module: ModuleType) -> None:
    with pytest.raises(ValueError, match="other"), module.suppress(OSError, KeyError):
        raise ValueError("other")
