"""Restores the faces of one frame: anew or by the detail kept of earlier ones, within a bound.

Knows crops, a restorer and a measure of drift; knows no frames and no configuration.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from edged.faces import Floats, Image, Touch
from edged.stages.drift import Drift
from edged.stages.kept import (
    ALL,
    RISE_A_FRAME,
    Kept,
    Memory,
    detail_of,
    fit,
    over_all,
    sketch,
    with_detail,
)
from edged.stages.restore import Restorer

MEASURE_EVERY = 8
"""Frames of a stream between two measures of a face's drift, which changes slowly: the same
person is made into the same character.  Pictures that are published are always measured."""

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
        at_once: restore and measure all faces in this frame, whoever's turn it is.
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

    def as_before(
        self, wish: Wish, memory: Memory | None, keys: Sequence[Hashable]
    ) -> list[Touch] | None:
        """What is to be told of a frame whose restored crops are pasted as they come.

        None where crops have to be looked at; otherwise the frame counts as done, and the
        network's output may stay where it is.
        """
        if wish.every_n > 1 and memory is not None:
            return None
        if wish.max_drift <= 0:
            return [Touch("anew", wish.strength) for _ in keys]
        if memory is None or wish.at_once:
            return None
        kept = [memory.look(key) for key in keys]
        young = memory.frame - MEASURE_EVERY
        if not all(one and one.share == 1 and one.measured > young for one in kept):
            return None
        return [_touch("anew", wish, one) for key in keys if (one := memory.get(key))]

    def __call__(
        self, crops: Image, wish: Wish, memory: Memory | None = None, keys: Sequence[Hashable] = ()
    ) -> tuple[Image, list[Touch]]:
        """Restore the faces of one frame.

        Args:
            crops: (n, S, S, 3) uint8 BGR.
            wish: what is asked for.
            memory: of the camera, for streams, in this frame; None for a picture of its own.
            keys: what tells the faces apart from frame to frame, one a face.

        Returns:
            (n, S, S, 3) uint8 BGR, and what was done to each face.

        Raises:
            EngineError: a network gave no picture or no vector.
        """
        if memory is None:
            once = replace(wish, every_n=1, at_once=True)
            return self(crops, once, Memory(), range(len(crops)))
        old = [memory.get(key) for key in keys]
        sketches = [sketch(crop) for crop in crops] if wish.every_n > 1 else []
        fits = [_fit(kept, now) for kept, now in zip(old, sketches, strict=False)]
        due = [*range(len(crops))]
        if not wish.at_once:
            due = sorted(memory.due(keys, wish.every_n, [over_all(one) for one in fits]))
        all_due = len(due) == len(crops)
        some = crops if all_due else crops[due]
        made = self.restorer(some, wish.strength)
        fresh = self._measured(some, made, wish, [old[i] for i in due], memory.frame)
        out = made if all_due else np.array(crops)  # crops are large: copied where they must be
        touches = [Touch("waiting") for _ in crops]
        for i, picture, new in zip(due, made, fresh, strict=True):
            if sketches:
                new.detail, new.sketch = detail_of(picture, crops[i]), sketches[i]
                new.level = ALL if wish.at_once else _risen(old[i], ALL)
            memory.keep(keys[i], new)
            shown = _shown(crops[i], picture, new)
            if not all_due or shown is not picture:
                out[i] = shown
            touches[i] = _touch("anew", wish, new)
        for i in {*range(len(crops))} - {*due}:
            kept = old[i]
            if kept is None or kept.detail is None:
                continue
            kept.level = _risen(kept, fits[i])
            if kept.share * over_all(kept.level) > 0:
                out[i] = with_detail(crops[i], kept.detail, kept.share * kept.level)
                touches[i] = _touch("kept", wish, kept)
        return out, touches

    def _measured(
        self, crops: Image, made: Image, wish: Wish, old: Sequence[Kept | None], frame: int
    ) -> list[Kept]:
        """How much of each restoration the bound allows, measured where it is time for it."""
        new = [
            Kept(share=kept.share, drift=kept.drift, measured=kept.measured) if kept else Kept()
            for kept in old
        ]
        if wish.max_drift <= 0 or not new:
            return new
        rows = [
            i
            for i, kept in enumerate(old)
            if kept is None or wish.at_once or frame - kept.measured >= MEASURE_EVERY
        ]
        if not rows:
            return new
        before, after = [crops[i] for i in rows], [made[i] for i in rows]
        drifts, anchors = self.drift(before, after)
        shares = np.ones(len(rows), np.float32)
        far = np.flatnonzero(drifts > wish.max_drift)
        if far.size:
            shares[far], drifts[far] = self.drift.eased(
                anchors[far], [before[i] for i in far], [after[i] for i in far], wish.max_drift
            )
        for row, share, drift in zip(rows, shares.tolist(), drifts.tolist(), strict=True):
            new[row].drift, new[row].measured = drift, frame
            kept = old[row]
            rises = kept is not None and share > kept.share
            if not rises or drift <= RISE * wish.max_drift:
                new[row].share = share  # else as before: its drift is then below what is told
        return new


def _fit(kept: Kept | None, now: Floats) -> Floats:
    """How much of a face's detail still fits; nothing where there is none."""
    return fit(kept.sketch, now) if kept and kept.sketch is not None else 0 * ALL


def _touch(kind: Literal["anew", "kept"], wish: Wish, kept: Kept) -> Touch:
    """What is told of a face."""
    strength = wish.strength * kept.share * over_all(kept.level)
    return Touch(kind, strength, kept.drift, eased=kept.share < 1)


def _risen(old: Kept | None, level: Floats) -> Floats:
    """A level, but nowhere far above the last frame's."""
    return level if old is None else np.minimum(level, old.level + np.float32(RISE_A_FRAME))


def _shown(crop: Image, made: Image, kept: Kept) -> Image:
    """As much of a restoration as goes into the picture."""
    if kept.detail is not None and (kept.level < 1).any():
        return with_detail(crop, kept.detail, kept.share * kept.level)
    if kept.share == 1:
        return made
    return np.asarray(cv2.addWeighted(made, kept.share, crop, 1 - kept.share, 0), np.uint8)
