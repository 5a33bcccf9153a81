"""The runtimes of this machine: each is asked once, when somebody wants to know.

Knows which backends there are; chooses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edged.errors import EngineError
from edged.runtime.backend import Backend
from edged.runtime.build.backends import BACKENDS, backend
from edged.runtime.choice import Refusal
from edged.runtime.cuda_backend import CudaBackend
from edged.runtime.cuda_options import CudaSettings
from edged.runtime.driver import Driver, probe
from edged.runtime.libraries import Finding, gpu_findings, ort_install
from edged.runtime.rtx_backend import RtxBackend

CPU = "cpu"


class Machine:
    """What can run here.

    Args:
        backends: makers by name; the engine store's own, where none are given.
        ask_driver: probes the driver.
        cuda: settings of sessions on the CUDA provider.
    """

    def __init__(
        self,
        backends: Mapping[str, Callable[[], Backend]] | None = None,
        *,
        ask_driver: Callable[[], Driver] = probe,
        cuda: CudaSettings | None = None,
    ) -> None:
        self._ask_driver = ask_driver
        self._driver: Driver | None = None
        self._cuda = cuda or CudaSettings()
        self._makers = backends if backends is not None else self._usual()
        self._backends: dict[str, Backend] = {}
        self._refusals: dict[str, Refusal | None] = {}

    @property
    def driver(self) -> Driver:
        """What the driver says, asked once."""
        if self._driver is None:
            self._driver = self._ask_driver()
        return self._driver

    def _usual(self) -> dict[str, Callable[[], Backend]]:
        made: dict[str, Callable[[], Backend]] = {
            name: lambda name=name: backend(name)  # type: ignore[misc]
            for name in BACKENDS
        }
        made["cuda"] = lambda: CudaBackend(self._cuda, self.driver)
        made["tensorrt-rtx"] = lambda: RtxBackend(self.driver)
        return made

    def backend(self, name: str) -> Backend:
        """The backend of a runtime other than the CPU.

        Raises:
            EngineError: this edged has none of this name.
        """
        if name not in self._backends:
            if name not in self._makers:
                raise EngineError(f"runtime {name} is no part of this edged")
            self._backends[name] = self._makers[name]()
        return self._backends[name]

    def refusal(self, name: str) -> Refusal | None:
        """Why a runtime cannot work here; None when it can."""
        if name not in self._refusals:
            self._refusals[name] = self._look(name)
        return self._refusals[name]

    def _look(self, name: str) -> Refusal | None:
        if name == CPU:
            return _cpu_refusal()
        if name == "tensorrt":
            return Refusal.of(self._tensorrt_findings())
        try:
            return self._asked(self.backend(name))
        except EngineError as error:
            return Refusal("unusable", str(error))

    def _asked(self, found: Backend) -> Refusal | None:
        """What a backend says of itself: its findings where it has them.

        Raises:
            EngineError: it cannot work here.
        """
        findings: Callable[[], Sequence[Finding]] | None = getattr(found, "findings", None)
        refusal = Refusal.of(findings()) if findings is not None else None
        if refusal is None:
            found.identity()
        return refusal

    def _tensorrt_findings(self) -> tuple[Finding, ...]:
        """The driver's, or else what TensorRT's own backend says.

        Without a driver its libraries are left alone: some versions end the process then.
        """
        wrong = gpu_findings(self.driver)
        if wrong:
            return wrong
        try:
            self.backend("tensorrt").identity()
        except EngineError as error:
            problem, _, cure = str(error).partition("; ")
            return (Finding("no-tensorrt", problem, cure),)
        return ()


def _cpu_refusal() -> Refusal | None:
    if ort_install().folder is not None:
        return None
    return Refusal(
        "onnxruntime-absent", "onnxruntime is not installed; run: pip install 'edged[cpu]'"
    )
