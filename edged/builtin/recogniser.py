"""The built-in recogniser: an embedding that is the cosine transform of the inner face.

Knows the contract of ArcFace files and writes a graph that has it.  Knows no weights
that were ever trained: every number comes from `basis`.  It tells strangers apart in
like pictures of like pose; it is a stand-in, not a recogniser to rely upon.
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.builtin import basis
from edged.builtin.features import channels, coupling, features
from edged.builtin.mask import inner_face_mask
from edged.onnx_writer import Graph

SIZE = 112
# Outline, narrower than the inner face, outside which what is dark is hair or its shade.
_DARK_HALF_ABOVE, _DARK_HALF_WIDTH = 38.0, 36.0

# Brings the length of a typical embedding to about 20, that of real recognisers.
_NORM_GAIN = 0.2


def products(g: Graph, feature: str, size: int) -> str:
    """Inner products (n, 511) of features (n, 3, size, size) with the basis."""
    parts = []
    for block in basis.BLOCKS:
        down, across = block.vectors(size)
        plane = g.op("Gather", feature, g.constant(np.int64(block.channel)), axis=1)
        table = g.sandwich(g.constant(down), plane, g.constant(across.T))
        parts.append(g.op("Reshape", table, g.constant([0, block.count])))
    return g.op("Concat", *parts, axis=1)


def build() -> onnx.ModelProto:
    """The model: `input.1` (n, 3, 112, 112) RGB (x - 127.5) / 127.5 to `683` (n, 512)."""
    g = Graph()
    # Nodes' first names must hold no Sub and Mul pair: insightface reads normalisation
    # off them.  A 1x1 convolution rescales instead.
    unit = g.op(
        "Conv",
        "input.1",
        g.constant(np.eye(3, dtype=np.float32)[:, :, None, None] * 0.5),
        g.constant(np.full(3, 0.5, np.float32)),
    )
    bounded = g.op("Clip", unit, g.constant(0.0), g.constant(1.0))
    _, _, feature, cover = features(g, bounded, SIZE)
    feature = g.op("Mul", feature, cover)
    # What is dark above the brows is a fringe, and aside it is hair: both stay behind.
    dark = g.op("Sub", feature, g.op("Relu", feature))
    narrow = inner_face_mask(SIZE, _DARK_HALF_ABOVE, _DARK_HALF_WIDTH)
    outside = 1.0 - narrow / np.maximum(inner_face_mask(SIZE), 1e-3)
    feature = g.op("Sub", feature, g.scaled(dark, np.maximum(outside, 0.0)))
    # Colours go in as what lightness does not explain.
    luma, colours = channels(g, feature)
    rest = g.op("Sub", colours, g.op("Mul", coupling(g, feature), luma))
    feature = g.op("Concat", luma, rest, axis=1)
    found = products(g, feature, SIZE)
    # A column of one constant, as long as the batch.
    nothing = g.scaled(g.op("ReduceMax", found, axes=[1], keepdims=1), 0.0)
    joined = g.op("Concat", found, g.moved(nothing, basis.CONSTANT), axis=1)
    g.op("Mul", joined, g.constant(basis.weights() * _NORM_GAIN), to="683")
    return g.model("builtin_recogniser", {"input.1": ["n", 3, SIZE, SIZE]}, {"683": ["n", 512]})
