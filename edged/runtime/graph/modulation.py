"""StyleGAN2's modulated convolution with its style on the activations, not on the weights.

PyTorch's export multiplies a constant weight by each face's style, divides every filter by
its length and convolves with the result, the batch laid out as groups.  Such a graph is
stuck at one face, and no runtime is fast with weights that are computed.  The same numbers
come from the activations:

    conv(x, W * s / sqrt(sum((W * s)^2) + eps))
        = conv(x * s, W) * 1 / sqrt(s^2 @ sum_k(W^2) + eps)

What was found is rewritten so.  With `<conv>` for the name of the convolution's node, which
stays, the new nodes and their outputs are called

    <conv>/style         s as [n, c_in, 1, 1]
    <conv>/scaled        x * s
    <conv>/demod/style, squares, sums, moved, root, inverse, gain
                         s as [n, c_in]; s^2; s^2 @ sum_k(W^2); + eps; sqrt; 1 / x;
                         as [n, c_out, 1, 1]
    <conv>/demodulated   the convolution times that gain
    <conv>/biased        plus the convolution's bias, where it has one

and the constants `<conv>/weight` and `<conv>/demod/power` (sum_k(W^2), [c_in, c_out]).  A
precision plan finds them by these names; s may be scaled by any factor a face, because
`gain` takes it back (eps aside).  A convolution without the division ("to RGB") has no
`demod` nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from edged.faces import Floats, Tensor
from edged.runtime.graph import tools
from edged.runtime.graph.emit import Emitter

_VIEWS = frozenset({"Reshape", "Unsqueeze", "Squeeze", "Identity", "Flatten"})


@dataclass(frozen=True)
class _Modulated:
    """One convolution with a computed weight, understood.

    Attributes:
        weight: the constant part as the convolution takes it, 4-D.
        power: sum over the kernel of its squares, (c_in, c_out).
        style: tensor of c_in numbers a face.
        eps: None without the division by the filters' lengths.
    """

    weight: Floats
    power: Floats
    style: str
    eps: float | None


def rewrite_modulation(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Rewrite every modulated convolution of a graph, in place.

    Args:
        model: at one face.
        shapes: of its tensors, for one face.

    Returns:
        How many were found.
    """
    reader = _Reader(model, shapes)
    found = 0
    for node in list(model.graph.node):
        if node.op_type not in ("Conv", "ConvTranspose") or node.input[1] in reader.constants:
            continue
        modulated = reader.understand(node)
        if modulated is not None:
            _write(model, node, modulated, reader.before_view(node.input[0]))
            found += 1
    if found:
        tools.prune(model)
        tools.toposort(model)
    return found


def _write(model: onnx.ModelProto, conv: onnx.NodeProto, what: _Modulated, source: str) -> None:
    """The activation-side form; the node `conv` keeps its name and attributes."""
    emit = Emitter(model, f"{conv.name}/")
    into, out = what.power.shape
    style = emit.reshaped(what.style, (-1, into, 1, 1), name="style")
    scaled = emit.op("Mul", source, style, name="scaled")
    result, bias = conv.output[0], conv.input[2] if len(conv.input) > 2 else ""
    conv.output[0] = f"{conv.name}/mixed"
    weight = emit.constant("weight", what.weight)
    del conv.input[:]
    conv.input.extend([scaled, weight])
    if what.eps is None and not bias:
        conv.output[0] = result
    value = conv.output[0]
    if what.eps is not None:
        flat = emit.reshaped(what.style, (-1, into), name="demod/style")
        squares = emit.op("Mul", flat, flat, name="demod/squares")
        sums = emit.op(
            "MatMul", squares, emit.constant("demod/power", what.power), name="demod/sums"
        )
        moved = emit.op("Add", sums, emit.constant("demod/eps", what.eps), name="demod/moved")
        root = emit.op("Sqrt", moved, name="demod/root")
        inverse = emit.op("Reciprocal", root, name="demod/inverse")
        gain = emit.reshaped(inverse, (-1, out, 1, 1), name="demod/gain")
        value = emit.op("Mul", value, gain, name="demodulated", out="" if bias else result)
    if bias:
        shaped = emit.reshaped(bias, (1, out, 1, 1), name="bias")
        emit.op("Add", value, shaped, name="biased", out=result)


class _Reader:
    """Recognises the export's chain behind a convolution's weight.

    Args:
        model: at one face.
        shapes: of its tensors.
    """

    def __init__(self, model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.constants = tools.initializers(model)
        self._made = tools.producers(model)
        self._shapes = shapes

    def before_view(self, name: str) -> str:
        """The tensor before a reshape that, for one face, changes nothing."""
        node = self._made.get(name)
        if node is None or node.op_type not in _VIEWS:
            return name
        same = self._shapes.get(node.input[0]) == self._shapes.get(name, ())
        return self.before_view(node.input[0]) if same else name

    def understand(self, conv: onnx.NodeProto) -> _Modulated | None:
        """The parts of a computed weight, None where it is something else."""
        if tools.attribute(conv, "group", 1) != 1:
            return None
        views, name = [], conv.input[1]
        while (node := self._made.get(name)) and node.op_type in (*_VIEWS, "Transpose"):
            views.append(node)
            name = node.input[0]
        product, eps = self._demodulated(name)
        parts = self._styled(product)
        if parts is None:
            return None
        weight, style, axis = parts
        for view in reversed(views):
            if view.op_type == "Transpose":
                perm = tools.attribute(view, "perm", None)
                weight = np.transpose(weight, perm)  # type: ignore[call-overload]
            else:
                weight = weight.reshape(self._shapes[view.output[0]])
        if weight.ndim != 4:
            return None
        # Filters are laid out (out, in, ...) for Conv and (in, out, ...) for ConvTranspose.
        power = np.square(weight, dtype=np.float64).sum(axis=(2, 3))
        power = power.T if conv.op_type == "Conv" else power
        if power.shape[0] != axis:
            return None
        return _Modulated(np.asarray(weight, np.float32), np.asarray(power, np.float32), style, eps)

    def _styled(self, name: str) -> tuple[Tensor, str, int] | None:
        """Constant weight * style -> the weight, the style's tensor and its length."""
        node = self._made.get(name)
        if node is None or node.op_type != "Mul":
            return None
        for constant, other in (node.input, reversed(list(node.input))):
            weight = self._constant(constant)
            if weight is None or weight.ndim < 4:
                continue
            shape = self._shapes.get(other, ())
            long = [extent for extent in shape if extent != 1]
            inner = weight.ndim - 3  # (1, out, in, k, k) or (out, in, k, k)
            if len(long) == 1 and weight.shape[inner] == long[0] == shape[inner - weight.ndim]:
                return weight, self._source(other), long[0]
        return None

    def _constant(self, name: str) -> Tensor | None:
        """A constant, or a product of constants that the export did not work out."""
        if name in self.constants:
            return tools.array(self.constants[name])
        node = self._made.get(name)
        if node is None or node.op_type != "Mul":
            return None
        one, other = (self._constant(part) for part in node.input)
        return None if one is None or other is None else np.asarray(one * other)

    def _source(self, name: str) -> str:
        """The tensor behind views of it."""
        while (node := self._made.get(name)) and node.op_type in _VIEWS:
            name = node.input[0]
        return name

    def _demodulated(self, name: str) -> tuple[str, float | None]:
        """The product before a division by the filters' lengths, and epsilon, if there is one."""
        node = self._made.get(name)
        if node is None or node.op_type not in ("Mul", "Div"):
            return name, None
        pairs = [tuple(node.input)]
        if node.op_type == "Mul":
            pairs.append((node.input[1], node.input[0]))
        for product, length in pairs:
            eps = self._length(length, product, inverse=node.op_type == "Mul")
            if eps is not None:
                return product, eps
        return name, None

    def _length(self, name: str, product: str, *, inverse: bool) -> float | None:
        """Epsilon, if the tensor is (1 /) sqrt(sum(product^2) + epsilon)."""
        node = self._made.get(self._source(name))
        if node is None:
            return None
        power = self._number(node.input[1]) if node.op_type == "Pow" else None
        if power is not None:
            return (
                self._sum(node.input[0], product) if power == (-0.5 if inverse else 0.5) else None
            )
        if inverse:
            if node.op_type == "Reciprocal":
                root = node.input[0]
            elif node.op_type == "Div" and self._number(node.input[0]) == 1:
                root = node.input[1]
            else:
                return None
            node = self._made.get(root)
        if node is None or node.op_type != "Sqrt":
            return None
        return self._sum(node.input[0], product)

    def _sum(self, name: str, product: str) -> float | None:
        """Epsilon, if the tensor is sum(product^2) + epsilon over all but batch and out."""
        node = self._made.get(name)
        if node is None or node.op_type != "Add":
            return None
        for total, eps in (node.input, reversed(list(node.input))):
            number, summed = self._number(eps), self._made.get(self._source(total))
            if number is None or summed is None:
                continue
            if summed.op_type == "ReduceSumSquare":
                squared = summed.input[0] == product
            else:
                squared = summed.op_type == "ReduceSum" and self._square(summed.input[0], product)
            rank = len(self._shapes.get(product, ()))
            axes = {int(axis) % rank for axis in self._axes(summed)} if rank else set()
            if squared and axes == {rank - 3, rank - 2, rank - 1}:
                return number
        return None

    def _square(self, name: str, product: str) -> bool:
        node = self._made.get(name)
        if node is None:
            return False
        if node.op_type == "Pow":
            return node.input[0] == product and self._number(node.input[1]) == 2
        return node.op_type == "Mul" and list(node.input) == [product, product]

    def _axes(self, node: onnx.NodeProto) -> Tensor:
        if len(node.input) > 1 and node.input[1] in self.constants:
            return tools.array(self.constants[node.input[1]])
        return np.asarray(tools.attribute(node, "axes", ()))

    def _number(self, name: str) -> float | None:
        """A constant of one element."""
        tensor = self.constants.get(name)
        if tensor is None or int(np.prod(tensor.dims)) != 1:
            return None
        return float(tools.array(tensor).reshape(()))
