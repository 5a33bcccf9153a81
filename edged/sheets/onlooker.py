"""The guard, with a copy of what it was shown.

A person who judges a swap must see it, also where the guard keeps it in or fills it.  The
copy is the sheet's alone: what the guard says and does is as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edged.faces import Embedding, Floats, Image
from edged.privacy.guard import Guard, Region, Ruling, Search, Slot


@dataclass(frozen=True, repr=False, eq=False)
class Onlooker(Guard):
    """See above.

    Attributes:
        shown: the last picture, (h, w, 3) uint8 BGR, before the guard filled anything.
    """

    shown: list[Image] = field(default_factory=list)

    def disguise(
        self,
        out: Image,
        regions: Sequence[Region],
        search: Search,
        fill_bgr: tuple[int, int, int],
        *,
        frame: Image,
    ) -> Ruling:
        """See :meth:`edged.privacy.guard.Guard.disguise`."""
        self.shown[:] = [out.copy()]
        return super().disguise(out, regions, search, fill_bgr, frame=frame)

    def portrait(
        self,
        out: Image,
        template: Image,
        slots: Sequence[Slot],
        *,
        template_boxes: Floats,
        bystanders: Sequence[Embedding],
        search: Search,
    ) -> Ruling:
        """See :meth:`edged.privacy.guard.Guard.portrait`."""
        self.shown[:] = [out.copy()]
        return super().portrait(
            out, template, slots,
            template_boxes=template_boxes, bystanders=bystanders, search=search,
        )  # fmt: skip
