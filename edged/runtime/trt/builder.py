"""An ONNX file made into a TensorRT plan.

Precision is the graph's: every tensor must come out of the parser with the type that the
file gives it, so that an engine is never in full precision unseen where half was planned.
Runs in a process of its own, because builders crash; knows no file but the model's and no
CUDA call.  `trt` is the module of :func:`edged.runtime.trt.names.load_tensorrt`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from edged.errors import EngineError, ModelError
from edged.runtime.backend import BuildProgress, Profile
from edged.runtime.graph import tools
from edged.runtime.settings import BuildSettings
from edged.runtime.trt import names
from edged.runtime.trt.log import last_error, make_logger, ran_out_of_memory
from edged.runtime.trt.norms import without_instance_norm
from edged.runtime.trt.progress import Phases, make_monitor

_SHOWN_FAULTS = 5

_KINDS: Mapping[int, str] = {
    TensorProto.FLOAT: "FLOAT",
    TensorProto.FLOAT16: "HALF",
    TensorProto.DOUBLE: "FLOAT",  # TensorRT knows no float64; the parser narrows it
    TensorProto.UINT8: "UINT8",
    TensorProto.INT8: "INT8",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.BOOL: "BOOL",
}
"""TensorRT's type of each ONNX type."""


@dataclass(frozen=True)
class Built:
    """What a build made.

    Attributes:
        plan: the serialised engine.
        timing_cache: measurements of kernels, to be given to the next build; b"" when
            this TensorRT gives none.
        layers: of the parsed network.
        half_tensors: what its layers put out in half precision.
    """

    plan: bytes
    timing_cache: bytes
    layers: int
    half_tensors: int


def build_plan(
    trt: Any,
    model: Path,
    profile: Profile,
    settings: BuildSettings,
    progress: BuildProgress,
    *,
    timing_cache: bytes = b"",
) -> Built:
    """Parse, check and build.

    Args:
        trt: the module.
        model: ONNX file with its final precision.
        profile: extents that the engine must take.
        settings: memory and effort.
        progress: told of TensorRT's phases, where its version has them; what it raises
            stops the build and is raised again.
        timing_cache: of an earlier build on this machine; one that does not fit is left.

    Raises:
        ModelError: the graph or the profile cannot be built; trying again is of no use.
        EngineError: TensorRT failed, ran out of memory, or would build another precision
            than the file has.
    """
    progress("parse", 0.0)
    source = _load(model)
    logger = make_logger(trt)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # its factory gave a null pointer
        msg = f"TensorRT's builder does not start: {last_error(logger)}; run: edged doctor"
        raise EngineError(msg) from error
    network = builder.create_network(names.network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    _parse(trt, parser, source, model)
    config = builder.create_builder_config()
    types = _types(trt, source)
    held = names.hold_types(trt, config, network, types)
    half_tensors = _check_types(trt, network, types, held)
    del source  # half a gigabyte for some
    progress("parse", 1.0)
    names.configure(
        trt,
        config,
        workspace_bytes=settings.workspace_mb * 1024**2,
        optimisation_level=settings.optimisation_level,
    )
    _set_profile(builder, config, network, profile)
    cache = _attach_cache(config, timing_cache)
    phases = Phases(progress)
    monitor = names.watch_progress(trt, config, lambda base: make_monitor(base, phases))
    if monitor is None:
        progress("build", 0.0)
    plan = builder.build_serialized_network(network, config)
    if phases.raised is not None:
        raise phases.raised
    if plan is None:
        raise _failed(logger)
    progress("build", 1.0)
    kept = bytes(cache.serialize()) if cache is not None else b""
    return Built(bytes(plan), kept, network.num_layers, half_tensors)


def _load(model: Path) -> onnx.ModelProto:
    try:
        return onnx.load(str(model))
    except OSError:
        raise
    except Exception as error:
        raise ModelError(f"{model.name} is no ONNX file; build it again") from error


def _parse(trt: Any, parser: Any, source: onnx.ModelProto, model: Path) -> None:
    """Fill the network; the file itself is read where the graph is not rewritten."""
    ours = source if names.own_instance_norm(trt) else without_instance_norm(source)
    if ours is source:
        good = parser.parse_from_file(str(model))
    else:
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            Path(file.name).write_bytes(ours.SerializeToString())
            good = parser.parse_from_file(file.name)
    if good:
        return
    faults = [_fault(parser.get_error(i), ours) for i in range(parser.num_errors)]
    shown = "; ".join(faults[:_SHOWN_FAULTS]) or "no reason given"
    more = f" and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
    msg = f"TensorRT {trt.__version__} does not take {model.name}: {shown}{more}"
    raise ModelError(msg)


def _fault(fault: Any, source: onnx.ModelProto) -> str:
    """One parser error: node, operator, reason."""
    name, operator, number = names.parser_fault(fault)
    if not name and 0 <= number < len(source.graph.node):
        node = source.graph.node[number]
        name, operator = node.name or (node.output[0] if node.output else ""), node.op_type
    reason = " ".join(str(fault.desc()).split())[:200]
    where = f"node {name or number} ({operator})" if operator else f"node {name or number}"
    return f"{where}: {reason}"


def _types(trt: Any, source: onnx.ModelProto) -> dict[str, Any]:
    """TensorRT's type of every tensor that the file names, weights left out."""
    weights = tools.initializers(source)
    narrow = {} if names.int64_tensors(trt) else {"INT64": "INT32"}
    found = {}
    for name, info in tools.infer(source).items():
        kind = _KINDS.get(info.elem_type)
        if kind is not None and name not in weights:
            found[name] = getattr(trt.DataType, narrow.get(kind, kind))
    return found


def _inner(network: Any) -> Iterator[Any]:
    """Every tensor that a layer puts out."""
    for layer in map(network.get_layer, range(network.num_layers)):
        yield from (layer.get_output(index) for index in range(layer.num_outputs))


def _check_types(trt: Any, network: Any, types: Mapping[str, Any], held: int) -> int:
    """Number of tensors in half precision; the network's types must be the file's.

    Args:
        trt: the module.
        network: parsed.
        types: of the file, by tensor name.
        held: tensors held to half precision by hand; inner tensors of such a network have
            no types of their own.
    """
    ends = [
        *map(network.get_input, range(network.num_inputs)),
        *map(network.get_output, range(network.num_outputs)),
    ]
    inner = list(_inner(network)) if names.strongly_typed(trt) else []
    for tensor in (*ends, *inner):
        wanted = types.get(tensor.name)
        if wanted is not None and tensor.dtype != wanted:
            msg = (
                f"TensorRT {trt.__version__} makes {tensor.dtype.name} of tensor {tensor.name}, "
                f"which the file has as {wanted.name}; use another runtime and report this"
            )
            raise EngineError(msg)
    half = trt.DataType.HALF
    count = held + sum(1 for tensor in inner if tensor.dtype == half)
    if not count and half in types.values():
        msg = (
            f"TensorRT {trt.__version__} would build the half-precision file in full precision; "
            "use another runtime and report this"
        )
        raise EngineError(msg)
    return count


def _set_profile(builder: Any, config: Any, network: Any, profile: Profile) -> None:
    """One profile over all inputs; those of fixed shape must be asked for as they are."""
    optimisation = builder.create_optimization_profile()
    inputs = {tensor.name: tensor for tensor in map(network.get_input, range(network.num_inputs))}
    if set(inputs) != set(profile.inputs):
        named, given = sorted(inputs), sorted(profile.inputs)
        msg = f"the profile is for inputs {given}, the file has {named}; build with its recipe"
        raise ModelError(msg)
    for name, shapes in profile.inputs.items():
        fixed = tuple(inputs[name].shape)
        for extents in (shapes.min, shapes.opt, shapes.max):
            fits = len(extents) == len(fixed) and all(
                have in (-1, want) for have, want in zip(fixed, extents, strict=True)
            )
            if not fits:
                msg = f"input {name} is {list(fixed)} in the file, {list(extents)} in the profile"
                raise ModelError(f"{msg}; correct the recipe's batch or size")
        if -1 in fixed:
            optimisation.set_shape(name, shapes.min, shapes.opt, shapes.max)
    config.add_optimization_profile(optimisation)


def _attach_cache(config: Any, old: bytes) -> Any:
    """A timing cache that the build reads and fills; an old one that does not fit is left."""
    for content in (old, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def _failed(logger: Any) -> EngineError:
    reason = last_error(logger)
    if ran_out_of_memory(logger):
        return EngineError(
            f"TensorRT's build ran out of memory ({reason}); stop what else uses the GPU, set "
            "engines.workspace_mb to what is free then, or lower the recipe's batch"
        )
    return EngineError(f"TensorRT's build failed ({reason}); run: edged doctor")
