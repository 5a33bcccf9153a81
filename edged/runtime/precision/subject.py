"""A graph with all that is known of it: ranges, shapes, cost, who makes and who reads what.

Knows no rules: those are `derive` and `rewrites`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx

from edged.runtime.graph.tools import initializers
from edged.runtime.precision.halves import FP16_MAX, Typing
from edged.runtime.precision.nodes import keys, readers, writers
from edged.runtime.precision.ranges import Ranges

SAFE = FP16_MAX / 4
"""Largest value that is trusted to FP16: crops that nobody measured may go 4 times beyond."""

SMALL = 2.0**-12
"""A tensor whose largest value is below keeps too few bits above 2**-24."""

_HEAVY_SHARE = 1e-3
"""A node with fewer multiply-adds than this costs nothing worth saving."""


@dataclass
class Subject:
    """A lifted graph with everything that the rules ask for.

    Attributes:
        model: lifted, and rescaled where a plan rescales.
        macs: multiply-adds by node key.
        shapes: of all tensors, for the feeds that were measured.
        ranges: measured on that model.
    """

    model: onnx.ModelProto
    macs: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    ranges: Ranges
    labels: list[str] = field(init=False)
    made: dict[str, int] = field(init=False)
    read: dict[str, list[int]] = field(init=False)
    constants: dict[str, onnx.TensorProto] = field(init=False)
    typing: Typing = field(init=False)
    """Of plain FP16: what FP16 itself keeps in FP32."""

    def __post_init__(self) -> None:
        self.labels = keys(self.model.graph.node)
        self.made = writers(self.model.graph.node)
        self.read = readers(self.model.graph.node)
        self.constants = initializers(self.model)
        self.typing = Typing.of(self.model, ())

    def peak(self, name: str) -> float:
        """Largest |x| of a tensor; 0 where it is no measured float."""
        return self.ranges.peaks.get(name, 0.0)

    def beyond(self, name: str) -> bool:
        """Whether a tensor is too large to be trusted to FP16."""
        return self.peak(name) > SAFE

    def heavy(self, i: int) -> bool:
        """Whether a node's multiply-adds are worth saving."""
        return self.macs.get(self.labels[i], 0) > _HEAVY_SHARE * sum(self.macs.values())

    def node(self, i: int) -> onnx.NodeProto:
        """The node at a position."""
        node: onnx.NodeProto = self.model.graph.node[i]
        return node
