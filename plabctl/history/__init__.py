"""What happened, for ever: an SQLite file written from the outbox."""
