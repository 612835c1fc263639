"""What is imported late, all at once: a tick that probes has it before it claims.

I/O: imports. A tick may run for minutes, and meanwhile plabctl, its libraries or Python itself may be replaced by newer
ones or be gone; what is imported then would not be there, or not fit what is.
"""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "encodings.idna",  # for every name that is looked up
    "plabctl.core.error_throttle",
    "plabctl.sinks.event_json",
    "plabctl.store.experiment_codec",
    "pwd",
    "traceback",
)
"""What the functions of a tick import themselves and importing the tick does not bring."""


def load() -> None:
    """Import what a tick that probes may come to need at any time."""
    for name in MODULES:
        import_module(name)
