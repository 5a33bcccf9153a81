"""Every difference between the TensorRT versions that edged serves, each by `hasattr`.

What differs from 8.6 over 10.3 and 10.16 to 11.4, seen in NVIDIA's own bindings:

    network flags      EXPLICIT_BATCH is a must in 8.6, ignored in 10, gone in 11
    half precision     8.6: builder flag and each layer's own precision; 10: STRONGLY_TYPED;
                       11: always strongly typed, the flag is kept and ignored
    tactic sources     8.6 and 10 would open cuBLAS and cuDNN; 11 knows neither
    shared profiles    8.6: several contexts share one only with a preview feature
    progress, norms    no progress monitor and no own InstanceNormalization in 8.6
    parser errors      8.6 tells a node's number, later ones its name and operator
    device memory      names with `_v2` from 10.1 on, the old ones gone in 11
    int64              is int32 in 8.6

Numbers of enum members moved between versions, so members are named and never stored.
Knows nothing of graphs, files or CUDA; `trt` is the module of :func:`load_tensorrt`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from edged.errors import EngineError

OLDEST: Final = (8, 6)
"""The first version with every call that this package makes (execute_async_v3, auxiliary
streams, builder optimisation level)."""

CURE: Final = (
    "on a Jetson install JetPack's package (apt install python3-libnvinfer) and make the "
    "virtual environment with --system-site-packages; elsewhere run: pip install tensorrt "
    "(it fetches from NVIDIA's own package index, the Python package index has stubs alone)"
)
"""Where TensorRT comes from."""

DTYPES: Final[Mapping[str, type[np.generic]]] = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
"""TensorRT's type names that numpy has, too."""


def load_tensorrt() -> Any:
    """NVIDIA's module `tensorrt`.

    Raises:
        EngineError: absent, only a stub, without its libraries, or too old; with the cure.
    """
    try:
        trt = importlib.import_module("tensorrt")
    except ModuleNotFoundError as error:
        raise EngineError(f"TensorRT's Python package is not installed; {CURE}") from error
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        msg = f"TensorRT's Python package does not load ({reason}); {CURE}"
        raise EngineError(msg) from error
    parts = ("__version__", "Builder", "OnnxParser", "Runtime")
    missing = [name for name in parts if not hasattr(trt, name)]
    if missing:
        msg = f"the Python package tensorrt is a stub or a part of it (no {missing[0]}); {CURE}"
        raise EngineError(msg)
    if version(trt) < OLDEST:
        found, oldest = trt.__version__, ".".join(map(str, OLDEST))
        msg = f"TensorRT {found} is too old, {oldest} is the oldest that edged serves; {CURE}"
        raise EngineError(msg)
    return trt


def version(trt: Any) -> tuple[int, int]:
    """Major and minor."""
    major, minor = str(trt.__version__).split(".")[:2]
    return int(major), int(minor)


def strongly_typed(trt: Any) -> bool:
    """Types come from the graph; else each layer must be held to its own (8.6)."""
    return hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def network_flags(trt: Any) -> int:
    """What `create_network` is given: explicit batch and strong types where they exist."""
    flags = trt.NetworkDefinitionCreationFlag
    names = ("EXPLICIT_BATCH", "STRONGLY_TYPED")
    return sum(1 << int(getattr(flags, name)) for name in names if hasattr(flags, name))


def hold_types(trt: Any, config: Any, network: Any, types: Mapping[str, Any]) -> int:
    """Weakly typed versions: hold every float layer to the type that its graph gives it.

    The builder then obeys or fails; nothing is decided by speed.

    Args:
        trt: the module.
        config: of the builder.
        network: parsed.
        types: `DataType` by tensor name, as the ONNX file has them; a layer that the
            parser added keeps the type that it came with.

    Returns:
        Number of outputs held to half precision; 0 where types are strong.
    """
    if strongly_typed(trt):
        return 0
    held = 0
    config.set_flag(trt.BuilderFlag.FP16)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    floats = (trt.DataType.FLOAT, trt.DataType.HALF)
    names = ("CONSTANT", "CAST", "IDENTITY", "SHAPE")
    fixed = [getattr(trt.LayerType, name) for name in names if hasattr(trt.LayerType, name)]
    for layer in map(network.get_layer, range(network.num_layers)):
        if layer.type in fixed:
            continue
        for index in range(layer.num_outputs):
            tensor = layer.get_output(index)
            kind = types.get(tensor.name, tensor.dtype)
            if kind in floats:
                layer.precision = kind
                layer.set_output_type(index, kind)
                held += kind == trt.DataType.HALF
    return held


def own_instance_norm(trt: Any) -> bool:
    """The parser has InstanceNormalization itself; 8.6 takes it from a plugin library."""
    return hasattr(trt, "OnnxParserFlag")


def int64_tensors(trt: Any) -> bool:
    """A graph's int64 stays int64; 8.6 makes int32 of it."""
    return hasattr(trt.DataType, "INT64")


def configure(trt: Any, config: Any, *, workspace_bytes: int, optimisation_level: int) -> None:
    """The settings that are the same for every engine; a plan is for this very GPU."""
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    config.builder_optimization_level = optimisation_level
    # on by default, and it rounds float32 to 10 bits where a plan says float32
    config.clear_flag(trt.BuilderFlag.TF32)
    config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.NONE
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # else no types to inspect
    if hasattr(trt.TacticSource, "CUDNN"):
        sources = trt.TacticSource
        own = (sources.EDGE_MASK_CONVOLUTIONS, sources.JIT_CONVOLUTIONS)
        config.set_tactic_sources(sum(1 << int(source) for source in own))
    if hasattr(trt.PreviewFeature, "PROFILE_SHARING_0806"):
        config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)


def parser_fault(fault: Any) -> tuple[str, str, int]:
    """Node name, operator and node number of a parser's error, "" and "" in 8.6."""
    name = fault.node_name() if hasattr(fault, "node_name") else ""
    operator = fault.node_operator() if hasattr(fault, "node_operator") else ""
    return str(name), str(operator), int(fault.node())


def watch_progress(trt: Any, config: Any, make: Callable[[Any], Any]) -> Any:
    """Attach a progress monitor; None where there are none (8.6).

    Args:
        trt: the module.
        config: of the builder; it does not keep the monitor alive, the caller must.
        make: gives a monitor, told the base class that TensorRT wants.
    """
    if not hasattr(trt, "IProgressMonitor"):
        return None
    monitor = make(trt.IProgressMonitor)
    config.progress_monitor = monitor
    return monitor


def scratch_bytes(engine: Any) -> int:
    """Device memory that a context of the engine needs while it runs."""
    if hasattr(engine, "device_memory_size_v2"):
        return int(engine.device_memory_size_v2)
    return int(engine.device_memory_size)


def make_context(trt: Any, engine: Any, scratch: int, scratch_size_bytes: int) -> Any:
    """A context that runs in memory of ours, at address `scratch`.

    Several contexts of one thread may share it, because only one of them runs at a time.
    None when TensorRT makes none.
    """
    if hasattr(trt, "ExecutionContextAllocationStrategy"):
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = engine.create_execution_context(strategy)
    else:
        context = engine.create_execution_context_without_device_memory()
    if context is None:
        return None
    if hasattr(context, "set_device_memory"):
        context.set_device_memory(scratch, scratch_size_bytes)
    else:
        context.device_memory = scratch
    return context


def numpy_dtype(dtype: Any) -> np.dtype[Any]:
    """Numpy's type of a `DataType`.

    Raises:
        EngineError: numpy has none (bfloat16, float8, ...).
    """
    kind = DTYPES.get(dtype.name)
    if kind is None:
        msg = f"a tensor has type {dtype.name}, which nothing feeds; build the engine again"
        raise EngineError(msg)
    return np.dtype(kind)
