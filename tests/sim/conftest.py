"""The desk of tests that type commands, for `plabctl simulate`."""

from tests.cli.conftest import desk, find_ticked, used_desk

__all__ = ["desk", "find_ticked", "used_desk"]
