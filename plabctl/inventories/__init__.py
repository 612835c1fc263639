"""Where nodes come from. A kind of inventory is a module here: start with `base`."""
