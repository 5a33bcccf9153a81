"""Counts and lengths of time, as people say them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A count and its noun, which takes an s from two on, and at none."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def span(seconds: float) -> str:
    """A length of time."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
