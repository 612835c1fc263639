"""Metrics as text: in the format of Prometheus, which its node exporter reads, and as OpenMetrics.

Pure. The two differ in where `_total` and `_info` stand, in what they call an info, and in how they end. No sample has
a timestamp: the node exporter would leave out the whole file.
Tests: `tests/cli/test_metrics.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plabctl.views.metrics import Family, Labels, Sample

FORMS = ("prometheus", "openmetrics")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_OWN_SUFFIX = {"counter": "_total", "info": "_info"}


def format_metrics(families: Sequence[Family], form: str) -> Iterator[str]:
    """Yield the lines of the metrics, each with its line end."""
    for family in families:
        yield from _format_family(family, is_open=form == "openmetrics")
    if form == "openmetrics":
        yield "# EOF\n"


def _format_family(family: Family, *, is_open: bool) -> Iterator[str]:
    suffix = _OWN_SUFFIX.get(family.type, "")
    name = family.name if is_open else family.name + suffix
    type_ = "gauge" if family.type == "info" and not is_open else family.type
    yield f"# HELP {name} {family.help}\n# TYPE {name} {type_}\n"
    if is_open and family.unit:
        yield f"# UNIT {name} {family.unit}\n"
    for sample in family.samples:
        yield f"{family.name}{sample.suffix or suffix}{_format_labels(sample.labels)} {_format_value(sample)}\n"


def _format_labels(labels: Labels) -> str:
    shown = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()]
    return f"{{{','.join(shown)}}}" if shown else ""


def _format_value(sample: Sample) -> str:
    value = float(sample.value)
    return str(int(value)) if value.is_integer() else repr(value)
