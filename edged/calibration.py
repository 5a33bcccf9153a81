"""Calibrated bounds of the guard, one TOML file in `calibration/`, read and checked.

Knows the file's form; knows no models.  A pair of models without bounds here has no
guard, and then nothing leaves (design: no calibration, refuse).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from edged import tables
from edged.errors import ConfigError
from edged.resources import data_folder

SITE_GUARD = Path("/etc/edged/calibration/guard.toml")
"""The operator's own bounds of the guard, over those that ship."""

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
"""A bound that something can fail: NaN, or 1 and more, would switch its check off."""


class RecogniserBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From which cosine on two faces count as one person, `[recognisers.ID]`.

    Attributes:
        identity_max: largest cosine between an output face and any input face.
        measured_on: which pairs, and the error rates at the bound.
    """

    identity_max: Share
    measured_on: str


class SwapperBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much an accepted swap may resemble its input, `[swappers.ID]`.

    Attributes:
        coarse_max: largest |correlation| of the low-passed core.
        untouched_max: largest share of parts that are the input's pixels.
        measured_on: which swaps, and what the nearest attack measured.
    """

    coarse_max: Share
    untouched_max: Share
    measured_on: str


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    recognisers: dict[str, RecogniserBound] = {}
    swappers: dict[str, SwapperBound] = {}

    def bounds(self, recogniser: str, swapper: str) -> Bounds | None:
        """Bounds of a pair of models, or None where either was never measured."""
        r, s = self.recognisers.get(recogniser), self.swappers.get(swapper)
        if r is None or s is None:
            return None
        return Bounds(r.identity_max, s.coarse_max, s.untouched_max)


class Bounds(msgspec.Struct, frozen=True):
    """What the guard compares with; see :class:`RecogniserBound`, :class:`SwapperBound`."""

    identity_max: float
    coarse_max: float
    untouched_max: float


def guard_files(models_folder: Path) -> tuple[Path, ...]:
    """Where bounds of the guard are, the later ones going before: ours, site's, device's.

    Args:
        models_folder: of the configuration; the device's own file lies beside it.
    """
    return (
        data_folder("calibration") / "guard.toml",
        SITE_GUARD,
        models_folder.parent / "calibration" / "guard.toml",
    )


def how_to_measure(config: Path | str = "CONFIG") -> str:
    """The command that measures bounds, for messages about absent ones.

    Args:
        config: of the engine; the command finds the usual places itself.
    """
    return f"edged calibrate guard FOLDER --config {config}"


def load(*paths: Path) -> Calibration:
    """Read and merge calibration files; later files win entry by entry.

    Raises:
        ConfigError: a file cannot be read, is no TOML or not of this form.
    """
    merged = Calibration()
    for path in paths:
        if not path.is_file():
            continue
        read = parse(tables.read_bytes(path), path)
        merged = Calibration(
            recognisers={**merged.recognisers, **read.recognisers},
            swappers={**merged.swappers, **read.swappers},
        )
    return merged


def parse(raw: bytes, path: Path) -> Calibration:
    """The bounds in TOML text; `path` is where it stands.

    Raises:
        ConfigError: it is no TOML or not of this form; with every problem.
    """
    walk = tables.Walk(base=path.parent, root=Calibration)
    found = tables.build(Calibration, tables.parse(raw, path), walk)
    if walk.problems:
        raise ConfigError(*(f"{path}: {problem}" for problem in walk.problems))
    return found
