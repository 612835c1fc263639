"""Secure file handling, all of it: what is trusted, what is private, how files are replaced and locked."""
