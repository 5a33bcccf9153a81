"""Runs a graph in memory on onnxruntime's CPU provider, for measuring.

Knows onnxruntime; tensors go in and out and are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edged.errors import EngineError, ModelError

Feeds = Mapping[str, NDArray[Any]]
"""Every input of a graph by name, of the declared dtype."""


class CpuRun:
    """One graph, loaded.

    Args:
        model: any ONNX graph below 2 GB.
        threads: of onnxruntime; 0 for as many as there are cores.
        optimise: whether onnxruntime may fuse nodes.

    Raises:
        EngineError: onnxruntime is absent.
        ModelError: it does not take the graph.
    """

    def __init__(self, model: onnx.ModelProto, *, threads: int = 0, optimise: bool = True) -> None:
        try:
            import onnxruntime as ort  # noqa: PLC0415 - a GPU box may have none for the CPU
        except ImportError as error:
            raise EngineError(
                "precision is measured on onnxruntime's CPU provider, which is not here; "
                "run: pip install 'edged[cpu]'"
            ) from error
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Threads that spin while they wait would take the cores of a daemon that serves.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # In the graph's own order, so that a probe runs behind what it reads and frees it; the
        # default order puts probes last and keeps all activations alive (four times as much).
        options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
        level = ort.GraphOptimizationLevel
        options.graph_optimization_level = (
            level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
        )
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's classes are many and their text is long
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            raise ModelError(
                f"onnxruntime does not take the graph ({type(error).__name__}: {reason}); "
                'report this as an error of edged, or set precision.half = "no" in the recipe'
            ) from error
        self.outputs = [one.name for one in self._session.get_outputs()]

    def __call__(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """All outputs by name.

        Raises:
            EngineError: the run failed; the message holds no values.
        """
        try:
            values: Sequence[NDArray[Any]] = self._session.run(None, dict(feeds))
        except Exception as error:
            raise EngineError(
                f"onnxruntime cannot run the graph ({type(error).__name__}): inputs of another "
                "shape or type than the graph has?"
            ) from error
        return dict(zip(self.outputs, map(np.asarray, values), strict=True))
