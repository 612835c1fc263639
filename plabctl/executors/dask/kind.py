"""The kind `dask`: tests are made by workers, which a Dask scheduler knows.

Light to import: `distributed` is loaded when there is something to test. Go on with `executor`.
Tests: `tests/executors/dask/test_kind.py`.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from plabctl.clock import Clock
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import DAY_S, Duration, Text
from plabctl.core.model import Node
from plabctl.core.names import is_label_name
from plabctl.core.settings import ExecutorSettings
from plabctl.errors import ConfigError
from plabctl.executors.base import Executor, ExecutorKind, PackingProber, Remark
from plabctl.executors.dask.options import INSTALL_HINT, MISSING, DaskOptions, explain_missing_tls, is_scheduler


class DaskKind(ExecutorKind):
    """The kind `dask`."""

    name = "dask"
    help = "by the workers of a Dask cluster (dask.md; needs `pip install plabctl[dask]`)"
    is_elsewhere = True
    has_vantages = True
    keys = Table(
        "executor.dask",
        DaskOptions(),
        Key(
            "scheduler",
            Text("tls://HOST:PORT, or tcp://127.0.0.1:PORT", is_scheduler),
            text="The address of the scheduler. It must be TLS unless the scheduler is on this machine. 8786 because "
            "that is Dask's own port.",
            example='"tls://dask.example.org:8786"',
            required=True,
        ),
        Key(
            "ca",
            FilePath(),
            text="The certificate of your own authority, which signed those of scheduler, workers and monitors.",
            example='"/etc/plabctl/dask-ca.pem"',
            default="none: TLS cannot be used",
        ),
        Key(
            "cert",
            FilePath(),
            text="The certificate of this machine, signed by `ca`.",
            example='"/etc/plabctl/dask.pem"',
            default="none: TLS cannot be used",
        ),
        Key(
            "key",
            FilePath(),
            text="The private key of `cert`, which nobody else may read.",
            example='"/etc/plabctl/dask-key.pem"',
            default="none: TLS cannot be used",
        ),
        Key(
            "site_label",
            Text("the name of a label", is_label_name),
            text="The variable of a node that says its site: it is tested by a worker of that site where there is one.",
            example='"site"',
        ),
        Key(
            "fallback_after",
            Duration(0.0, 366 * DAY_S),
            "fallback_after_s",
            text="How long the scheduler must be unreachable before tests are made from this machine; 0s, never, "
            "because nodes that only workers reach would fail from here.",
            example='"15m"',
        ),
    )

    def check(self, given: Mapping[str, Any], defaults: Any) -> Iterator[tuple[str, str]]:
        """Yield an address that is not TLS, and files that TLS lacks."""
        yield from super().check(given, defaults)
        scheduler = given.get("scheduler", "")
        if fault := explain_missing_tls(scheduler) if scheduler else "":
            yield "scheduler", fault
        elif scheduler.startswith("tls://"):
            for name in ("ca", "cert", "key"):
                if name not in given:
                    yield name, "missing, TLS needs it: a file"

    def build(self, own: ExecutorSettings, prober: PackingProber, clock: Clock, state_dir: str) -> Executor:
        """Return an executor that hands tests to workers; raise ConfigError for certificates that will not do."""
        try:
            from plabctl.executors.dask.certificates import require_certificates
            from plabctl.executors.dask.executor import DaskExecutor
            from plabctl.executors.dask.fallback import Fallback
        except ImportError as error:
            raise ConfigError([f"executor.kind: {MISSING}: {error}"], hint=INSTALL_HINT) from error

        options = own.options
        assert isinstance(options, DaskOptions)
        require_certificates(options, clock.now())
        monitor, fallback = f"{socket.gethostname()}:{state_dir}", Fallback(state_dir, options.fallback_after_s)
        executor = DaskExecutor(options, prober, clock, monitor, fallback)
        executor.await_link()
        return executor

    def diagnose(self, own: ExecutorSettings, clock: Clock, nodes: Iterable[Node]) -> Iterator[Remark]:
        """Yield what is wrong with certificates, scheduler and workers, and who is there."""
        try:
            from plabctl.executors.dask.check import diagnose
        except ImportError as error:
            yield Remark(f"{MISSING}: {error}", INSTALL_HINT, is_grave=True)
            return
        assert isinstance(own.options, DaskOptions)
        sites = Counter(node.variables.get(own.options.site_label, "") for node in nodes)
        yield from diagnose(own.options, clock.now(), sites, second_opinion=own.second_opinion)


DASK = DaskKind()
