"""The runtime `tensorrt-rtx` for the engine store.

Its artifact is the mixed-precision ONNX file with the extents beside it: the plugin compiles
when a session is made.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from edged.errors import EngineError
from edged.runtime.backend import BuildProgress, Profile
from edged.runtime.driver import Driver, probe
from edged.runtime.libraries import Finding, ort_install, rtx_findings
from edged.runtime.rtx import RtxSession
from edged.runtime.session import Meter, Session
from edged.runtime.settings import BuildSettings

PROFILE = "profile.json"
"""Beside the artifact: the extents to compile for."""
CACHE = ".rtx-cache"
"""Beside the engine's folder: what the plugin compiled for this card, of no engine's key."""
_PLUGIN = "onnxruntime-ep-nv-tensorrt-rtx-cu13"


class RtxBackend:
    """See :class:`edged.runtime.backend.Backend`.

    Args:
        driver: as probed; asked when it is needed, where none is given.
    """

    name = "tensorrt-rtx"
    artifact = "model.onnx"

    def __init__(self, driver: Driver | None = None) -> None:
        self._driver = driver
        self._findings: tuple[Finding, ...] | None = None

    def findings(self) -> tuple[Finding, ...]:
        """Why it cannot work here; looked for once."""
        if self._findings is None:
            self._driver = self._driver or probe()
            self._findings = rtx_findings(self._driver)
        return self._findings

    def identity(self) -> Mapping[str, str]:
        """See :class:`edged.runtime.backend.Backend`."""
        wrong = self.findings()
        if wrong or self._driver is None:
            raise EngineError(f"runtime tensorrt-rtx cannot be had: {'. '.join(map(str, wrong))}")
        gpu = self._driver.gpus[0]
        return {
            "TensorRT-RTX plugin": _version(_PLUGIN),
            "onnxruntime": " ".join(f"{n} {v}" for n, v in ort_install().distributions.items()),
            "driver": self._driver.module or self._driver.version,
            "GPU": gpu.name,
            "SM": gpu.sm,
        }

    def build(
        self,
        model: Path,
        profile: Profile,
        out: Path,
        settings: BuildSettings,  # noqa: ARG002 - the plugin has its own
        progress: BuildProgress,
    ) -> None:
        """See :class:`edged.runtime.backend.Backend`."""
        progress("copy", 0.0)
        shutil.copyfile(model, out)
        out.with_name(PROFILE).write_bytes(msgspec.json.encode(profile))
        progress("copy", 1.0)

    def open(self, folder: Path, *, model_id: str, meter: Meter) -> Session:
        """See :class:`edged.runtime.backend.Backend`."""
        try:
            profile = msgspec.json.decode((folder / PROFILE).read_bytes(), type=Profile)
        except (OSError, msgspec.MsgspecError) as error:
            raise EngineError(
                f"model {model_id}: its engine has no extents; build it again"
            ) from error
        return RtxSession(
            folder / self.artifact,
            model_id=model_id,
            profile=profile,
            cache=folder.parent / CACHE,
            meter=meter,
        )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
