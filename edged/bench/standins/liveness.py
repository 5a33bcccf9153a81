"""Stand-ins for the networks that judge a face or a picture, by their contracts alone.

MiniFASNet (`input` [1, 3, 80, 80] BGR 0..255 -> `logits` [1, 3]), insightface's liveness
add-on (`input` [N, 3, 80, 80] RGB 0..1 -> `live` [N]) and the three content networks
(`input` [1, 3, S, S] -> [1, 9, 8400], [1, 2] or [1, 4]).  They answer by the mean colour, so
that a test can choose the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from edged.faces import Floats
from edged.onnx_writer import Graph

SIZE_PX = 80
CHANNELS = 3

CONTENT: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "nsfw_1": (640, (9, 8400)),
    "nsfw_2": (384, (2,)),
    "nsfw_3": (448, (4,)),
}
"""Side of the input and shape of the answer, without the batch."""


def minifas(seed: int = 1) -> onnx.ModelProto:
    """Logits from a 4 x 4 grid of mean colours; batch fixed at 1 as in the exports."""
    rng = np.random.default_rng(seed)
    cells, side = 4, SIZE_PX // 4
    weights = rng.standard_normal((CHANNELS * cells**2, 3)).astype(np.float32) / 200
    graph = Graph()
    means = graph.op("AveragePool", "input", kernel_shape=[side, side], strides=[side, side])
    graph.op(
        "Gemm",
        graph.op("Flatten", means, axis=1),
        graph.constant(weights),
        graph.constant(np.zeros(3, np.float32)),
        to="logits",
    )
    return graph.model("minifasnet", {"input": (1, CHANNELS, SIZE_PX, SIZE_PX)}, {"logits": (1, 3)})


def aligned() -> onnx.ModelProto:
    """The mean of the crop, 0..1, as probability."""
    graph = Graph()
    mean = graph.op("ReduceMean", "input", axes=[1, 2, 3], keepdims=0)
    low, high = graph.constant(np.float32(0)), graph.constant(np.float32(1))
    graph.op("Clip", mean, low, high, to="live")
    return graph.model("liveness", {"input": ("N", CHANNELS, SIZE_PX, SIZE_PX)}, {"live": ("N",)})


def content(name: str) -> onnx.ModelProto:
    """Votes yes for red pictures: the mean of red, in the network's own input units."""
    side, shape = CONTENT[name]
    graph = Graph()
    means = graph.op("GlobalAveragePool", "input")  # [1, 3, 1, 1], red first
    flat = graph.op("Flatten", means, axis=1)
    size = int(np.prod(shape))
    weights = np.zeros((CHANNELS, size), np.float32)
    weights[0] = _signs(name, shape).ravel()
    made = graph.op("MatMul", flat, graph.constant(weights))
    graph.op("Reshape", made, graph.constant([1, *shape]), to="output")
    return graph.model(name, {"input": (1, CHANNELS, side, side)}, {"output": (1, *shape)})


def _signs(name: str, shape: tuple[int, ...]) -> Floats:
    """Where the mean of red goes in the answer, and how strongly."""
    signs = np.zeros(shape, np.float32)
    if name == "nsfw_1":
        signs[:4] = 100.0  # places of boxes, which the rule must not read as scores
        signs[5, 17] = 1.0
    elif name == "nsfw_2":
        signs[0] = 1.0
    else:
        signs[2:] = 5.0
        signs[:2] = -5.0
    return signs
