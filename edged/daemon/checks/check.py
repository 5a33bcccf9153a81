"""What a check is: one question to the figures of a device, asked every few seconds.

A check names a reason while something is wrong.  It has a higher bar to begin than to go on
(it is told whether it is lit), and both must hold for a while, so that a figure near its
limit does not make the state flicker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edged.config import Config
from edged.transport.wire_health import HealthDoc
from edged.troubles import RECENT_S


class History:
    """Counters of the last ten minutes, from which checks see what has grown."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, dict[str, int]]] = deque()

    def note(self, now_s: float, counters: dict[str, int]) -> None:
        """The counters of now."""
        self._samples.append((now_s, counters))
        while now_s - self._samples[0][0] > RECENT_S:
            self._samples.popleft()

    def increase(self, name: str, since_s: float) -> int | None:
        """By how much one has grown since then; None where that is not known for so long.

        A counter that begins anew has grown by what it shows.
        """
        first = next((value for at_s, value in reversed(self._samples) if at_s <= since_s), None)
        if first is None:
            return None
        return self._grown(first, name)

    def recent(self, name: str) -> int:
        """By how much one has grown in the last ten minutes, or since the first look."""
        return self._grown(self._samples[0][1], name)

    def _grown(self, first: dict[str, int], name: str) -> int:
        last, before = self._samples[-1][1].get(name, 0), first.get(name, 0)
        return last - before if last >= before else last


@dataclass(frozen=True)
class Seen:
    """What a check may look at.

    Attributes:
        doc: all figures of now.
        config: in force.
        history: counters before; "published" and all verdicts and reasons by name.
        now_s: monotonic seconds.
    """

    doc: HealthDoc
    config: Config
    history: History
    now_s: float


@dataclass(frozen=True)
class Check:
    """One check; its file has it as `CHECK`.

    Attributes:
        name: of the trouble that it sets.
        reasons: every reason that `look` may give.
        look: the reason, "" when all is well; told whether the trouble is set now.
        sets_after_s: it must have been wrong for so long.
        clears_after_s: it must have been well for so long.
    """

    name: str
    reasons: tuple[str, ...]
    look: Callable[[Seen, bool], str]
    sets_after_s: float = 0.0
    clears_after_s: float = 5.0


def above(value: float | None, limit: float, margin: float, *, lit: bool) -> bool:
    """Whether a figure is at its limit, or, once it was, not below it by the margin yet."""
    return value is not None and value >= (limit - margin if lit else limit)


def below(value: float | None, limit: float, margin: float, *, lit: bool) -> bool:
    """The same for a figure that must not be small."""
    return value is not None and value <= (limit + margin if lit else limit)
