"""The maximum lifetime of an abandoned vnode, and the shell code that every recipe begins with that needs root.

Pure. Used by `plabctl.probes.netns` and its neighbours.
Tests: `tests/probes/test_container.py`.
"""

from __future__ import annotations

LIFE_S = 3600
"""Seconds after which a vnode that was made for a test ends itself, whatever becomes of us."""

LIFE = f"life={LIFE_S}; [ -z {{experiment}} ] || life=0\n"
"""Shell code that sets `life` to these seconds, or to 0 where a vnode is to stay until it is torn down."""

ROOT = """
[ "$(id -u)" = 0 ] || { echo "this recipe needs root on the node"; exit 1; }
"""
"""Shell code that says so where it is not run by root."""

PAUSE = "sleep 0.1 2>/dev/null || sleep 1"
"""A short pause on any node."""
