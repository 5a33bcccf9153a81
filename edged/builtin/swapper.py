"""The built-in swapper: the source's features in the target's light.

Knows the contract of inswapper files and writes a graph that has it.  Knows no trained
weights.  In log colours the output is

    target - target's features + gain * source's features + calmed fine detail

inside the inner face, and the target outside it.  The source's features come from the
latent by the inverse cosine transform; fine detail is what of the target's features lies
above the basis (pores, stubble, grain): it makes the picture look taken, not painted.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from edged.builtin import basis
from edged.builtin.features import channels, coupling, features
from edged.builtin.mask import inner_face_mask
from edged.onnx_writer import Graph, Shape

SIZE = 128
EMAP = "buff2fs"
"""Name of the 512 x 512 constant that a host multiplies an embedding with."""

# Fine detail of the target: what a blur of this width takes away, bounded softly so
# that pores and stubble pass and the edges of the target's own features do not.
_DETAIL_SIGMA_PX, _DETAIL_LIMIT, _DETAIL_GAIN = 1.3, 0.05, 0.7

# The shock filter: steps, how soon a bend counts as an edge, and how far a step goes.
_SHOCK_STEPS, _SHOCK_SHARP, _SHOCK_RATE = 2, 25.0, 0.25

# The source's share: contrast moved towards the target's by a power of the ratio,
# within bounds; highlights and colours a little less, as they belong to the light.
_MATCH, _GAIN_LOW, _GAIN_HIGH, _EXAGGERATE = 0.6, 0.6, 0.95, 0.95
_GLINT_LOSS, _CHROMA_GAIN = 0.5, 0.6

# Under a real source the last number of the latent is 0.03 or more; less is not ours.
_LEAST_CONSTANT = 0.004

# How much of the target's opposite is mixed in, and where it stops growing.
_PUSH_AWAY, _PUSH_LIMIT = 0.5, 0.3

# How much of a change's mean is taken back, of lightness and of both colours: all of the
# lightness would make a face dark whose own features are few.
_LEVEL = np.array([0.6, 1.0, 1.0])[None, :, None, None]

_LUMA_ONLY = np.array([1.0, 0.0, 0.0])[None, :, None, None]


def emap() -> NDArray[np.float32]:
    """(512, 512), for row vectors: from embedding to coefficients that rebuild."""
    matrix = np.eye(basis.DIM)
    matrix[:-1, :-1] = basis.gram_inverse()
    return (matrix / basis.weights()[:, None]).astype(np.float32)


def source_features(g: Graph, source: str) -> str:
    """The source's features (n, 3, 128, 128) from its latent (n, 512)."""
    last = g.op("Slice", source, g.constant([511]), g.constant([512]), g.constant([1]))
    known = g.op("Max", last, g.constant(_LEAST_CONSTANT))
    coefs = g.scaled(g.op("Div", source, known), basis.CONSTANT)
    planes: dict[int, str] = {}
    start = 0
    for block in basis.BLOCKS:
        stop = start + block.count
        part = g.op("Slice", coefs, g.constant([start]), g.constant([stop]), g.constant([1]))
        table = g.op("Reshape", part, g.constant([0, 1, block.rows, block.columns]))
        down, across = block.vectors(SIZE)
        plane = g.sandwich(g.constant(down.T), table, g.constant(across))
        known_plane = planes.get(block.channel)
        planes[block.channel] = g.op("Add", known_plane, plane) if known_plane else plane
        start = stop
    crisped = crisp(g, planes[0])
    planes[0] = g.op("Sub", crisped, g.scaled(g.op("Relu", crisped), _GLINT_LOSS))
    colours = g.scaled(g.op("Concat", planes[1], planes[2], axis=1), _CHROMA_GAIN)
    return g.op("Concat", planes[0], colours, axis=1)


def crisp(g: Graph, value: str) -> str:
    """A blurred plane (n, 1, h, w) with its edges steepened (a shock filter).

    Each step moves every pixel towards the brighter or darker side of the nearest edge,
    by the sign of the Laplacian and as far as the slope is high; nothing overshoots.
    """
    slopes = np.zeros((2, 1, 3, 3), np.float32)
    slopes[0, 0] = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8.0
    slopes[1, 0] = slopes[0, 0].T
    bend = np.array([[[[0.5, 1, 0.5], [1, -6, 1], [0.5, 1, 0.5]]]], np.float32) / 2.0
    pads = g.constant([0, 0, 1, 1, 0, 0, 1, 1])
    for _ in range(_SHOCK_STEPS):
        padded = g.op("Pad", value, pads, mode="edge")
        slope = g.op("Conv", padded, g.constant(slopes))
        square = g.op("ReduceSum", g.op("Mul", slope, slope), g.constant([1]), keepdims=1)
        steep = g.op("Sqrt", g.moved(square, 1e-8))
        side = g.op("Tanh", g.scaled(g.op("Conv", padded, g.constant(bend)), _SHOCK_SHARP))
        value = g.op("Sub", value, g.scaled(g.op("Mul", side, steep), _SHOCK_RATE))
    return value


def matched(g: Graph, swapped: str, feature: str) -> str:
    """The source's features with about the target's contrast."""

    def power(value: str) -> str:
        luma, _ = channels(g, value)
        mean = g.op("ReduceMean", g.op("Mul", luma, luma), axes=[1, 2, 3], keepdims=1)
        return g.moved(mean, 1e-4)

    ratio = g.op("Div", power(feature), power(swapped))
    gain = g.op("Pow", ratio, g.constant(0.5 * _MATCH))
    gain = g.op("Clip", gain, g.constant(_GAIN_LOW), g.constant(_GAIN_HIGH))
    return g.op("Mul", swapped, g.scaled(gain, _EXAGGERATE))


def level(g: Graph, change: str) -> str:
    """A change (n, 3, 128, 128) that leaves the inner face's mean colour as it was.

    Without it dark brows and shade go and nothing dark comes: the face turns pale and
    shows as a mask on its own neck.
    """
    mask = inner_face_mask(SIZE)
    weights = (mask / mask.sum())[None, None]
    mean = g.op("ReduceSum", g.scaled(change, weights), g.constant([2, 3]), keepdims=1)
    return g.op("Sub", change, g.scaled(mean, _LEVEL))


def build() -> onnx.ModelProto:
    """The model: `target` and `output` (n, 3, 128, 128) RGB 0..1, `source` (n, 512)."""
    g = Graph()
    logs, feature, bounded, cover = features(g, "target", SIZE)
    swapped = matched(g, source_features(g, "source"), feature)
    # Shade gets as much redder as it does on the target.
    luma, colours = channels(g, swapped)
    colours = g.op("Add", colours, g.op("Mul", coupling(g, bounded), luma))
    swapped = g.op("Concat", luma, colours, axis=1)
    fine = g.constant(basis.blur(SIZE, _DETAIL_SIGMA_PX))
    detail = g.op("Sub", feature, g.sandwich(fine, feature, fine))
    calm = g.scaled(g.op("Tanh", g.scaled(detail, 1 / _DETAIL_LIMIT)), _DETAIL_LIMIT * _DETAIL_GAIN)
    # A little of the target's opposite, or what shows beside the mask would still tell
    # who it was; bounded, or dark brows would leave light ghosts.
    opposite = g.op("Tanh", g.scaled(bounded, 1.0 / _PUSH_LIMIT))
    away = g.scaled(opposite, _PUSH_LIMIT * _PUSH_AWAY * _LUMA_ONLY)
    change = g.op("Add", g.op("Sub", swapped, feature), calm)
    change = g.op("Sub", change, away)
    change = level(g, change)
    # The fine cosines reach a little past the outline: no change may.
    within = np.minimum(inner_face_mask(SIZE) * 4.0, 1.0)
    change = g.scaled(g.op("Mul", change, cover), within)
    back = np.linalg.inv(basis.OPPONENT.astype(np.float64)).astype(np.float32)
    out = g.mix(g.op("Add", logs, change), back)
    # Bounded before the exponential: whatever vector comes in, a picture goes out.
    bottom, top = float(np.log(basis.LOG_OFFSET)), 0.7
    rgb = g.op("Exp", g.op("Clip", out, g.constant(bottom), g.constant(top)))
    rgb = g.op("Relu", g.moved(rgb, -basis.LOG_OFFSET))
    # Too bright a pixel is darkened as a whole: clipping red alone would turn skin grey.
    peak = g.op("ReduceMax", rgb, axes=[1], keepdims=1)
    g.op("Div", rgb, g.op("Max", peak, g.constant(1.0)), to="output")
    g.constant(emap(), EMAP)
    shape: Shape = ["n", 3, SIZE, SIZE]
    return g.model("builtin_swapper", {"target": shape, "source": ["n", 512]}, {"output": shape})
