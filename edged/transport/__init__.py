"""Sockets, the outbox and the broker: bytes in, bytes out, no image arithmetic."""
