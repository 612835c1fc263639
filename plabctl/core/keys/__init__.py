"""Keys of the configuration as they are declared: the type of each value, and what it means. Start with `table`."""
