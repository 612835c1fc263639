"""Where events go. A kind of sink is a module here: start with `base`."""
