"""Which axis of each operator's output the faces lie on, given which axis they come in on.

Faces lie on one axis of a tensor: an extent `outer * inner` for one face is `outer * n *
inner` for n.  Outer is 1 nearly everywhere, face after face; transformers that put places
before faces and flatten both have more.  A rule answers with the output's axis (or with a
:class:`Place`, where outer changes), or raises :class:`Stuck` when faces would be mixed or
the operator cannot say.  A constant that holds the extent for one face is changed through
:class:`Scene`.  Knows ONNX's operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import onnx

from edged.faces import Tensor
from edged.runtime.graph import tools


class Stuck(Exception):  # noqa: N818 - told within this package only, never raised out of it
    """An operator that does not let several faces through, and why."""


class Place(NamedTuple):
    """Where the faces lie in a tensor.

    Attributes:
        axis: on which.
        outer: entries of the axis outside the faces, for one face.
    """

    axis: int
    outer: int = 1


class Scene(Protocol):
    """What a rule sees of the graph, and may ask for."""

    version: int
    """Opset."""

    def axis(self, name: str) -> int | None:
        """The axis of the faces, None for what is the same for all."""
        ...

    def outer(self, name: str) -> int:
        """Entries of that axis outside the faces."""
        ...

    def choose(self, places: Sequence[Place]) -> Place:
        """One of several places that the numbers allow, likeliest first.

        Where a later operator is stuck for it, the next one is tried.
        """
        ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Extents for one face; Stuck where unknown."""
        ...

    def constant(self, name: str) -> Tensor:
        """A constant's values; Stuck where it is computed."""
        ...

    def replace(self, index: int, value: Tensor, *, last: bool = False) -> None:
        """Feed the node at hand another constant; `last` drops the inputs after it."""
        ...

    def spread(self, index: int, axis: int) -> None:
        """Repeat an input of the node at hand that is the same for all, once a face."""
        ...


Rule = Callable[[onnx.NodeProto, Scene], int | Place]


def whole(node: onnx.NodeProto, name: str, default: int) -> int:
    """An attribute that is a whole number."""
    value = tools.attribute(node, name, default)
    return value if isinstance(value, int) else default


def wholes(node: onnx.NodeProto, scene: Scene, name: str, index: int) -> list[int] | None:
    """A list that is an attribute in old opsets and an input in new ones."""
    value = tools.attribute(node, name, None)
    if value is not None:
        return [int(v) for v in np.asarray(value).reshape(-1)]
    if len(node.input) > index and node.input[index]:
        return [int(v) for v in scene.constant(node.input[index]).reshape(-1)]
    return None


def only_first(node: onnx.NodeProto, scene: Scene) -> int:
    """The axis of input 0, where no other input may depend on the face."""
    axis = scene.axis(node.input[0])
    if axis is None or any(scene.axis(name) is not None for name in node.input[1:] if name):
        raise Stuck("it takes numbers that are computed from the faces")
    return axis
