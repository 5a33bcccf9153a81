"""Composition roots: engine, uplink and the supervisor that starts both."""
