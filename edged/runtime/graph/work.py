"""A graph on the bench: the file's model while it is being prepared, and its ends.

Knows which names a prepared graph's tensors have; knows no family's contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx
from onnx import helper

from edged.errors import ModelError
from edged.recipe import Contract
from edged.runtime.graph import tools

RESERVED = frozenset(
    {
        "crops", "latents", "sources", "strength", "fidelity", "picture", "vectors",
        "embeddings", "converted", "values", "swapped", "masks", "restored", "visible", "labels",
        "scores", "boxes", "landmarks", "checks",
    }
)  # fmt: skip
"""Tensors of prepared graphs; the file's own tensors of these names are renamed."""

PREFIXES = ("pre/", "post/")
"""Of the nodes and tensors that are added before and after the file's network."""

OLDEST_OPSET = 11
"""Older files are converted: below it Clip, TopK and Slice look different."""

OLDEST_IR = 8
"""What onnxruntime 1.12 and TensorRT 8.6 read, and new enough for constants that are no
inputs."""

Extent = int | str
Ends = Mapping[str, tuple[int, Sequence[Extent]]]
"""Type and shape by name."""


@dataclass
class Work:
    """One file being prepared.

    Attributes:
        model: changed in place.
        model_id: for messages.
        contract: from the recipe.
        faces: first extent of the prepared graph's inputs: "n" where faces are batched.
        notes: what was found and done, for people.
    """

    model: onnx.ModelProto
    model_id: str
    contract: Contract
    faces: Extent = 1
    notes: list[str] = field(default_factory=list)

    def wrong(self, what: str) -> ModelError:
        """The error for a file that is not what its recipe says."""
        msg = f"model {self.model_id}: {what}; run: edged models verify {self.model_id}"
        return ModelError(msg)

    def inputs(self, rank: int) -> list[onnx.ValueInfoProto]:
        """Inputs of this rank."""
        return [
            info for info in self.model.graph.input if len(info.type.tensor_type.shape.dim) == rank
        ]

    def picture_input(self) -> onnx.ValueInfoProto:
        """The one input of rank 4.

        Raises:
            ModelError: there is none, or several.
        """
        found = self.inputs(4)
        if len(found) != 1:
            what = f"it has {len(found)} picture inputs (rank 4), not one"
            raise self.wrong(what)
        return found[0]

    def pictures(self) -> list[onnx.ValueInfoProto]:
        """The picture to be worked on first, then that of the source, where there is one.

        Two pictures look alike: these inputs are called `target` and `source` in every file.

        Raises:
            ModelError: not one, nor two of these names.
        """
        found = {info.name: info for info in self.inputs(4)}
        if self.contract.source.size_px and set(found) == {"target", "source"}:
            return [found["target"], found["source"]]
        if self.contract.source.size_px:
            what = f"its picture inputs are {sorted(found)}, not source and target"
            raise self.wrong(what)
        return [self.picture_input()]

    def width(self, info: onnx.ValueInfoProto) -> int:
        """Length of a vector input.

        Raises:
            ModelError: the file leaves it open.
        """
        extent = int(info.type.tensor_type.shape.dim[1].dim_value)
        if extent < 1:
            raise self.wrong("it does not say how long its vector input is")
        return extent

    def sides(self, info: onnx.ValueInfoProto, first: int = 2) -> tuple[int | None, int | None]:
        """Height, which is axis `first`, and width of a picture input; None where left open."""
        extents = info.type.tensor_type.shape.dim[first : first + 2]
        height, width = (
            d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in extents
        )
        return height, width

    def square(self, info: onnx.ValueInfoProto, first: int = 2) -> int:
        """Side of the picture input, which the recipe gives and the file must not deny.

        Args:
            info: of the input.
            first: axis of its rows.

        Raises:
            ModelError: they differ.
        """
        side = self.contract.size_px
        if any(found not in (None, side) for found in self.sides(info, first)):
            what = f"its picture is {self.sides(info, first)} px, the recipe says {side}"
            raise self.wrong(what)
        return side


def tidy(work: Work) -> None:
    """Bring a file into the form that every later step expects.

    Constants are initializers and no inputs, nodes have names of their own, no tensor is
    called as one of ours, and the operators are of opset 11 or later.

    Raises:
        ModelError: the file keeps weights elsewhere, or cannot be converted.
    """
    model = work.model
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
        what = "its weights lie in a second file; a single .onnx file is needed"
        raise work.wrong(what)
    free = tools.free_inputs(model)
    if len(free) != len(model.graph.input):
        kept = [clone_info(info) for info in free]
        del model.graph.input[:]
        model.graph.input.extend(kept)
    model.ir_version = max(model.ir_version, OLDEST_IR)
    if tools.opset(model) < OLDEST_OPSET:
        _modernise(work)
    tools.constants_to_initializers(model)
    tools.name_nodes(model)
    made = [name for node in model.graph.node for name in node.output]
    named = [*(i.name for i in model.graph.input), *(t.name for t in model.graph.initializer)]
    tools.rename(
        model,
        {
            name: f"net/{name}"
            for name in (*named, *made)
            if name in RESERVED or name.startswith(PREFIXES)
        },
    )
    for node in model.graph.node:
        if node.name.startswith(PREFIXES):
            node.name = f"net/{node.name}"


def _modernise(work: Work) -> None:
    old = tools.opset(work.model)
    try:
        converted = onnx.version_converter.convert_version(work.model, OLDEST_OPSET)
    except Exception as error:
        what = f"its operators are of opset {old} and cannot be converted ({type(error).__name__})"
        raise work.wrong(what) from error
    work.model.CopyFrom(converted)
    work.notes.append(f"operators converted from opset {old} to {OLDEST_OPSET}")


def clone_info(info: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """A copy of an input's or output's description."""
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(info)
    return copy


def cut(work: Work, outputs: Sequence[str]) -> None:
    """Keep these outputs, in this order, and drop whatever only others needed."""
    graph = work.model.graph
    by_name = {info.name: clone_info(info) for info in graph.output}
    dropped = len(by_name) - len(outputs)
    del graph.output[:]
    graph.output.extend(by_name[name] for name in outputs)
    before = len(graph.node)
    tools.prune(work.model)
    if dropped:
        gone = before - len(graph.node)
        work.notes.append(f"{dropped} further outputs and {gone} nodes that fed them cut")


def declare(work: Work, inputs: Ends, outputs: Ends) -> None:
    """Replace the model's ends."""
    graph = work.model.graph
    for ends, wanted in ((graph.input, inputs), (graph.output, outputs)):
        del ends[:]
        ends.extend(
            helper.make_tensor_value_info(name, elem_type, list(shape))
            for name, (elem_type, shape) in wanted.items()
        )
