"""The command line: click, one module a command, no logic. Start with `main`."""
