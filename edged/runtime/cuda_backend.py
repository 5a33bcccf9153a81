"""The runtime `cuda` for the engine store: its artifact is the mixed-precision ONNX file.

There is nothing to compile, but an artifact is tried and compared with FP32 like any
other, and one that another onnxruntime or driver has accepted is tried again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from edged.errors import EngineError
from edged.runtime.backend import BuildProgress, Profile
from edged.runtime.cuda import CudaSession
from edged.runtime.cuda_open import half_weights
from edged.runtime.cuda_options import CudaSettings, option_findings
from edged.runtime.driver import Driver, probe
from edged.runtime.libraries import Finding, cuda_findings, ort_install
from edged.runtime.session import Meter, Session
from edged.runtime.settings import BuildSettings

HALF = "half.txt"
"""Lies beside an artifact with weights in FP16, which then gets the tensor cores."""


class CudaBackend:
    """See :class:`edged.runtime.backend.Backend`.

    Args:
        settings: of its sessions; the defaults, where none are given.
        driver: as probed; asked when it is needed, where none is given.
    """

    name = "cuda"
    artifact = "model.onnx"

    def __init__(self, settings: CudaSettings | None = None, driver: Driver | None = None) -> None:
        self._settings = settings or CudaSettings()
        self._driver = driver
        self._findings: tuple[Finding, ...] | None = None

    def findings(self) -> tuple[Finding, ...]:
        """Why it cannot work here; looked for once."""
        if self._findings is None:
            self._driver = self._driver or probe()
            wrong = option_findings(self._settings.options)
            self._findings = (*wrong, *cuda_findings(self._driver))
        return self._findings

    def identity(self) -> Mapping[str, str]:
        """See :class:`edged.runtime.backend.Backend`."""
        wrong = self.findings()
        if wrong or self._driver is None:
            raise EngineError(f"runtime cuda cannot be had: {'. '.join(map(str, wrong))}")
        found, gpu = ort_install(), self._driver.gpus[0]
        return {
            "onnxruntime": " ".join(f"{n} {v}" for n, v in found.distributions.items()),
            "CUDA": found.cuda_version,
            "driver": self._driver.module or self._driver.version,
            "GPU": gpu.name,
            "SM": gpu.sm,
            **self._settings.numbers,
        }

    def settings(self) -> dict[str, Any]:
        """See :class:`edged.runtime.backend.Configured`."""
        return asdict(self._settings)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> CudaBackend:
        """See :class:`edged.runtime.backend.Configured`."""
        return cls(CudaSettings(**settings))

    def build(
        self,
        model: Path,
        profile: Profile,  # noqa: ARG002 - any extents are taken
        out: Path,
        settings: BuildSettings,  # noqa: ARG002 - nothing is compiled
        progress: BuildProgress,
    ) -> None:
        """See :class:`edged.runtime.backend.Backend`."""
        progress("copy", 0.0)
        if half_weights(onnx.load(str(model))):
            (out.parent / HALF).write_text("weights in FP16\n")
        shutil.copyfile(model, out)
        progress("copy", 1.0)

    def tame(self, folder: Path) -> bool:
        """See :class:`edged.runtime.backend.Tameable`: FP16 without the tensor cores."""
        marked = (folder / HALF).exists()
        (folder / HALF).unlink(missing_ok=True)
        return marked

    def open(self, folder: Path, *, model_id: str, meter: Meter) -> Session:
        """See :class:`edged.runtime.backend.Backend`."""
        return CudaSession(
            folder / self.artifact,
            model_id=model_id,
            settings=self._settings,
            meter=meter,
            half=(folder / HALF).exists(),
        )
