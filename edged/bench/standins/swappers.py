"""Swapper stand-ins: the contracts of the families beside inswapper, and their converters.

All take `target` [1, 3, S, S] RGB and `source`, a vector [1, 512] or a picture, and blend
the softened target with what the source gives: a tint and, of a picture, its shapes.  What
differs between the families is kept: sides, ranges, kind of source, HyperSwap's mask, files
in half precision.  Knows no runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edged.bench.standins import swapper
from edged.onnx_writer import Graph

WIDTH = 512

_HALF = TensorProto.FLOAT16


@dataclass(frozen=True)
class SwapperContract:
    """What a family's file takes and gives.

    Attributes:
        recipe: id of the shipped recipe that takes it.
        size_px: side of the target.
        source_px: side of the source picture, 0 for a vector.
        bounds: range of its pixels, in and out.
        mask: it gives how much of its picture is to be pasted.
        half: its inputs and outputs are FP16.
    """

    recipe: str
    size_px: int = 256
    source_px: int = 0
    bounds: tuple[float, float] = (-1.0, 1.0)
    mask: bool = False
    half: bool = False


_IMAGENET = (-2.2, 2.7)
"""0 and 1 after ImageNet's mean and deviation, the widest of its channels."""

CONTRACTS = {
    "hyperswap_1a_256": SwapperContract("hyperswap_1a_256", mask=True),
    "hyperswap_1a_256_half": SwapperContract("hyperswap_1a_256", mask=True, half=True),
    "hyperswap_1b_256": SwapperContract("hyperswap_1b_256", mask=True),
    "hyperswap_1c_256": SwapperContract("hyperswap_1c_256", mask=True),
    "ghost_1_256": SwapperContract("ghost_1_256"),
    "ghost_2_256": SwapperContract("ghost_2_256"),
    "ghost_3_256": SwapperContract("ghost_3_256"),
    "simswap_256": SwapperContract("simswap_256", bounds=_IMAGENET),
    "simswap_unofficial_512": SwapperContract("simswap_unofficial_512", 512, bounds=(0.0, 1.0)),
    "hififace_unofficial_256": SwapperContract("hififace_unofficial_256"),
    "uniface_256": SwapperContract("uniface_256", source_px=256),
    "blendswap_256": SwapperContract("blendswap_256", source_px=112, bounds=(0.0, 1.0)),
}
"""File name without suffix -> contract.  HyperSwap's export code casts at its ends; a copy whose
ends are FP16 is the worst case."""


def build(name: str) -> onnx.ModelProto:
    """One swapper.

    Args:
        name: key of :data:`CONTRACTS`.
    """
    contract = CONTRACTS[name]
    graph, rng = Graph(), np.random.default_rng(5)
    target, source = (
        graph.cast(end, TensorProto.FLOAT) if contract.half else end for end in ("target", "source")
    )
    blur = graph.constant(np.full((3, 1, 5, 5), 1 / 25, np.float32))
    soft = graph.op("Conv", target, blur, group=3, pads=[2, 2, 2, 2])
    low, high = contract.bounds
    if contract.source_px:
        size = graph.constant(np.array([1, 1, *[contract.size_px / contract.source_px] * 2]))
        shapes = graph.op(
            "Resize", source, "", size, mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )  # fmt: skip
        given = graph.moved(graph.scaled(shapes, high - low), low)
    else:
        turn = rng.standard_normal((WIDTH, 3)).astype(np.float32)
        # Soft enough that vectors of length 1 and of length 30 both show.
        tint = graph.op("Softsign", graph.op("MatMul", source, graph.constant(turn / 3)))
        given = graph.op("Reshape", tint, graph.constant([1, 3, 1, 1]))
    total = graph.op("Add", graph.scaled(soft, 0.6), graph.scaled(given, 0.4))
    ends = graph.constant(low), graph.constant(high)
    made = {"output": graph.op("Clip", total, *ends)}
    if contract.mask:
        grey = graph.op("ReduceMean", target, axes=[1], keepdims=1)
        made["mask"] = graph.op("Sigmoid", graph.scaled(grey, 4.0))
    for label, value in made.items():
        kind = _HALF if contract.half else TensorProto.FLOAT
        graph.cast(value, kind, label)
    side = contract.size_px
    inputs: dict[str, Sequence[int | str]] = {"target": (1, 3, side, side)}
    inputs["source"] = (1, 3, *[contract.source_px] * 2) if contract.source_px else (1, WIDTH)
    outputs: dict[str, Sequence[int | str]] = {"output": (1, 3, side, side)}
    if contract.mask:
        outputs["mask"] = (1, 1, side, side)
    types = dict.fromkeys((*inputs, *outputs), _HALF) if contract.half else {}
    return graph.model(name, inputs, outputs, types)


def build_converter() -> onnx.ModelProto:
    """A converter, `crossface_*` by contract.

    It bends what it is given, so that a vector of another length gives another direction.
    """
    graph, rng = Graph(), np.random.default_rng(6)
    turn, _ = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))
    lift = graph.constant(np.full(WIDTH, 0.1))
    turned = graph.op("Gemm", "input", graph.constant(turn), lift)
    bent = graph.op("Tanh", graph.scaled(turned, 0.5))
    graph.op("Mul", bent, graph.constant(3.0), to="output")
    return graph.model("converter", {"input": (1, WIDTH)}, {"output": (1, WIDTH)})


def half_inswapper() -> onnx.ModelProto:
    """Inswapper's stand-in as the worst half-precision file that others report.

    Its ends are FP16, the emap is FP16 and has another name, and a 32 x 32 array, which a
    node reads, comes after it: the last array is not the emap.
    """
    model = onnx.compose.add_prefix(swapper.build(), "half/")
    graph = model.graph
    for info in (*graph.input, *graph.output):
        inner, outer = info.name, info.name.removeprefix("half/")
        info.name, info.type.tensor_type.elem_type = outer, _HALF
        given = info in graph.input
        ends, kind = ((outer, inner), TensorProto.FLOAT) if given else ((inner, outer), _HALF)
        graph.node.insert(
            0 if given else len(graph.node),
            helper.make_node("Cast", [ends[0]], [ends[1]], to=kind, name=f"{outer}/cast"),
        )
    emap = next(array for array in graph.initializer if array.name == "half/buff2fs")
    emap.CopyFrom(numpy_helper.from_array(swapper.emap().astype(np.float16), "onnx::emap"))
    scale = numpy_helper.from_array(np.ones((32, 32), np.float32), "_ln_scale_32x32")
    graph.initializer.append(scale)
    _read_last(graph)
    onnx.checker.check_model(model, full_check=True)
    return model


def _read_last(graph: onnx.GraphProto) -> None:
    """Let the last output be multiplied by the mean of the last array, which is 1."""
    (output,) = graph.output
    last = graph.node[-1]
    last.output[0] = "half/unscaled"
    graph.node.extend(
        [
            helper.make_node("ReduceMean", ["_ln_scale_32x32"], ["half/scale"], keepdims=0),
            helper.make_node("Cast", ["half/scale"], ["half/scale16"], to=_HALF),
            helper.make_node("Mul", ["half/unscaled", "half/scale16"], [output.name]),
        ]
    )
