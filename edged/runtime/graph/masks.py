"""The families that say what a face's pixels are: occluder and parser.

Both take an aligned crop and answer for every pixel of it.  Bytes go in and bytes come out:
a mask has no more than 256 steps and a parser 19 classes, so the floats, 76 MB for four
faces of a parser, stay where the network ran.
"""

from __future__ import annotations

from edged.runtime.graph import pictures
from edged.runtime.graph.crops import CHANNELS, type_of
from edged.runtime.graph.emit import FLOAT, UINT8, Emitter
from edged.runtime.graph.work import Work, declare

CLASSES = 19
"""Of a face parser that was trained on CelebAMask-HQ."""

PIXELS_FIRST = 1
"""Axis of an occluder's rows: its picture is [n, h, w, 3], as DeepFaceLab's networks take it."""


def xseg(work: Work) -> None:
    """`crops` -> `visible` [n, S, S], 0 (something is before the face) to 255, and `checks`."""
    picture = work.picture_input()
    side, output = work.square(picture, PIXELS_FIRST), work.model.graph.output[0].name
    pictures.take_pixels(work.model, picture, "crops", work.contract)
    after = Emitter(work.model, "post/")
    mask = pictures.floats(after, output, type_of(work, output))
    mask = after.reshaped(mask, (-1, side, side), name="rows")
    after.mean(mask, (1, 2), name="mean", out="checks")
    bounds = after.constant("none", 0.0), after.constant("all", 1.0)
    mask = after.op("Clip", mask, *bounds, name="clipped")
    mask = after.op("Round", after.scaled(mask, 255.0, name="scaled"), name="rounded")
    after.cast(mask, UINT8, name="bytes", out="visible")
    declare(
        work,
        {"crops": (UINT8, (work.faces, side, side, CHANNELS))},
        {"visible": (UINT8, (work.faces, side, side)), "checks": (FLOAT, (work.faces,))},
    )


def bisenet(work: Work) -> None:
    """`crops` -> `labels` [n, S, S], the likeliest of 19 classes, and `checks`."""
    picture = work.picture_input()
    side, output = work.square(picture), work.model.graph.output[0].name
    pictures.take(work.model, picture, "crops", work.contract)
    after = Emitter(work.model, "post/")
    scores = pictures.floats(after, output, type_of(work, output))
    after.mean(scores, (1, 2, 3), name="mean", out="checks")
    best = after.op("ArgMax", scores, name="best", axis=1, keepdims=0)
    # TensorRT makes bytes of floats only.
    after.cast(after.cast(best, FLOAT, name="labels"), UINT8, name="bytes", out="labels")
    declare(
        work,
        {"crops": (UINT8, (work.faces, side, side, CHANNELS))},
        {"labels": (UINT8, (work.faces, side, side)), "checks": (FLOAT, (work.faces,))},
    )
