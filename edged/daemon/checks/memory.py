"""Memory nearly gone: next the kernel ends a process, and mostly the largest."""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen, below

LOW_MB = 150.0
MARGIN_MB = 100.0
"""A picture of 12 megapixels takes about 150 MB on its way through the stages."""


def look(seen: Seen, lit: bool) -> str:
    """What the kernel could still hand out, caches given up."""
    gone = below(seen.doc.memory_available_mb, LOW_MB, MARGIN_MB, lit=lit)
    return "memory-nearly-gone" if gone else ""


CHECK = Check("memory", ("memory-nearly-gone",), look, sets_after_s=15.0, clears_after_s=15.0)
