"""What runs many probes at once: a module or a package for each kind of executor. Start with `base`."""
