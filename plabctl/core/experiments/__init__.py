"""Experiments: vnodes that are wanted on some nodes, on a number of nodes, or on all nodes.

Pure. Begin with `model`; `orders` is what a person may say, `roster` decides who is a member, `work` what is to be done
for one, `judge` what came of it.
"""
