"""plabctl keeps a true list of which machines of a testbed or cluster can really be used.

A newcomer starts with `docs/tour.md`; the whole story of one run is on one page in `plabctl.app.tick`.
"""

__version__ = "0.1.0"
