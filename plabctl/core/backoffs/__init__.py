"""The back-offs: one module for each kind, with its formula, its defaults and its words. Start with `base`."""
