"""What an operator may set about building engines.

A leaf of its own, so that the configuration (and the uplink, which reads it) loads no
array library for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

CANVAS_PX = (32, 640, 1280)
"""Sides of the picture that a detector's engine takes, multiples of 32: at least, usually, at
most.  Engines hold memory for the most."""


class BuildSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How models are made into engines, the table `[engines]`.

    Attributes:
        folder: where engines are kept; the default lies in the state folder.
        workspace_mb: GPU memory that a builder may use to try out kernels.
        memory_mb: main memory of a build; above it the build is ended; 0 means four
            fifths of what is free when it starts.
        timeout_s: a build that takes longer is ended.
        retries: how often a build that crashed is begun again.
        optimisation_level: 0 (quick build) to 5 (quick engine), as TensorRT has it.
        background: rebuild in the background what is absent or no longer fits, while
            another runtime serves.
    """

    folder: Path = Path("engines")
    workspace_mb: Annotated[int, msgspec.Meta(ge=16, le=1_048_576)] = 2048
    memory_mb: Annotated[int, msgspec.Meta(ge=0, le=1_048_576)] = 0
    timeout_s: Annotated[float, msgspec.Meta(ge=1.0, le=86_400.0)] = 3600.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    optimisation_level: Annotated[int, msgspec.Meta(ge=0, le=5)] = 3
    background: bool = True

    @property
    def code(self) -> dict[str, str]:
        """The settings that change what a builder makes, and so an engine's key."""
        return {
            "workspace_mb": str(self.workspace_mb),
            "optimisation_level": str(self.optimisation_level),
        }
