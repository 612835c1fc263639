"""Experiments: vnodes that are wanted on some nodes, on a number of nodes, or on all nodes.

Pure. Start with `model`; `swaps` is what a person may order, `membership` decides who is a member. What came of the
work on a member is judged in `plabctl.core.pools.experiment`.
"""
