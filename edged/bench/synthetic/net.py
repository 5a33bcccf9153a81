"""Writes networks with random weights, layer by layer, at any width.

Every array is drawn from its own generator, seeded by the network's seed and the array's
name: what one layer holds does not depend on the layers before it.  Knows ONNX graphs and
how variance passes through a layer; knows no architecture.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edged.faces import Floats
from edged.onnx_writer import Graph, Shape
from edged.runtime.graph.tools import SMALL_BYTES

SLOPE = 0.2
"""Of every LeakyReLU here, as in the public networks."""

LEAKY_GAIN = (2 / (1 + SLOPE**2)) ** 0.5
"""Restores the second moment that LeakyReLU takes from a normal value."""

LEAST_CHANNELS = 8


class Net(Graph):
    """A graph whose layers draw their own weights.

    Args:
        seed: of all weights.
        width: share of the real network's channels, more than 0 and at most 1.
        outline: whether weights are left out: nothing is drawn, large constants have type
            and extents alone, and the model cannot run.  For counting.
    """

    def __init__(self, seed: int, width: float, *, outline: bool = False) -> None:
        super().__init__()
        self.seed = seed
        self.width = width
        self._outline = outline

    def channels(self, real: int) -> int:
        """Channels in place of the real network's: at a width below 1 a multiple of 8."""
        if self.width == 1:
            return real
        return max(LEAST_CHANNELS, round(real * self.width / 8) * 8)

    def rng(self, name: str) -> np.random.Generator:
        """The generator of what is called so."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def normal(self, name: str, shape: Sequence[int], std: float, mean: float = 0.0) -> Floats:
        """Normal values, float32, in one array."""
        if self._outline:
            return np.zeros(tuple(shape), np.float32)  # pages that nobody touches cost nothing
        values = self.rng(name).standard_normal(tuple(shape), np.float32)
        values *= np.float32(std)
        if mean:
            values += np.float32(mean)
        return values

    def constant(
        self, value: NDArray[Any] | Sequence[int] | np.generic | float, name: str = ""
    ) -> str:
        """See :meth:`Graph.constant`; in an outline a large one has no values."""
        if not (self._outline and isinstance(value, np.ndarray) and value.nbytes > SMALL_BYTES):
            return super().constant(value, name)
        label = name or f"c{len(self._graph.initializer)}"
        tensor = self._graph.initializer.add()
        tensor.name = label
        tensor.data_type = helper.np_dtype_to_tensor_dtype(value.dtype)
        tensor.dims.extend(value.shape)
        return label

    def model(
        self,
        name: str,
        inputs: dict[str, Shape],
        outputs: dict[str, Shape],
        types: Mapping[str, int] = MappingProxyType({}),
        *,
        check: bool = True,
    ) -> onnx.ModelProto:
        """See :meth:`Graph.model`; an outline is not checked."""
        return super().model(name, inputs, outputs, types, check=check and not self._outline)

    def conv(
        self,
        value: str,
        to: str,
        extents: tuple[int, int, int],
        *,
        stride: int = 1,
        pad: int | None = None,
        gain: float = 1.0,
        bias: float | None = 0.1,
        factor: float = 1.0,
        undo: float = 1.0,
    ) -> str:
        """A convolution that keeps the second moment of what it reads, times gain squared.

        Args:
            value: what it reads.
            to: name of the output, and the stem of the arrays' names.
            extents: channels out, channels in, side of the kernel.
            stride: of the convolution.
            pad: on each side; by default the extent is kept.
            gain: standard deviation out per root mean square in.
            bias: its standard deviation; None leaves the bias out.
            factor: multiplies weights and bias: the output is so much larger.
            undo: divides the weights alone: takes an earlier factor back.
        """
        out, into, side = extents
        std = gain * factor / undo / (into * side * side) ** 0.5
        weights = self.normal(f"{to}.weight", (out, into, side, side), std)
        names = [value, self.constant(weights, f"{to}.weight")]
        if bias is not None:
            drawn = self.normal(f"{to}.bias", (out,), bias * factor)
            names.append(self.constant(drawn, f"{to}.bias"))
        edge = side // 2 if pad is None else pad
        return self.op(
            "Conv", *names, to=to,
            kernel_shape=[side, side], pads=[edge] * 4, strides=[stride] * 2,
        )  # fmt: skip

    def linear(
        self, value: str, to: str, extents: tuple[int, int], std: float, bias: Floats
    ) -> str:
        """Rows out and in of a Gemm as PyTorch writes it, with a given bias."""
        weights = self.normal(f"{to}.weight", extents, std)
        return self.gemm(value, to, weights, bias)

    def gemm(self, value: str, to: str, weights: Floats, bias: Floats) -> str:
        """A Gemm over given weights, (out, in)."""
        return self.op(
            "Gemm",
            value,
            self.constant(weights, f"{to}.weight"),
            self.constant(bias, f"{to}.bias"),
            to=to,
            transB=1,
        )

    def leaky(self, value: str) -> str:
        """LeakyReLU of slope 0.2."""
        return self.op("LeakyRelu", value, alpha=SLOPE)

    def resize(self, value: str, scale: float) -> str:
        """Bilinear, as `interpolate(..., mode="bilinear", align_corners=False)` is exported."""
        scales = self.constant(np.array([1, 1, scale, scale], np.float32))
        return self.op(
            "Resize", value, "", scales,
            mode="linear", coordinate_transformation_mode="half_pixel",
        )  # fmt: skip

    def reflect(self, value: str, edge: int) -> str:
        """Reflection padding of both spatial axes."""
        pads = self.constant([0, 0, edge, edge, 0, 0, edge, edge])
        return self.op("Pad", value, pads, mode="reflect")

    def halves(self, value: str, half: int) -> tuple[str, str]:
        """Splits channels into two times `half`."""
        sizes = self.constant([half, half])
        first = self.op("Split", value, sizes, axis=1)
        second = f"{first}.second"
        self._graph.node[-1].output.append(second)
        return first, second

    def to_float(self, value: str) -> str:
        """Cast to float32."""
        cast = self.op("Cast", value)
        self._graph.node[-1].attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
        return cast

    def rename(self, value: str, name: str) -> None:
        """Call a value otherwise, where it is made and wherever it is read."""
        for node in self._graph.node:
            for names in (node.input, node.output):
                for position, one in enumerate(names):
                    if one == value:
                        names[position] = name

    def reshape(self, value: str, shape: Sequence[int], to: str = "") -> str:
        """To a constant shape."""
        return self.op("Reshape", value, self.constant(list(shape)), to=to)

    def inverse_root(self, value: str, *, reciprocal: bool = False) -> str:
        """1 / sqrt(x).

        Args:
            value: x.
            reciprocal: False writes Div(1, Sqrt(x)), as PyTorch's TorchScript exporter does
                with `rsqrt`; True writes Reciprocal(Sqrt(x)), the other form about.
        """
        root = self.op("Sqrt", value)
        if reciprocal:
            return self.op("Reciprocal", root)
        return self.op("Div", self.constant(1.0), root)
