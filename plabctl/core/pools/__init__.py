"""The health pools: how a report is judged in each kind of pool. Start with `base`."""
