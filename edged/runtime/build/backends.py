"""The runtimes that run built engines, by the names that the configuration has.

A table of import paths: naming a runtime loads nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from edged.errors import EngineError
from edged.runtime.backend import Backend
from edged.runtime.build.jobs import Maker, make_backend

BACKENDS: Mapping[str, str] = {
    "tensorrt": "edged.runtime.trt.backend:TensorRtBackend",
    "tensorrt-rtx": "edged.runtime.rtx_backend:RtxBackend",
    "cuda": "edged.runtime.cuda_backend:CudaBackend",
}
"""In order of preference; `cpu` is none of them: it makes its graph when it loads."""


def backend(name: str) -> Backend:
    """The runtime of a name.

    Raises:
        EngineError: there is none that builds.
    """
    if name not in BACKENDS:
        known = ", ".join(BACKENDS)
        raise EngineError(f"runtime {name!r} builds no engines; those that do: {known}")
    return make_backend(Maker(path=BACKENDS[name]))
