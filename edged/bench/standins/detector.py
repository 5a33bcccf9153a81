"""Detector stand-ins: SCRFD's nine outputs and YuNet's twelve, finding green squares.

Per stride the green is pooled into cells; an 8 x 8 cell window centred on each anchor
gives mass and centroid, hence side and place of the square, exact to a pixel for faces
that are alone in a window: 30 to 190 px at the network's scale over the three strides.
Knows the two contracts (input layout, output names, order, units) and no runtime.
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.bench.standins.faces import landmark_offsets
from edged.faces import Floats
from edged.onnx_writer import Graph

STRIDES = (8, 16, 32)
WINDOW = 8
"""Side in cells of the window that is weighed around each anchor."""

SCRFD_OUTPUTS = {
    "det_10g": ("448", "471", "494", "451", "474", "497", "454", "477", "500"),
    "det_500m": ("443", "468", "493", "446", "471", "496", "449", "474", "499"),
}
"""Output names of the public files: scores, boxes, landmarks, each by rising stride."""

_SCORE_WEIGHTS = np.array([4.2, -3.5 / WINDOW**2, -1.05, -1.05, -1.5], np.float32)
"""Logit of a score by inner share, mass (cells), |x| and |y| of the centroid (cells) and
spread (cells squared): high in the middle of a full square, low where the square outgrows
the window and between two squares."""

_SCORE_BIASES = np.array([-0.7, -1.05], np.float32)
"""One an anchor, so that the two anchors of a cell differ as real ones do."""


def scrfd(name: str = "det_10g") -> onnx.ModelProto:
    """SCRFD's contract: [1, 3, ?, ?] RGB (x - 127.5) / 128 -> score, box, landmarks."""
    graph = Graph()
    green = _green(graph, "input.1", 1.0)
    shapes: dict[str, tuple[int | str, ...]] = {}
    names = SCRFD_OUTPUTS[name]
    # l, t, r, b of the box and the landmarks from (centroid x, centroid y, side), in cells.
    box = np.array([[-1, 0, 0.5], [0, -1, 0.5], [1, 0, 0.5], [0, 1, 0.5]], np.float32)
    for level, stride in enumerate(STRIDES):
        cells = _Cells(graph, green, stride)
        anchors = 2 * (640 // stride) ** 2
        logits = graph.op(
            "Conv",
            cells.evidence,
            graph.constant(np.tile(_SCORE_WEIGHTS, (2, 1))[:, :, None, None]),
            graph.constant(_SCORE_BIASES),
        )
        score, distances, points = names[level], names[level + 3], names[level + 6]
        graph.op("Sigmoid", _rows(graph, logits, 1), to=score)
        _rows(graph, graph.mix(cells.geometry, np.tile(box, (2, 1))), 4, to=distances)
        _rows(graph, graph.mix(cells.geometry, np.tile(_landmark_mix(), (2, 1))), 10, to=points)
        shapes |= {score: (anchors, 1), distances: (anchors, 4), points: (anchors, 10)}
    return graph.model(
        name, {"input.1": (1, 3, "?", "?")}, {output: shapes[output] for output in names}
    )


def yunet() -> onnx.ModelProto:
    """YuNet's contract: [1, 3, 640, 640] BGR 0..255 -> cls, obj, bbox, kps by stride."""
    graph = Graph()
    green = _green(graph, "input", 1 / 128)
    shapes: dict[str, tuple[int | str, ...]] = {}
    for stride in STRIDES:
        cells = _Cells(graph, green, stride)
        anchors = (640 // stride) ** 2
        logits = graph.op(
            "Conv",
            cells.evidence,
            graph.constant(_SCORE_WEIGHTS[None, :, None, None]),
            graph.constant(_SCORE_BIASES[:1]),
        )
        for kind in ("cls", "obj"):
            named = f"{kind}_{stride}"
            graph.op("Sigmoid", _rows(graph, logits, 1, batched=True), to=named)
            shapes[named] = (1, anchors, 1)
        # Centre in cells, then the logarithm of width and height in cells.
        sides = graph.op("Log", cells.side)
        box = graph.op("Concat", cells.centroid, sides, sides, axis=1)
        _rows(graph, box, 4, to=f"bbox_{stride}", batched=True)
        points = graph.mix(cells.geometry, _landmark_mix())
        _rows(graph, points, 10, to=f"kps_{stride}", batched=True)
        shapes |= {f"bbox_{stride}": (1, anchors, 4), f"kps_{stride}": (1, anchors, 10)}
    order = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]
    return graph.model("yunet", {"input": (1, 3, 640, 640)}, {key: shapes[key] for key in order})


class _Cells:
    """What is known of the green around every anchor of one stride; channels over cells.

    Attributes:
        centroid: x and y of the green in the window, cells from the anchor.
        side: side of a square of the same mass, cells.
        geometry: centroid and side.
        evidence: inner share, mass, |x|, |y|, and by how much the green is more spread out
            than one square of its mass.
    """

    def __init__(self, graph: Graph, green: str, stride: int) -> None:
        share = graph.op(
            "AveragePool", green, kernel_shape=[stride, stride], strides=[stride, stride]
        )
        # Even kernels padded one more before than after are centred on a cell's corner,
        # which is where both contracts put the anchor.
        inner = graph.op(
            "Conv",
            share,
            graph.constant(np.full((1, 1, 4, 4), 1 / 16, np.float32)),
            kernel_shape=[4, 4],
            pads=[2, 2, 1, 1],
        )
        along = np.arange(WINDOW, dtype=np.float32) - (WINDOW - 1) / 2
        x = np.tile(along, (WINDOW, 1))
        moments = graph.op(
            "Conv",
            share,
            graph.constant(np.stack([np.ones_like(x), x, x.T, x**2 + x.T**2])[:, None]),
            kernel_shape=[WINDOW, WINDOW],
            pads=[WINDOW // 2, WINDOW // 2, WINDOW // 2 - 1, WINDOW // 2 - 1],
        )
        mass = _channels(graph, moments, 0, 1)
        filled = graph.op("Max", mass, graph.constant(np.array([1e-3], np.float32)))
        self.centroid = graph.op("Div", _channels(graph, moments, 1, 3), filled)
        # Variance about the centroid; that of a square is a sixth of its area.
        distance = graph.op("ReduceSumSquare", self.centroid, axes=[1], keepdims=1)
        about = graph.op("Div", _channels(graph, moments, 3, 4), filled)
        spread = graph.op("Sub", graph.op("Sub", about, distance), graph.scaled(mass, 1 / 6))
        self.side = graph.op("Sqrt", filled)
        self.geometry = graph.op("Concat", self.centroid, self.side, axis=1)
        self.evidence = graph.op(
            "Concat", inner, mass, graph.op("Abs", self.centroid), graph.op("Relu", spread), axis=1
        )


def _green(graph: Graph, source: str, gain: float) -> str:
    """1 where green exceeds the mean of red and blue by more than 165 of 255, 0 below 102.

    The weights sum to zero: input offsets cancel, and red and blue may be swapped.
    """
    weights = gain * np.array([-0.25, 0.5, -0.25], np.float32).reshape(1, 3, 1, 1)
    excess = graph.op(
        "Conv", source, graph.constant(weights), graph.constant(np.array([-0.4], np.float32))
    )
    return graph.op("Clip", graph.scaled(excess, 4.0), graph.constant(0.0), graph.constant(1.0))


def _landmark_mix() -> Floats:
    """(10, 3): five landmarks' x and y from (centroid x, centroid y, side)."""
    rows = [[[1, 0, x], [0, 1, y]] for x, y in landmark_offsets()]
    return np.array(rows, np.float32).reshape(10, 3)


def _channels(graph: Graph, value: str, first: int, end: int) -> str:
    """Channels first..end - 1."""
    return graph.op(
        "Slice", value, graph.constant([first]), graph.constant([end]), graph.constant([1])
    )


def _rows(graph: Graph, value: str, width: int, to: str = "", *, batched: bool = False) -> str:
    """[1, k * width, h, w] -> [h * w * k, width], rows by cell then anchor."""
    last = graph.op("Transpose", value, perm=[0, 2, 3, 1])
    shape = [1, -1, width] if batched else [-1, width]
    return graph.op("Reshape", last, graph.constant(shape), to=to)
