"""The JSON store: lock, slots, TinyDB storage, codec and session. Start with `session`."""
