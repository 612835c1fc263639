"""The pictures of the docs that the program draws itself: outages of a testbed, and policies compared.

Pure, but for a history and a configuration in a folder of their own. `make docs` writes them. Go on with
`test_pictures`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from plabctl.app.stats_queries import read_past
from plabctl.core.stats.tally import Span
from plabctl.render.drawing_strips import draw_outages
from plabctl.sim import comparison, policy_scores
from plabctl.sim.compare import Progress
from plabctl.sim.sim_options import SimOptions
from plabctl.views.curves import view_strips
from tests.docs.page_testbed import DAY, TODAY, make_context
from tests.docs.pictures import surroundings

_SITES = ("bonn", "kyoto")
_POLICIES = ("2007", "fixed", "configured", "adaptive", "age", "age+checks")


def draw_testbed() -> str:
    """Return what `plabctl stats site=bonn,site=kyoto --since 14d -o svg` draws."""
    with tempfile.TemporaryDirectory() as folder, surroundings():
        context = make_context(Path(folder))
        past = read_past(context, Span(TODAY - 14 * DAY, TODAY), keeps_trails=True)
        nodes = {name: node for name, node in past.nodes.items() if node.variables.get("site") in _SITES}
        return draw_outages(view_strips(past, nodes).values(), past.span.since, past.span.until).format_file()


def draw_policies() -> str:
    """Return what `plabctl simulate --plot` draws of some policies."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "plabctl.toml"
        config.write_text('state_dir = "state"\n')
        options = SimOptions(nodes=20, days=6.0, words=_POLICIES, config=str(config))
        scene = comparison.prepare(options)
        scores = list(scene.compute_scores(Progress(lambda _: None)))
        return policy_scores.draw(scores, scene.title).format_file()


DRAWINGS: Mapping[str, Callable[[], str]] = {"outages.svg": draw_testbed, "policies.svg": draw_policies}
