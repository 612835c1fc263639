"""What happened, for ever: events in SQLite, each exactly once.

I/O. Everything is in `plabctl.history.database`.
"""
