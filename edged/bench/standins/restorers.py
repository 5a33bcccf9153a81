"""Restorer stand-ins: the contracts of GFPGAN, CodeFormer, RestoreFormer++ and GPEN.

All take [1, 3, S, S] RGB (x / 255 - 0.5) / 0.5 and sharpen it.  What differs between the
public exports is kept: names of inputs and outputs, CodeFormer's float64 fidelity,
RestoreFormer++'s fourteen extra outputs, sides.  Knows no runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from edged.onnx_writer import Graph

_TAPS = (
    "1228", "1238", "onnx::MatMul_1198", "onnx::Shape_1184", "onnx::ArgMin_1182", "input.1",
    "x", "x.3", "x.7", "x.11", "x.15", "input.252", "input.280", "input.288",
)  # fmt: skip
"""Extra outputs of the public RestoreFormer++ export, in its order."""


@dataclass(frozen=True)
class RestorerContract:
    """How one public export calls its tensors.

    Attributes:
        source: name of the picture input.
        output: name of the picture output, the first one.
        fidelity: name of the float64 [1] input, "" where there is none.
        taps: names of further outputs.
        size_px: side of the picture.
    """

    source: str = "input"
    output: str = "output"
    fidelity: str = ""
    taps: tuple[str, ...] = ()
    size_px: int = 512


CONTRACTS = {
    "gfpgan_1.4": RestorerContract(),
    "gfpgan_1.4_1288": RestorerContract(output="1288"),
    "codeformer": RestorerContract(source="x", output="y", fidelity="w"),
    "codeformer_weight": RestorerContract(fidelity="weight"),
    "restoreformer_plus_plus": RestorerContract(output="2359", taps=_TAPS),
    "gpen_bfr_256": RestorerContract(size_px=256),
    "gpen_bfr_512": RestorerContract(),
}
"""File name without suffix -> contract; two spellings where two exports are about."""


def build(name: str, amount: float = 0.7) -> onnx.ModelProto:
    """One restorer.

    Args:
        name: key of :data:`CONTRACTS`.
        amount: share of the fine detail that is added; with a fidelity input it is scaled
            by 1 - fidelity, so that fidelity 1 returns the input.
    """
    contract = CONTRACTS[name]
    graph = Graph()
    blur = graph.constant(np.full((3, 1, 5, 5), 1 / 25, np.float32))
    low = graph.op("Conv", contract.source, blur, group=3, pads=[2, 2, 2, 2])
    detail = graph.op("Sub", contract.source, low)
    picture = (1, 3, contract.size_px, contract.size_px)
    inputs: dict[str, Sequence[int | str]] = {contract.source: picture}
    if contract.fidelity:
        inputs[contract.fidelity] = (1,)
        one = graph.constant(1.0)
        fidelity = graph.op("CastLike", contract.fidelity, one)
        strength = graph.scaled(graph.op("Sub", one, fidelity), amount)
    else:
        strength = graph.constant(amount)
    total = graph.op("Add", contract.source, graph.op("Mul", detail, strength))
    graph.op("Clip", total, graph.constant(-1.0), graph.constant(1.0), to=contract.output)
    for tap in contract.taps:
        graph.op("GlobalAveragePool", detail, to=tap)
    outputs: dict[str, Sequence[int | str]] = {contract.output: picture}
    outputs |= dict.fromkeys(contract.taps, (1, 3, 1, 1))
    model = graph.model(name, inputs, outputs)
    for info in model.graph.input:
        if info.name == contract.fidelity:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    onnx.checker.check_model(model, full_check=True)
    return model
