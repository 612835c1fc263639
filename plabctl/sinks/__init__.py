"""Delivery of the outbox to whoever wants to know."""
