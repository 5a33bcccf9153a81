"""Restores the faces of one frame: anew or by the detail kept of earlier ones, within a bound.

Knows crops, a restorer and a measure of drift; knows no frames and no configuration.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from edged.faces import Image, Touch
from edged.stages.drift import Drift
from edged.stages.kept import (
    RISE_A_FRAME,
    Kept,
    Memory,
    detail_of,
    fit,
    sketch,
    with_detail,
)
from edged.stages.restore import Restorer

RISE = 0.8
"""A track that was given less gets more again once its drift is below this part of the
bound: a face at the bound must not flicker between two strengths."""


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        strength: blend of the restorer's output, 0..1.
        every_n: frames between two restorations of a face; 1 is every frame.
        max_drift: bound on identity drift; 0 measures none.
        at_once: restore all faces in this frame, whoever's turn it is.
    """

    strength: float
    every_n: int = 1
    max_drift: float = 0.0
    at_once: bool = False


@dataclass(frozen=True, repr=False, eq=False)
class Retoucher:
    """Restores crops.

    Attributes:
        restorer: the network.
        drift: the measure of its crops.
    """

    restorer: Restorer
    drift: Drift

    def __call__(
        self, crops: Image, wish: Wish, memory: Memory | None = None, keys: Sequence[Hashable] = ()
    ) -> tuple[Image, list[Touch]]:
        """Restore the faces of one frame.

        Args:
            crops: (n, S, S, 3) uint8 BGR.
            wish: what is asked for.
            memory: of the camera, for streams; None restores every face.
            keys: what tells the faces apart from frame to frame, one a face.

        Returns:
            (n, S, S, 3) uint8 BGR, and what was done to each face.

        Raises:
            EngineError: a network gave no picture or no vector.
        """
        out = np.array(crops)
        touches = [Touch("waiting") for _ in crops]
        if memory is None:
            for i, (made, share, drift) in enumerate(self._anew(crops, wish)):
                out[i] = _part(crops[i], made, share)
                touches[i] = Touch("anew", wish.strength * share, drift, eased=share < 1)
            return out, touches
        memory.next_frame()
        kept = [memory.get(key) for key in keys]
        sketches = [sketch(crop) for crop in crops] if wish.every_n > 1 else []
        fits = [
            fit(old.sketch, new) if old and old.sketch is not None else 0.0
            for old, new in zip(kept, sketches, strict=False)
        ]
        due = range(len(crops)) if wish.at_once else memory.due(keys, wish.every_n, fits)
        for i, fresh in zip(due, self._anew(crops[[*due]], wish), strict=True):
            made, share, drift = _steadied(fresh, kept[i], wish.max_drift)
            new = Kept(memory.frame, share, drift=drift)
            if sketches:
                new.detail, new.sketch = detail_of(made, crops[i]), sketches[i]
                new.level = 1.0 if wish.at_once else _risen(kept[i], 1.0)
            memory.keep(keys[i], new)
            out[i] = _part(crops[i], made, share * new.level)
            touches[i] = _touch("anew", wish, new)
        for i in set(range(len(crops))) - {*due}:
            old = kept[i]
            if old is None or old.detail is None:
                continue
            old.level = _risen(old, fits[i])
            if old.share * old.level > 0:
                out[i] = with_detail(crops[i], old.detail, old.share * old.level)
                touches[i] = _touch("kept", wish, old)
        return out, touches

    def _anew(self, crops: Image, wish: Wish) -> Iterable[tuple[Image, float, float | None]]:
        """Restored crops, the share of each that the bound allows, and the drift at it."""
        made = self.restorer(crops, wish.strength)
        shares = np.ones(len(crops), np.float32)
        if wish.max_drift <= 0 or not len(crops):
            return [(one, 1.0, None) for one in made]
        drifts = self.drift(crops, made)
        far = np.flatnonzero(drifts > wish.max_drift)
        if far.size:
            shares[far], drifts[far] = self.drift.eased(crops[far], made[far], wish.max_drift)
        return [*zip(made, shares.tolist(), drifts.tolist(), strict=True)]


def _touch(kind: Literal["anew", "kept"], wish: Wish, kept: Kept) -> Touch:
    """What is told of a face."""
    strength = wish.strength * kept.share * kept.level
    return Touch(kind, strength, kept.drift, eased=kept.share < 1)


def _risen(old: Kept | None, level: float) -> float:
    """A level, but not far above the last frame's."""
    return level if old is None else min(level, old.level + RISE_A_FRAME)


def _part(crop: Image, made: Image, share: float) -> Image:
    """A share of a restoration."""
    return made if share == 1 else np.asarray(cv2.addWeighted(made, share, crop, 1 - share, 0))


def _steadied(
    fresh: tuple[Image, float, float | None], old: Kept | None, bound: float
) -> tuple[Image, float, float | None]:
    """The same, but a share that rises only with room to spare.

    Its drift is then below the one that was measured, which is what is told.
    """
    made, share, drift = fresh
    if old is None or drift is None or share <= old.share or drift <= RISE * bound:
        return fresh
    return made, old.share, drift
