"""The traces of real machines. They are no part of this repository.

They are looked for beside it, in `../shared/traces`, or where `PLABCTL_TRACES` says. What takes longer with them than
some seconds is done when `PLABCTL_ALL_TRACES` is set, as `make torture` (`tests.torture.traces`) does.
"""

import os
from pathlib import Path

import pytest

TRACES = Path(os.environ.get("PLABCTL_TRACES", Path(__file__).parents[2].parent / "shared" / "traces"))
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason=f"no availability traces in {TRACES}; see PLABCTL_TRACES")
ALL = "PLABCTL_ALL_TRACES"
long = pytest.mark.skipif(ALL not in os.environ, reason="takes long; is in make torture")


def path_of(name: str) -> str:
    return str(TRACES / f"{name}.csv.gz")
