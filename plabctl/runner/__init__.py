"""Running many probes at once, each with a deadline that is enforced from outside its thread."""
