"""The guard: hold moves to bad while too many nodes fail together, and roll back the latest. Start with `evaluate`."""
