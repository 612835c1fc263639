"""What happened: events in SQLite, each exactly once.

I/O. Everything is in `plabctl.history.database`.
"""
