"""What the SSH libraries load for others is not loaded for us, and still there for those who use it."""

import subprocess
import sys

_LOAD = """
import sys
from plabctl.probes.deferred_imports import DEFERRED, defer_imports
with defer_imports():
    import fabric, invoke
assert not sys.modules.keys() & {*DEFERRED, "asyncio", "yaml"}, "loaded after all"
"""
_USE = """
assert invoke.MockContext(run=invoke.Result("out")).run("x").stdout == "out"
assert invoke.util.yaml.safe_load("a: 1") == {"a": 1}
import unittest.mock
assert unittest.mock.Mock()() is not None
"""
_LOADED_BEFORE = """
import sys, unittest.mock
from plabctl.probes.deferred_imports import defer_imports
with defer_imports():
    import invoke
assert invoke.context.Mock is unittest.mock.Mock
"""


def _run(program: str) -> None:
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_what_nobody_uses_is_not_loaded_and_what_somebody_uses_is() -> None:
    _run(_LOAD + _USE)


def test_what_is_loaded_already_is_left_as_it_is() -> None:
    _run(_LOADED_BEFORE)
