"""How a recipe is run against a node, over SSH or locally. Start with `prober`."""
