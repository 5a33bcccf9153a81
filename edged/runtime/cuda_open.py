"""Makes onnxruntime sessions on the CUDA provider, and looks whether they are there.

A graph that computes extents (an upsampling to another tensor's size) has nodes that
onnxruntime keeps on the CPU; with its open extents fixed, they are folded away before nodes
are placed.  So such a graph gets one session for each set of extents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from edged.errors import EngineError, ModelError
from edged.runtime.cuda_options import CudaSettings
from edged.runtime.ort import QUIET
from edged.runtime.session import TensorSpec

PROVIDER = "CUDAExecutionProvider"
_NO_ONNX = frozenset({"InvalidProtobuf", "InvalidGraph", "NoSuchFile"})


@dataclass(frozen=True)
class Maker:
    """Makes sessions of one model.

    Attributes:
        ort: the package.
        source: the ONNX file's path or bytes.
        what: what messages call it.
        model_id: likewise.
        settings: of the sessions.
        stream: handle of the stream that they work on.
        half: whether the model has weights in FP16.
    """

    ort: ModuleType
    source: str | bytes
    what: str
    model_id: str
    settings: CudaSettings
    stream: int
    half: bool = False

    def make(self, *, graphs: bool, extents: Mapping[str, int] | None = None) -> Any:
        """An onnxruntime session that is on the GPU, as seen, not as promised.

        Args:
            graphs: whether it captures graphs.
            extents: what its open extents are fixed to, by their symbols.

        Raises:
            ModelError: it is no ONNX.
            EngineError: not everything of it would run on the GPU.
        """
        options = self.ort.SessionOptions()
        options.log_severity_level = QUIET
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        for symbol, extent in (extents or {}).items():
            options.add_free_dimension_override_by_name(symbol, extent)
        told = self.settings.provider_options(self.stream, graphs=graphs, half=self.half)
        try:
            session = self.ort.InferenceSession(
                self.source, options, providers=[(PROVIDER, told)], enable_fallback=0
            )
        except Exception as error:  # noqa: BLE001 - its text may hold this machine's name
            raise self._refused(type(error).__name__) from None
        session.disable_fallback()
        if session.get_providers()[:1] != [PROVIDER]:
            chosen = session.get_providers()
            raise EngineError(f"model {self.model_id}: asked for CUDA, onnxruntime chose {chosen}")
        strays = _strays(session)
        if strays:
            msg = f"model {self.model_id}: nodes would run off the GPU: {', '.join(strays)}"
            raise EngineError(msg)
        return session

    def _refused(self, kind: str) -> ModelError | EngineError:
        if kind in _NO_ONNX:
            msg = f"model {self.model_id}: {self.what} is no ONNX; run: edged models verify"
            return ModelError(msg)
        return EngineError(
            f"model {self.model_id}: onnxruntime's CUDA provider does not take {self.what} "
            f"({kind}); see `edged doctor`"
        )


def _strays(session: Any) -> list[str]:
    """Kinds of nodes that would run elsewhere; onnxruntime tells from 1.24 on."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return []
    return sorted(
        {
            node.op_type
            for part in session.get_provider_graph_assignment_info()
            if part.ep_name != PROVIDER
            for node in part.get_nodes()
        }
    )


def half_weights(model: onnx.ModelProto) -> bool:
    """Whether a graph computes in FP16: some of its matrices or kernels are."""
    half = onnx.TensorProto.FLOAT16
    return any(one.data_type == half and len(one.dims) > 1 for one in model.graph.initializer)


@dataclass(frozen=True)
class OpenGraph:
    """Inputs and outputs of a graph whose extents are open.

    Attributes:
        inputs, outputs: in the file's order.
        axes: symbol or extent of every axis of every input.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    axes: tuple[tuple[str | int, ...], ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Of all inputs, each once."""
        found = [one for axes in self.axes for one in axes if isinstance(one, str)]
        return tuple(dict.fromkeys(found))

    def extents(self, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
        """What the symbols stand for in inputs of these shapes.

        Raises:
            EngineError: a symbol would stand for two extents, or an input has other axes.
        """
        found: dict[str, int] = {}
        for spec, axes, shape in zip(self.inputs, self.axes, shapes, strict=True):
            fits = len(axes) == len(shape) and all(
                (found.setdefault(axis, extent) if isinstance(axis, str) else axis) == extent
                for axis, extent in zip(axes, shape, strict=True)
            )
            if not fits:
                raise EngineError(f"input {spec.name} has other extents than the model takes")
        return found


def open_graph(source: str | bytes) -> OpenGraph:
    """What a graph takes and gives, from its file."""
    if isinstance(source, bytes):
        graph = onnx.load_from_string(source).graph
    else:
        graph = onnx.load(str(Path(source)), load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    taken = [info for info in graph.input if info.name not in weights]
    return OpenGraph(
        tuple(map(_spec, taken)), tuple(map(_spec, graph.output)), tuple(map(_axes, taken))
    )


def _axes(info: onnx.ValueInfoProto) -> tuple[str | int, ...]:
    dims = info.type.tensor_type.shape.dim
    return tuple(int(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param for dim in dims)


def _spec(info: onnx.ValueInfoProto) -> TensorSpec:
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))
    shape = tuple(axis if isinstance(axis, int) else None for axis in _axes(info))
    return TensorSpec(info.name, shape, dtype)
