"""One login and `true`, nothing else running: with and without TCP_NODELAY, and against a child process of ssh.

I/O. Inside one process, imports excluded, so that only the conversation counts.
"""

import json

from tests.benchmarks.measure import helper, middle
from tests.benchmarks.nodes import Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row, seconds


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    with Nodes(1) as nodes:
        text = helper("loginwork", str(nodes.folder), nodes.user, "2" if options.quick else "20")
    took = {name: middle(times) for name, times in json.loads(text).items()}
    return [
        Row(
            f"G5b one login against {name}",
            seconds(took["plabctl"]),
            seconds(took[key]),
            took["plabctl"] / took[key],
            goal,
        )
        for key, name, goal in (
            ("delayed", "the same without TCP_NODELAY", 0.65),
            ("ssh", "ssh, curve25519", 0.60),
        )
    ]
