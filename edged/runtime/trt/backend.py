"""Native TensorRT as the engine store sees it: identity, build, open."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edged.runtime import driver
from edged.runtime.backend import BuildProgress, Profile
from edged.runtime.session import Meter, Session
from edged.runtime.settings import BuildSettings
from edged.runtime.trt import names, trial
from edged.runtime.trt.builder import build_plan
from edged.runtime.trt.session import TrtSession

CACHE_FOLDER: Final = ".timing"
"""In the engine folder, no model's; holds one timing cache for each TensorRT and GPU."""


class TensorRtBackend:
    """NVIDIA's TensorRT by its Python package."""

    name = "tensorrt"
    artifact = "engine.plan"

    def identity(self) -> Mapping[str, str]:
        """See :class:`edged.runtime.backend.Backend`; a plan is for one GPU model only."""
        found = driver.require()  # first: without a GPU nobody needs TensorRT
        trt = names.load_tensorrt()
        gpu = found.gpus[0]
        return {
            "TensorRT": str(trt.__version__),
            "CUDA": found.version,
            "driver": found.module or "unknown",
            "GPU": gpu.name,
            "SM": gpu.sm,
        }

    def build(
        self,
        model: Path,
        profile: Profile,
        out: Path,
        settings: BuildSettings,
        progress: BuildProgress,
    ) -> None:
        """See :class:`edged.runtime.backend.Backend`; leaves a trial's report beside the plan."""
        identity = self.identity()
        trt = names.load_tensorrt()
        cache = _cache_file(settings.folder, identity)
        built = build_plan(trt, model, profile, settings, progress, timing_cache=_read_cache(cache))
        out.write_bytes(built.plan)
        _write_cache(cache, built.timing_cache)
        progress("try the engine", 0.0)
        trial.write(out, "of this build")
        progress("try the engine", 1.0)

    def open(self, folder: Path, *, model_id: str, meter: Meter) -> Session:
        """See :class:`edged.runtime.backend.Backend`."""
        return TrtSession(folder / self.artifact, model_id=model_id, meter=meter)


def _cache_file(folder: Path, identity: Mapping[str, str]) -> Path:
    """Measurements hold for one TensorRT on one GPU model and driver."""
    words = "-".join(identity[key] for key in ("TensorRT", "driver", "GPU", "SM"))
    plain = "".join(c if c.isalnum() or c in ".-" else "_" for c in words)
    return folder / CACHE_FOLDER / f"{plain}.cache"


def _read_cache(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # the first build here
        return b""


def _write_cache(file: Path, content: bytes) -> None:
    """A build is worth more than its timing cache: what cannot be written is left."""
    if not content:
        return
    scratch = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(content)
        scratch.replace(file)
