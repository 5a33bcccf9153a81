"""The guard, with a copy of what it was shown.

A person who judges a swap must see it, also where the guard keeps it in or fills it.  The
copy is the sheet's alone: what the guard says and does is as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec

from edged.faces import Image
from edged.privacy.guard import Guard, Ruling

_P = ParamSpec("_P")


@dataclass(frozen=True, repr=False, eq=False)
class Onlooker(Guard):
    """See above.

    Attributes:
        shown: the last picture, (h, w, 3) uint8 BGR, before the guard filled anything.
    """

    shown: list[Image] = field(default_factory=list)

    @property
    def disguise(self) -> Callable[..., Ruling]:
        """See :meth:`edged.privacy.guard.Guard.disguise`."""
        return self._after_a_look(super().disguise)

    @property
    def portrait(self) -> Callable[..., Ruling]:
        """See :meth:`edged.privacy.guard.Guard.portrait`."""
        return self._after_a_look(super().portrait)

    def _after_a_look(
        self, check: Callable[Concatenate[Image, _P], Ruling]
    ) -> Callable[Concatenate[Image, _P], Ruling]:
        """A check of the guard's that the composed picture is copied before."""

        def look(out: Image, /, *rest: _P.args, **named: _P.kwargs) -> Ruling:
            self.shown[:] = [out.copy()]
            return check(out, *rest, **named)

        return look
