"""What runs many probes at once: one module for each kind of executor. Start with `base`."""
