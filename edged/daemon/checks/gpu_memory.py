"""Errors of the GPU's memory that were not corrected: results may be wrong, and more will come."""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen


def look(seen: Seen, _lit: bool) -> str:
    """Counted by the driver since the GPU was reset, which clears it."""
    return "gpu-memory-errors" if seen.doc.gpu_ecc_errors else ""


CHECK = Check("gpu-memory", ("gpu-memory-errors",), look)
