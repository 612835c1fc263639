"""The testbed of `plabctl demo`: embedded nodes, some of them faulty, under real ticks. Start with `run`."""
