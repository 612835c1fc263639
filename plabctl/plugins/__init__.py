"""Kinds that other packages bring, each run in a process of its own. Start with `hosted`."""
