"""Why a runtime failed: no memory, a device that is lost, or something else.

Told apart here and nowhere else, because libraries say it in texts alone.  Those texts may
hold shapes of a frame or this machine's name, so none of them goes into an error of ours.
"""

from __future__ import annotations

import re

from edged.errors import EngineError


class ExhaustedError(EngineError):
    """Raised when memory ran out: closing the session and opening it anew may help."""


class LostError(EngineError):
    """Raised when nothing works on the device in this process any more: start it anew."""


_NO_MEMORY = (
    # onnxruntime 1.24 on a CPU, seen in a process of limited address space: its arena (class
    # Fail, RuntimeException before 1.23), and without an arena
    "failed to allocate memory for requested buffer",
    "std::bad_alloc",
    "bad allocation",
    # its arena at `gpu_mem_limit` (bfc_arena.cc)
    "is smaller than requested bytes",
    # its CUDA provider (cuda_call.cc): "CUDA failure 2: out of memory ; GPU=0 ; ...", and the
    # status names of cuBLAS and cuDNN 8 and 9
    "out of memory",
    "status_alloc_failed",
    "allocation_failed",
    "cudaerrormemoryallocation",
    "cuda_error_out_of_memory",
    # TensorRT: "Error Code 2: OutOfMemory (...)", "insufficient memory on requested size"
    "outofmemory",
    "insufficient memory",
    "memory allocation",
)
"""What runtimes say when memory ran out, in small letters."""

OUT_OF_MEMORY = 2
"""cudaErrorMemoryAllocation and CUDA_ERROR_OUT_OF_MEMORY."""
LOST = frozenset({46, 214, 219, 700, 702, 708, 709, 714, 715, 716, 717, 718, 719, 999})
"""Codes of CUDA after which nothing in this process's context works any more (cuda.h)."""
_CODE = re.compile(r"cuda (?:failure|error) (\d+)")


def says_no_memory(text: str) -> bool:
    """Whether a library's text says that memory ran out."""
    small = text.lower()
    return any(words in small for words in _NO_MEMORY)


def kind_of(error: BaseException) -> type[EngineError]:
    """The class of ours for what a library raised."""
    if isinstance(error, MemoryError):
        return ExhaustedError
    text = str(error)
    found = _CODE.search(text.lower())
    if found is not None and int(found[1]) in LOST:
        return LostError
    return ExhaustedError if says_no_memory(text) else EngineError


def run_failure(model_id: str, where: str, error: BaseException) -> EngineError:
    """The error for a run that failed, without the library's own text.

    Args:
        model_id: for the message.
        where: runtime, as in "failed in onnxruntime".
        error: what was raised.
    """
    kind = kind_of(error)
    said = f"model {model_id} failed {where} ({type(error).__name__})"
    if kind is ExhaustedError:
        said += ": out of memory; it is opened anew"
    elif kind is LostError:
        said += ": the device is lost to this process, which must be started anew"
    return kind(said)
