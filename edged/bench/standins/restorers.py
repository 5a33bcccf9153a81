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
        recipe: id of the shipped recipe that takes this export.
        source: name of the picture input.
        output: name of the picture output, the first one.
        fidelity: name of the [1] input, "" where there is none.
        taps: names of further outputs.
        size_px: side of the picture.
        picture_type, fidelity_type: of the tensors, numbers of ONNX.
    """

    recipe: str
    source: str = "input"
    output: str = "output"
    fidelity: str = ""
    taps: tuple[str, ...] = ()
    size_px: int = 512
    picture_type: int = TensorProto.FLOAT
    fidelity_type: int = TensorProto.DOUBLE


_HALF = TensorProto.FLOAT16

CONTRACTS = {
    "gfpgan_1.2": RestorerContract("gfpgan_1.2"),
    "gfpgan_1.3": RestorerContract("gfpgan_1.3"),
    "gfpgan_1.4": RestorerContract("gfpgan_1.4"),
    "gfpgan_1.4_1288": RestorerContract("gfpgan_1.4", output="1288"),
    "codeformer": RestorerContract("codeformer", source="x", output="y", fidelity="w"),
    "codeformer_weight": RestorerContract("codeformer", fidelity="weight"),
    "codeformer_fp16": RestorerContract(
        "codeformer", "x", "y", "w", picture_type=_HALF, fidelity_type=_HALF
    ),
    "restoreformer_plus_plus": RestorerContract(
        "restoreformer_plus_plus", output="2359", taps=_TAPS
    ),
    "gpen_bfr_256": RestorerContract("gpen_bfr_256", size_px=256),
    "gpen_bfr_512": RestorerContract("gpen_bfr_512"),
    "gpen_bfr_1024": RestorerContract("gpen_bfr_1024", size_px=1024),
    "gpen_bfr_2048": RestorerContract("gpen_bfr_2048", size_px=2048),
}
"""File name without suffix -> contract; several spellings where several exports are about.
The FP16 export of CodeFormer was not seen: the worst case stands for it, everything in half."""


def build(name: str, amount: float = 0.7) -> onnx.ModelProto:
    """One restorer.

    Args:
        name: key of :data:`CONTRACTS`.
        amount: share of the fine detail that is added; with a fidelity input it is scaled
            by 1 - fidelity, so that fidelity 1 returns the input.
    """
    contract = CONTRACTS[name]
    graph = Graph()
    source, half = contract.source, contract.picture_type == _HALF
    picture_in = graph.cast(source, TensorProto.FLOAT) if half else source
    blur = graph.constant(np.full((3, 1, 5, 5), 1 / 25, np.float32))
    low = graph.op("Conv", picture_in, blur, group=3, pads=[2, 2, 2, 2])
    detail = graph.op("Sub", picture_in, low)
    picture = (1, 3, contract.size_px, contract.size_px)
    inputs: dict[str, Sequence[int | str]] = {source: picture}
    types = {source: contract.picture_type, contract.output: contract.picture_type}
    if contract.fidelity:
        inputs[contract.fidelity] = (1,)
        types[contract.fidelity] = contract.fidelity_type
        one = graph.constant(1.0)
        fidelity = graph.op("CastLike", contract.fidelity, one)
        strength = graph.scaled(graph.op("Sub", one, fidelity), amount)
    else:
        strength = graph.constant(amount)
    total = graph.op("Add", picture_in, graph.op("Mul", detail, strength))
    ends = (graph.constant(-1.0), graph.constant(1.0))
    if half:
        graph.cast(graph.op("Clip", total, *ends), _HALF, contract.output)
    else:
        graph.op("Clip", total, *ends, to=contract.output)
    for tap in contract.taps:
        graph.op("GlobalAveragePool", detail, to=tap)
    outputs: dict[str, Sequence[int | str]] = {contract.output: picture}
    outputs |= dict.fromkeys(contract.taps, (1, 3, 1, 1))
    model = graph.model(name, inputs, outputs, types)
    onnx.checker.check_model(model, full_check=True)
    return model
