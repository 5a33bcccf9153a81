"""The guard keeps most pictures in.

Refusals that visitors cause (no face, no consent, not alive) are not counted: they tell
nothing of the device.
"""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen
from edged.verdicts import Reason, Verdict

LEAST = 10
SHARE, BETTER = 0.5, 0.1
"""Of all answers of the last ten minutes."""
GUARDED = (
    Reason.FACE_UNCHANGED,
    Reason.FACE_RECOGNISABLE,
    Reason.FACE_UNEXPECTED,
    Reason.GUARD_ERROR,
)
ANSWERS = (Verdict.QUEUED, Verdict.SHOWN, Verdict.REFUSED)


def look(seen: Seen, lit: bool) -> str:
    """Share of the guard's refusals."""

    def grown(names: tuple[Reason, ...] | tuple[Verdict, ...]) -> int:
        return sum(seen.history.recent(name.value) for name in names)

    kept, answered = grown(GUARDED), grown(ANSWERS)
    much = kept >= LEAST and kept >= (SHARE - BETTER if lit else SHARE) * answered
    return "guard-refuses-much" if much else ""


CHECK = Check("refusals", ("guard-refuses-much",), look, clears_after_s=15.0)
