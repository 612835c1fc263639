"""The desk of tests that type commands, for `plabctl simulate`."""

from tests.cli.conftest import desk, ticked, used_desk

__all__ = ["desk", "ticked", "used_desk"]
