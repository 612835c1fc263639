"""What is staged is written as one state file, or refused in words."""

from contextlib import suppress
from pathlib import Path

import pytest

from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.store import head as head_module
from plabctl.store import storage
from plabctl.store.storage import serialize
from plabctl.store.store import Store
from plabctl.store.tables import empty_tables
from tests.manual_clock import ManualClock


def test_tables_that_are_no_json_are_refused() -> None:
    tables = {**empty_tables(), "notes": {"a": {"n": object()}}}

    with pytest.raises(StoreError, match="cannot be written as JSON"):
        serialize(tables, 1, 0.0)


def test_tables_that_are_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MAX_STATE_BYTES", 300)

    with pytest.raises(StoreError, match="at most 300"):
        serialize({**empty_tables(), "notes": {"a": {"text": "x" * 300}}}, 1, 0.0)


def test_what_nobody_wrote_yet_was_never_saved(tmp_path: Path) -> None:
    with Store(tmp_path / "state", ManualClock()).session() as session:
        assert (session.saved_at, session.rev) == (0.0, 0)


def test_whatever_size_is_written_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (head_module, storage):
        monkeypatch.setattr(module, "MAX_STATE_BYTES", 2000)
    store = Store(tmp_path / "state", ManualClock())
    is_written = []
    for length in range(1500, 2000, 25):
        with suppress(StoreError), store.session() as session:
            session.apply(Changes(notes={"large": {"text": "x" * length}}))
        is_written.append(store.snapshot().notes["large"] == {"text": "x" * length})

    assert is_written == sorted(is_written, reverse=True)
    assert set(is_written) == {True, False}
