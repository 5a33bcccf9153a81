"""Opens a graph that is fixed at one face for any number of faces.

The axis on which faces lie is followed from the inputs through every operator
(:mod:`edged.runtime.graph.axes`); shapes that name the one face are opened, what is the same
for all faces is repeated where it must be.  An operator that would mix faces up, or that is
not known, leaves the graph as it was.  That the result is right is then proven by running
it (:mod:`edged.runtime.graph.proof`): this module reasons, that one looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from edged.faces import Tensor
from edged.runtime.graph import tools
from edged.runtime.graph.axes import Place, Stuck
from edged.runtime.graph.axes_rules import RULES
from edged.runtime.graph.emit import Emitter

_Edit = Callable[[Emitter, str], None]

MOST_TRIES = 500
"""Choices that are taken back before a graph is left as it is; right ones show at the next
few nodes."""

PREFIX = "batch/"
"""Of the nodes and constants that this module adds."""


def open_batch(
    model: onnx.ModelProto,
    shapes: Mapping[str, tuple[int, ...]],
    faces: Sequence[str],
    counted: str,
) -> str:
    """Open a graph, in place, or leave it as it is.

    Args:
        model: nodes in order, shapes folded.
        shapes: of all tensors for one face.
        faces: inputs with one entry a face on their first axis.
        counted: float tensor [n, h, w, c] of finite numbers, n the faces of a run.

    Returns:
        What stood in the way, "" where the graph was opened.
    """
    walk = _Walk(model, shapes, faces)
    try:
        walk.run()
    except Stuck as stuck:
        return str(stuck)
    walk.apply(counted)
    tools.prune(model)
    tools.toposort(model)
    return ""


@dataclass
class _Fork:
    """A node at which several places were possible, and what was known before it.

    Attributes:
        node: its index.
        places: those that are still to be tried.
        known: places of tensors.
        edits: how many there were.
    """

    node: int
    places: list[Place]
    known: dict[str, Place]
    edits: int


class _Walk:
    """Follows the faces; collects changes and makes none until all is known to go well."""

    def __init__(
        self,
        model: onnx.ModelProto,
        shapes: Mapping[str, tuple[int, ...]],
        faces: Sequence[str],
    ) -> None:
        self.version = tools.opset(model)
        self._model = model
        self._constants = tools.initializers(model)
        self._shapes = shapes
        self._places: dict[str, Place] = dict.fromkeys(faces, Place(0))
        self._node, self._index = onnx.NodeProto(), 0
        self._edits: list[_Edit] = []
        self._forks: list[_Fork] = []
        self._types: dict[str, int] = {}
        self._next: Place | None = None

    def run(self) -> None:
        """Go through all nodes; where one is stuck, go back to the last choice.

        Raises:
            Stuck: as far as it got.
        """
        furthest, why, tries = -1, Stuck("nothing was tried"), 0
        while True:
            try:
                while self._index < len(self._model.graph.node):
                    self._visit(self._model.graph.node[self._index])
                    self._index += 1
                return self._require_ends()
            except Stuck as stuck:  # noqa: PERF203 - as rare as choices are
                if self._index > furthest:
                    furthest, why = self._index, stuck
                tries += 1
                if tries > MOST_TRIES or not self._go_back():
                    raise why from None

    def _go_back(self) -> bool:
        """Take the next place at the last choice that has one; False when none has."""
        while self._forks and not self._forks[-1].places:
            self._forks.pop()
        if not self._forks:
            return False
        fork = self._forks[-1]
        self._index, self._next = fork.node, fork.places.pop(0)
        self._places = dict(fork.known)
        del self._edits[fork.edits :]
        return True

    def _require_ends(self) -> None:
        for info in self._model.graph.output:
            if self._places.get(info.name) != Place(0) or self.shape(info.name)[0] != 1:
                what = f"output {info.name} does not have one entry a face"
                raise Stuck(what)

    def _visit(self, node: onnx.NodeProto) -> None:
        """Where a node's outputs have the faces.

        Raises:
            Stuck: with the node's name.
        """
        self._node = node
        inner = any(tools.subgraphs(node))
        if not inner and all(self.axis(name) is None for name in node.input):
            return
        rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") and not inner else None
        if rule is None:
            what = f"{node.op_type} {node.name!r} is not known to keep faces apart"
            raise Stuck(what)
        outer = {self._places[name].outer for name in node.input if name in self._places}
        try:
            if len(outer) > 1:
                raise Stuck("faces come in laid out differently")  # noqa: TRY301 - named below
            place = rule(node, self)
        except Stuck as stuck:
            what = f"{node.op_type} {node.name!r}: {stuck}"
            raise Stuck(what) from None
        place = place if isinstance(place, Place) else Place(place, outer.pop())
        self._places.update(dict.fromkeys((name for name in node.output if name), place))

    def choose(self, places: Sequence[Place]) -> Place:
        """See :class:`edged.runtime.graph.axes.Scene`."""
        if self._next is not None:
            chosen, self._next = self._next, None
            return chosen
        first, *others = places
        if others:
            known = dict(self._places)
            self._forks.append(_Fork(self._index, others, known, len(self._edits)))
        return first

    def axis(self, name: str) -> int | None:
        """See :class:`edged.runtime.graph.axes.Scene`."""
        place = self._places.get(name)
        return None if place is None else place.axis

    def outer(self, name: str) -> int:
        """See :class:`edged.runtime.graph.axes.Scene`."""
        return self._places[name].outer

    def shape(self, name: str) -> tuple[int, ...]:
        """See :class:`edged.runtime.graph.axes.Scene`."""
        if name not in self._shapes:
            what = f"the shape of {name!r} is known at run time only"
            raise Stuck(what)
        return self._shapes[name]

    def constant(self, name: str) -> Tensor:
        """See :class:`edged.runtime.graph.axes.Scene`."""
        if name not in self._constants:
            what = f"{name!r} is known at run time only"
            raise Stuck(what)
        return tools.array(self._constants[name])

    def replace(self, index: int, value: Tensor, *, last: bool = False) -> None:
        """See :class:`edged.runtime.graph.axes.Scene`."""
        node, label = self._node, f"{PREFIX}{self._node.name}/{index}"

        def edit(_emit: Emitter, _count: str) -> None:
            tensor = numpy_helper.from_array(np.ascontiguousarray(value), label)
            self._model.graph.initializer.append(tensor)
            node.input[index] = label
            if last:
                del node.input[index + 1 :]

        self._edits.append(edit)

    def spread(self, index: int, axis: int) -> None:
        """See :class:`edged.runtime.graph.axes.Scene`."""
        node, label = self._node, f"{self._node.name}/{index}"
        name = node.input[index]
        if any(self._places[n].outer != 1 for n in node.input if n in self._places):
            raise Stuck("what is the same for all would have to go between the faces")
        elem_type = self._type(name)
        if elem_type == TensorProto.BOOL:
            raise Stuck("it joins truth values that are the same for all")
        shape = list(self.shape(name))

        def edit(emit: Emitter, nothing: str) -> None:
            # [.., m, ..] + 0 for each face -> [.., n, m, ..] -> [.., n * m, ..]
            ones = [1] * (len(shape) + 1)
            zero = emit.cast(nothing, elem_type, name=f"{label}/zero")
            zero = emit.reshaped(zero, [*ones[:axis], -1, *ones[axis + 1 :]], name=f"{label}/zeros")
            apart = emit.reshaped(name, [*shape[:axis], 1, *shape[axis:]], name=f"{label}/apart")
            each = emit.op("Add", apart, zero, name=f"{label}/each")
            joined = [*shape[:axis], -1, *shape[axis + 1 :]]
            node.input[index] = emit.reshaped(each, joined, name=label)

        self._edits.append(edit)

    def _type(self, name: str) -> int:
        if not self._types:
            self._types = {n: info.elem_type for n, info in tools.infer(self._model).items()}
        return self._types.get(name, 0)

    def apply(self, counted: str) -> None:
        """Make all changes.

        The number of faces is never computed: a graph that works with a shape at run time
        has nodes on the CPU on some runtimes.  A zero for each face does the same.
        """
        if not self._edits:
            return
        emit = Emitter(self._model, PREFIX)
        value = counted
        for axis in (1, 2, 3):
            value = emit.part(value, 0, 1, axis=axis, name=f"first/{axis}")
        same = emit.op("Equal", value, value, name="same")
        nothing = emit.op("Not", same, name="nothing")
        for edit in self._edits:
            edit(emit, nothing)
