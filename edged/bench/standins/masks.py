"""Mask stand-ins: the contracts of XSeg (occluder) and BiSeNet (parser).

XSeg's takes [1, 256, 256, 3] BGR / 255 and gives [1, 256, 256, 1] in 0..1: what is bluer than
skin counts as before the face.  BiSeNet's takes [1, 3, 512, 512] RGB normalised as ImageNet
and gives [1, 19, 512, 512] logits first and two helpers of training after it: classes lie
where an aligned face has them, and what is blue is spectacles.  Knows no runtime.
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.faces import Floats
from edged.geometry import template
from edged.onnx_writer import Graph, Shape

XSEG_PX, BISENET_PX = 256, 512
CLASSES = 19
SKIN, L_BROW, R_BROW, L_EYE, R_EYE, GLASSES, NOSE, MOUTH, U_LIP, L_LIP, HAIR = (
    1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 17,
)  # fmt: skip
"""CelebAMask-HQ's classes, as far as the stand-in has them; 0 is the background."""

_COARSE = 8
"""The classes' places are held at an eighth of the side."""

_HELPERS = ("out16", "out32")


def xseg(source: str = "input", output: str = "output") -> onnx.ModelProto:
    """An occluder; its middle works on planes at half the side, as the public file's does."""
    graph = Graph()
    planes = graph.op("Transpose", source, perm=[0, 3, 1, 2])
    bluer = np.array([-16.0, 0.0, 16.0], np.float32).reshape(1, 3, 1, 1)
    half = graph.op(
        "Conv", planes, graph.constant(np.repeat(np.repeat(bluer / 4, 2, 2), 2, 3)), strides=[2, 2]
    )
    again = graph.constant(np.ones((1, 1, 2, 2), np.float32))
    whole = graph.op("ConvTranspose", half, again, strides=[2, 2])
    shown = graph.op("Sigmoid", graph.moved(whole, 3.0))
    graph.op("Transpose", shown, perm=[0, 2, 3, 1], to=output)
    side = XSEG_PX
    return graph.model("xseg", {source: (1, side, side, 3)}, {output: (1, side, side, 1)})


def bisenet(source: str = "input", output: str = "output") -> onnx.ModelProto:
    """A parser."""
    graph = Graph()
    places = graph.constant(_places(BISENET_PX // _COARSE)[None])
    scales = graph.constant(np.array([1, 1, _COARSE, _COARSE], np.float32))
    prior = graph.op("Resize", places, "", scales, mode="linear")
    weight = np.zeros((CLASSES, 3, 1, 1), np.float32)
    weight[GLASSES, :, 0, 0] = (-8.0, 0.0, 8.0)
    bias = np.zeros(CLASSES, np.float32)
    bias[GLASSES] = -6.0
    blue = graph.op("Conv", source, graph.constant(weight), graph.constant(bias))
    graph.op("Add", blue, prior, to=output)
    side = BISENET_PX
    logits = (1, CLASSES, side, side)
    for name in _HELPERS:
        graph.op("Sigmoid", blue, to=name)
    outputs: dict[str, Shape] = dict.fromkeys((output, *_HELPERS), logits)
    return graph.model("bisenet", {source: (1, 3, side, side)}, outputs)


def _places(side: int) -> Floats:
    """(19, side, side) float32: 0 where a class may be, -10 where not; later ones lie above."""
    points = template("ffhq_512", side).astype(np.float64)
    eyes, nose, lips = points[:2], points[2], points[3:].mean(axis=0)
    unit = float(np.linalg.norm(lips - eyes.mean(axis=0)))
    ys, xs = np.mgrid[:side, :side]

    def oval(x: float, y: float, a: float, b: float) -> Floats:
        inside = np.hypot((xs - x) / (a * unit), (ys - y) / (b * unit)) < 1
        return np.asarray(inside, np.float32)

    middle = (eyes.mean(axis=0) + lips) / 2
    drawn = (
        (HAIR, oval(middle[0], middle[1] - 0.3 * unit, 1.5, 1.8)),
        (SKIN, oval(middle[0], middle[1], 1.1, 1.4)),
        (L_BROW, oval(eyes[0, 0], eyes[0, 1] - 0.35 * unit, 0.4, 0.1)),
        (R_BROW, oval(eyes[1, 0], eyes[1, 1] - 0.35 * unit, 0.4, 0.1)),
        (L_EYE, oval(eyes[0, 0], eyes[0, 1], 0.25, 0.12)),
        (R_EYE, oval(eyes[1, 0], eyes[1, 1], 0.25, 0.12)),
        (NOSE, oval(nose[0], nose[1] - 0.2 * unit, 0.25, 0.4)),
        (U_LIP, oval(lips[0], lips[1] - 0.1 * unit, 0.5, 0.12)),
        (L_LIP, oval(lips[0], lips[1] + 0.12 * unit, 0.45, 0.14)),
        (MOUTH, oval(lips[0], lips[1], 0.4, 0.06)),
    )
    places = np.full((CLASSES, side, side), -10, np.float32)
    places[0] = -1
    for height, (label, inside) in enumerate(drawn):
        places[label] = np.where(inside > 0, 0.1 * height, -10)
    return places
