"""Why a runtime failed is told by class and text, and no text of a library gets out."""

from __future__ import annotations

import subprocess
import sys

import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from edged.errors import EngineError
from edged.runtime.failures import ExhaustedError, LostError, kind_of, run_failure

NODE = "Non-zero status code returned while running Conv node. Name:'c' Status Message: "


@pytest.mark.parametrize(
    "error",
    [
        Fail(NODE + "bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 9"),
        RuntimeException(NODE + "std::bad_alloc"),
        RuntimeException("Available memory of 19968 is smaller than requested bytes of 1572864"),
        Fail("CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; expr=cudaMalloc((void**)&p)"),
        Fail("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=h"),
        Fail("CUDNN failure 5003: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("[resize::145] Error Code 2: OutOfMemory (no further information)"),
        MemoryError(),
    ],
)
def test_memory_that_ran_out_is_told_by_its_text(error):
    """Each as its library words it: onnxruntime on CPU and CUDA, cuBLAS, cuDNN, TensorRT."""
    assert kind_of(error) is ExhaustedError


@pytest.mark.parametrize("code", [46, 700, 719, 999])
def test_a_lost_device_is_told_by_its_code(code):
    """Nothing in this process works on it any more."""
    assert kind_of(Fail(f"CUDA failure {code}: an illegal memory access ; GPU=0")) is LostError


@pytest.mark.parametrize("text", ["INVALID_ARGUMENT : Got invalid dimensions", "CUDA failure 1: x"])
def test_other_failures_are_of_neither_kind(text):
    """A frame that does not fit is no reason to say that memory ran out."""
    assert kind_of(Fail(text)) is EngineError


def test_the_text_of_a_library_stays_in():
    """It may hold shapes of a frame and this machine's name."""
    said = str(run_failure("m", "on the GPU", Fail("CUDA failure 2: out of memory ; hostname=h7")))
    assert "out of memory" in said
    assert "h7" not in said


def test_onnxruntime_out_of_memory_is_recognised_for_real():
    """In a process whose address space ends, whatever this version calls its error."""
    program = """
import resource
import numpy as np
from onnx import TensorProto as T, helper as h
from edged.runtime.failures import ExhaustedError
from edged.runtime.onnx import OnnxSession
x, n = h.make_tensor_value_info("x", T.FLOAT, [1]), h.make_tensor_value_info("n", T.INT64, [1])
y = h.make_tensor_value_info("y", T.FLOAT, [None])
graph = h.make_graph([h.make_node("Expand", ["x", "n"], ["y"])], "g", [x, n], [y])
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
with OnnxSession(model.SerializeToString(), model_id="m", threads=1) as session:
    def run(size):
        return session.run({"x": np.ones(1, np.float32), "n": np.array([size])})
    run(8)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    try:
        run(1 << 32)
    except ExhaustedError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "model m failed in onnxruntime" in done.stdout
    assert "out of memory" in done.stdout
