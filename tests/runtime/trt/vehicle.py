r"""Builds one file with our builder and says what came of it; run as a script, in its own process.

    python vehicle.py model.onnx '{"inputs": {"x": {"min": [..], "opt": [..], "max": [..]}}}' \
        [timing.cache] [phase in which the listener raises]

Standard output's last line is JSON: what was built, or the error's class and text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from edged.errors import EdgedError, EngineError
from edged.runtime.backend import Profile
from edged.runtime.settings import BuildSettings
from edged.runtime.trt.builder import build_plan
from edged.runtime.trt.names import load_tensorrt


def main(model: str, profile: str, cache: str = "", stop: str = "") -> None:
    """See the module."""
    seen: list[tuple[str, float]] = []

    def listen(phase: str, share: float) -> None:
        seen.append((phase, round(share, 3)))
        if phase == stop and share > 0:
            raise EngineError(f"stopped in {phase}")

    try:
        trt = load_tensorrt()
        built = build_plan(
            trt,
            Path(model),
            msgspec.json.decode(profile, type=Profile),
            BuildSettings(),
            listen,
            timing_cache=Path(cache).read_bytes() if cache else b"",
        )
    except EdgedError as error:
        said = {"error": type(error).__name__, "text": str(error)}
    else:
        said = {
            "version": trt.__version__,
            "plan_bytes": len(built.plan),
            "cache_bytes": len(built.timing_cache),
            "layers": built.layers,
            "half_tensors": built.half_tensors,
        }
    sys.stdout.write(json.dumps({**said, "progress": seen}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
