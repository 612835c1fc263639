"""The JSON store: a lock, slots, a journal, TinyDB over a storage of our own, and readers that need none of these.

I/O. Begin with `plabctl.store.store`; `head` is all that an idle tick reads; `slots` enforces the window.
"""
