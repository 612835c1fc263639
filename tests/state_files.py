"""What the files of a state say, for tests that look past the store."""

from pathlib import Path

from plabctl.store.current import read_current
from plabctl.store.tables import Tables, empty_tables


def read_state_files(state_dir: Path) -> dict[str, bytes]:
    """The state file and its journals, by name: the same before and after what changes nothing."""
    return {path.name: path.read_bytes() for path in (state_dir / "state.json", *state_dir.glob("state.journal.*"))}


def read_tables(state_dir: Path) -> Tables:
    """The tables as they are now."""
    current = read_current(str(state_dir))
    return current.tables if current else empty_tables()
