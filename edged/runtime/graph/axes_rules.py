"""The rule of every operator that is known to keep faces apart."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edged.runtime.graph import axes_layout as lay
from edged.runtime.graph import axes_math as do
from edged.runtime.graph.axes import Rule

_ELEMENTWISE = (
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mean", "Sum", "Where", "Equal", "Less",
    "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or", "Xor", "Not", "Mod", "PRelu",
    "Relu", "LeakyRelu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg",
    "Floor", "Ceil", "Round", "Erf", "Cast", "CastLike", "Clip", "Identity", "Dropout", "Elu",
    "Selu", "Celu", "Gelu", "Mish", "Softplus", "Softsign", "HardSigmoid", "HardSwish",
    "ThresholdedRelu", "Sin", "Cos", "Sign", "IsNaN", "IsInf",
)  # fmt: skip
_PER_SAMPLE = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool",
    "GlobalMaxPool", "BatchNormalization", "InstanceNormalization", "GroupNormalization",
    "LRN", "DepthToSpace", "SpaceToDepth",
)  # fmt: skip
_REDUCTIONS = (
    "Max", "Mean", "Min", "Prod", "Sum", "SumSquare", "L1", "L2", "LogSum", "LogSumExp",
)  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType(
    dict.fromkeys(_ELEMENTWISE, do.broadcast)
    | dict.fromkeys(_PER_SAMPLE, do.per_sample)
    | dict.fromkeys((f"Reduce{kind}" for kind in _REDUCTIONS), do.reduce)
    | dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), do.softmax)
    | dict.fromkeys(("TopK", "CumSum", "LpNormalization"), do.along_last)
    | dict.fromkeys(("ArgMax", "ArgMin"), do.best)
    | dict.fromkeys(("GatherElements", "ScatterElements"), lay.elements)
    | {
        "GridSample": do.same_grid,
        "Resize": do.resize,
        "Pad": lay.pad,
        "MatMul": do.matmul,
        "Gemm": do.gemm,
        "Transpose": lay.transpose,
        "Reshape": lay.reshape,
        "Flatten": lay.flatten,
        "Squeeze": lay.squeeze,
        "Unsqueeze": lay.unsqueeze,
        "Concat": lay.concat,
        "Split": lay.split,
        "Slice": lay.cut_out,
        "Gather": lay.gather,
        "LayerNormalization": do.from_axis,
        "Expand": lay.expand,
        "Tile": lay.tile,
        "OneHot": lay.one_hot,
        "Trilu": lay.triangle,
        "Einsum": do.einsum,
    }
)
"""By operator; one that is not here lets no faces through."""
