"""Where operators that compute put the faces; see :mod:`edged.runtime.graph.axes`."""

from __future__ import annotations

import numpy as np
import onnx

from edged.runtime.graph import tools
from edged.runtime.graph.axes import Scene, Stuck, only_first, whole, wholes


def broadcast(node: onnx.NodeProto, scene: Scene) -> int:
    """Elementwise operators, whose inputs are aligned from the right."""
    names = [name for name in node.input if name]
    rank = max(len(scene.shape(name)) for name in names)
    found = {
        (len(scene.shape(name)) - axis, scene.shape(name)[axis])
        for name in names
        if (axis := scene.axis(name)) is not None
    }
    if len(found) != 1:
        raise Stuck("faces come in on different axes")
    ((from_right, extent),) = found
    for name in names:
        shape = scene.shape(name)
        if scene.axis(name) is None and len(shape) >= from_right and shape[-from_right] != 1:
            what = f"a constant of extent {shape[-from_right]} meets the faces ({extent})"
            raise Stuck(what)
    return rank - from_right


def per_sample(node: onnx.NodeProto, scene: Scene) -> int:
    """Convolution, pooling, normalisation: whatever has its samples first."""
    if only_first(node, scene) != 0:
        raise Stuck("faces do not come in on its first axis")
    if whole(node, "training_mode", 0):
        raise Stuck("it is a batch normalisation in training")
    return 0


def same_grid(node: onnx.NodeProto, scene: Scene) -> int:
    """GridSample: pictures and places for each sample."""
    if {scene.axis(name) for name in node.input} != {0}:
        raise Stuck("pictures and places are not both one a face")
    return 0


def resize(node: onnx.NodeProto, scene: Scene) -> int:
    """Resize: sizes become scales, so that the first extent is not named."""
    if scene.axis(node.input[0]) != 0:
        raise Stuck("faces do not come in on its first axis")
    if len(node.input) > 3 and node.input[3]:
        sizes = scene.constant(node.input[3]).astype(np.float64)
        before = np.array(scene.shape(node.input[0]), np.float64)
        scales = (sizes / before).astype(np.float32)
        exact = np.floor(before * scales.astype(np.float64)) == sizes
        if len(sizes) != len(before) or not exact.all() or scales[0] != 1:
            raise Stuck("its sizes are no exact scales")
        scene.replace(2, scales, last=True)
    elif scene.constant(node.input[2])[0] != 1:
        raise Stuck("it scales along the faces")
    return 0


def matmul(node: onnx.NodeProto, scene: Scene) -> int:
    """Stacks of matrices, or rows of the left or columns of the right one."""
    shapes = [scene.shape(name) for name in node.input]
    axes = [scene.axis(name) for name in node.input]
    rank = max(len(shape) for shape in shapes)
    if min(len(shape) for shape in shapes) < 2:
        raise Stuck("it multiplies by a plain vector")
    places = set()
    for side, (shape, axis) in enumerate(zip(shapes, axes, strict=True)):
        if axis is None:
            continue
        from_right = len(shape) - axis
        if from_right == (1 if side == 0 else 2):
            raise Stuck("it sums over the faces")
        places.add(from_right)
        other = shapes[1 - side]
        if axes[1 - side] is None:
            meets = from_right > 2 and len(other) >= from_right and other[-from_right] != 1
        else:
            meets = from_right <= 2
        if meets:
            raise Stuck("faces meet something else in it")
    if len(places) != 1:
        raise Stuck("faces come in on different axes")
    return rank - places.pop()


def gemm(node: onnx.NodeProto, scene: Scene) -> int:
    """Rows of the left or columns of the right matrix."""
    left, right = scene.axis(node.input[0]), scene.axis(node.input[1])
    if left == whole(node, "transA", 0) and right is None:
        out = 0
    elif left is None and right == 1 - whole(node, "transB", 0):
        out = 1
    else:
        raise Stuck("it sums over the faces")
    if len(node.input) > 2 and node.input[2]:
        shape, axis = scene.shape(node.input[2]), scene.axis(node.input[2])
        place = out - 2 + len(shape)
        if axis not in (None, place) or (axis is None and place >= 0 and shape[place] != 1):
            raise Stuck("what it adds is not one a face")
    return out


def reduce(node: onnx.NodeProto, scene: Scene) -> int:
    """Reductions: not over the faces."""
    axis, rank = only_first(node, scene), len(scene.shape(node.input[0]))
    axes = wholes(node, scene, "axes", 1)
    if not axes and whole(node, "noop_with_empty_axes", 0):
        return axis
    gone = {a % rank for a in axes} if axes else set(range(rank))
    if axis in gone:
        raise Stuck("it sums over the faces")
    return axis if whole(node, "keepdims", 1) else axis - sum(a < axis for a in gone)


def best(node: onnx.NodeProto, scene: Scene) -> int:
    """ArgMax, ArgMin: not among the faces."""
    axis, rank = only_first(node, scene), len(scene.shape(node.input[0]))
    along = whole(node, "axis", 0) % rank
    if along == axis:
        raise Stuck("it compares the faces")
    return axis if whole(node, "keepdims", 1) or axis < along else axis - 1


def along_last(node: onnx.NodeProto, scene: Scene) -> int:
    """TopK, CumSum, LpNormalization and, from opset 13 on, Softmax: along one other axis."""
    axis, rank = only_first(node, scene), len(scene.shape(node.input[0]))
    along = whole(node, "axis", -1)
    if node.op_type == "CumSum":
        along = int(scene.constant(node.input[1]).reshape(()))
    if along % rank == axis:
        raise Stuck("it compares the faces")
    return axis


def from_axis(node: onnx.NodeProto, scene: Scene) -> int:
    """LayerNormalization and old Softmax: over an axis and all that follow."""
    default = -1 if node.op_type == "LayerNormalization" else 1
    axis, rank = only_first(node, scene), len(scene.shape(node.input[0]))
    if axis >= whole(node, "axis", default) % rank:
        raise Stuck("it compares the faces")
    return axis


def softmax(node: onnx.NodeProto, scene: Scene) -> int:
    """Softmax and its kin, which changed in opset 13."""
    return along_last(node, scene) if scene.version >= 13 else from_axis(node, scene)


def einsum(node: onnx.NodeProto, scene: Scene) -> int:
    """Einsum: the faces' letter is one letter, and in the output."""
    raw = tools.attribute(node, "equation", b"")
    equation = (raw.decode() if isinstance(raw, bytes) else "").replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if not arrow or "." in equation or len(terms) != len(node.input):
        raise Stuck("its equation is not spelled out")
    letters = set()
    for term, name in zip(terms, node.input, strict=True):
        axis = scene.axis(name)
        if axis is not None:
            letters.add(term[axis])
    letter = letters.pop()
    same = [t for t, name in zip(terms, node.input, strict=True) if scene.axis(name) is None]
    if letters or letter not in right or any(letter in term for term in same):
        raise Stuck("faces meet something else in it")
    return right.index(letter)
