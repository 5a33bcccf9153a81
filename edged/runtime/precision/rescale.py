"""Applies a plan's rewrites to a lifted graph, in the plan's order.

Knows which rewrite is which; the rewrites themselves are `style` and `power`.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from edged.runtime.precision.plan import Rescale
from edged.runtime.precision.power import powered
from edged.runtime.precision.style import styled


def rescaled(model: onnx.ModelProto, rewrites: Sequence[Rescale]) -> onnx.ModelProto:
    """A graph that computes the same in FP32, with smaller values on the way.

    Args:
        model: lifted FP32 graph in topological order; not changed, and returned as it is
            where there is nothing to do.
        rewrites: styles first, then powers, which may meet inside one region.

    Raises:
        EngineError: a rewrite does not fit the graph.
    """
    styles = [one.node for one in rewrites if one.kind == "style"]
    powers = {one.node: one.exponent for one in rewrites if one.kind == "power"}
    if styles:
        model = styled(model, styles)
    if powers:
        model = powered(model, powers)
    return model
