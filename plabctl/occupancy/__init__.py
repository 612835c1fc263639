"""Who is using the nodes. A kind of occupancy source is a module here: start with `base`."""
