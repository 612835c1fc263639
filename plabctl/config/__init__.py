"""The configuration: its declared schema (pure), and loading it from TOML (I/O). Start with `schema`."""
