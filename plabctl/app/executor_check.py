"""Check what the executor needs beyond this machine: for `plabctl doctor`.

I/O: asks it.
Tests: `tests/executors/dask/test_cluster.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plabctl.app.context import App
from plabctl.app.findings import Finding, fail, ok, warn
from plabctl.core.model import Node
from plabctl.executors.base import ExecutorKind, Remark
from plabctl.kinds import find


def check(app: App, nodes: Sequence[Node]) -> Iterator[Finding]:
    """Yield what was found out; nothing where all is done by this machine."""
    own = app.settings.executor
    kind: ExecutorKind = find("executor", own.kind)
    for remark in kind.diagnose(own, app.clock, nodes):
        yield make_finding(own.kind, remark)


def make_finding(topic: str, remark: Remark) -> Finding:
    """Return a remark of a kind of executor as a finding."""
    if not remark.advice:
        return ok(topic, remark.text)
    return (fail if remark.is_grave else warn)(topic, remark.text, remark.advice)
