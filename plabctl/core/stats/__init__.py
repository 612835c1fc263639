"""What the history says of a span of time: shares of it, outages, tests. Start with `replay`."""
