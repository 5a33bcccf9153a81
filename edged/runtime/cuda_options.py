"""What the CUDA provider is told, checked before onnxruntime sees it.

onnxruntime answers an option that it does not know with a whole session on the CPU and a
line on stdout, so names are looked up here.  Sans I/O.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from edged.runtime.libraries.finding import Finding

KNOWN = frozenset({
    "arena_extend_strategy", "cudnn_conv1d_pad_to_nc1d", "cudnn_conv_algo_search",
    "cudnn_conv_use_max_workspace", "device_id", "do_copy_in_default_stream", "enable_cuda_graph",
    "enable_cudnn", "enable_skip_layer_norm_strict_mode", "fuse_conv_bias", "gpu_mem_limit",
    "has_user_compute_stream", "prefer_nhwc", "sdpa_kernel", "tunable_op_enable",
    "tunable_op_max_tuning_duration_ms", "tunable_op_tuning_enable", "use_ep_level_unified_stream",
    "use_tf32", "user_compute_stream",
})  # fmt: skip
"""Of onnxruntime-gpu 1.20 to 1.31, but for those that take an address of an allocator."""

OURS = frozenset({
    "device_id", "enable_cuda_graph", "gpu_mem_limit", "has_user_compute_stream",
    "user_compute_stream",
})  # fmt: skip
"""Set by edged itself; a configuration that sets them, too, would contradict it."""


@dataclass(frozen=True)
class CudaSettings:
    """How sessions on the CUDA provider are made.

    Attributes:
        memory_mb: bound of the provider's memory arena, each session; 0 means none.
        graphs: capture CUDA graphs of the extents that come up first.
        tf32: let FP32 convolutions and products lose 13 bits of their mantissas.
        options: more options of the provider, by onnxruntime's names.
    """

    memory_mb: int = 0
    graphs: bool = True
    tf32: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, str]:
        """What of it changes the numbers that come out, for an engine's identity."""
        found = {"TF32": "on"} if self.tf32 else {}
        if self.options:
            pairs = sorted(self.options.items())
            found["provider options"] = ", ".join(f"{name}={value}" for name, value in pairs)
        return found

    def provider_options(self, stream: int, *, graphs: bool, half: bool) -> dict[str, str]:
        """All options of one session.

        Without TF32 onnxruntime's provider keeps FP16 convolutions off the tensor cores, too,
        and these want the channels last: seen with 1.31.1 on an H100, where both together
        make a restorer 2.8 times as fast (tests/bench/RESULTS.md).  What a plan keeps in FP32
        is then rounded to TF32, which has FP16's mantissa and FP32's range.

        Args:
            stream: handle of the stream that it works on.
            graphs: whether this session captures graphs.
            half: whether the model has weights in FP16.
        """
        made = {
            "device_id": "0",
            "user_compute_stream": str(stream),
            "enable_cuda_graph": str(int(graphs)),
            "use_tf32": str(int(self.tf32 or half)),
            **({"prefer_nhwc": "1"} if half else {}),
            # The default doubles the arena at each growth, which a small board has no room for.
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": "EXHAUSTIVE",
            **self.options,
        }
        if self.memory_mb:
            made["gpu_mem_limit"] = str(self.memory_mb << 20)
        return made


def option_findings(options: Mapping[str, str]) -> tuple[Finding, ...]:
    """Options that onnxruntime would not know, or that edged sets itself."""
    found = []
    for name in options:
        if name in OURS:
            found.append(
                Finding(
                    "own-option",
                    f"runtime.cuda_options.{name}: edged sets this itself",
                    "remove it; see runtime.gpu and runtime.gpu_memory_mb",
                )
            )
        elif name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            fp16 = " (FP16 is in the graph: edged calibrate precision)" if "fp16" in name else ""
            found.append(
                Finding(
                    "unknown-option",
                    f"runtime.cuda_options.{name}: onnxruntime's CUDA provider has no such "
                    f"option{hint}",
                    f"remove it{fp16}",
                )
            )
    return tuple(found)
