"""Whether an engine's outputs are those of FP32, within the recipe's bounds.

How far two outputs are apart is measured as for precision plans
(:mod:`edged.runtime.precision.metrics`), so that an engine is held to what its plan
promised.  Here is what an engine can get wrong besides: names, types, flat pictures.
Knows the names of prepared graphs' outputs; knows no runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edged.faces import Tensor
from edged.recipe import Precision
from edged.runtime.precision.metrics import Error, compare

FLAT_STD = 1.0
"""Grey levels; a picture below it is flat, and so no face, unless FP32's is flat, too."""

LARGEST = 1e9
"""Stands for an infinite error, which JSON has no word for."""

_PICTURES = ("swapped", "restored")
_LEAST = frozenset({"psnr_db", "cosine"})
"""Figures of which more is better."""


class Comparison:
    """What was seen so far, the worst of it.

    Attributes:
        faces: outputs that were compared, each alone.
    """

    def __init__(self) -> None:
        self.faces = 0
        self._error: Error | None = None
        self._scores = 0.0
        self._faults: list[str] = []

    def add(self, ours: Mapping[str, Tensor], fp32: Mapping[str, Tensor], where: str) -> None:
        """Compare one run.

        Args:
            ours: outputs by name.
            fp32: outputs of the same faces in the same rows.
            where: what was run, for the fault's text.
        """
        self.faces += len(fp32["checks"]) if "checks" in fp32 else len(next(iter(fp32.values())))
        faults = [text for name, want in fp32.items() for text in _wrong(name, ours, want, where)]
        if faults:
            self._faults += [text for text in faults if text not in self._faults]
            return
        error = compare(fp32, ours)
        self._error = error if self._error is None else self._error.worse(error)
        if "scores" in fp32:  # by rank, too: FP32 may see nothing, and then so must the engine
            apart = np.abs(np.sort(ours["scores"]) - np.sort(fp32["scores"]))
            self._scores = max(self._scores, float(apart.max(initial=0.0)))

    @property
    def figures(self) -> dict[str, float]:
        """The worst figures by name; none when nothing was measured."""
        error = self._error
        if error is None:
            return {}
        score = None if error.score is None else max(error.score, self._scores)
        found = {
            "psnr_db": error.psnr_db,
            "cosine": error.cosine,
            "score_error": score,
            "box_error_px": error.box_px,
        }
        return {k: round(min(v, LARGEST), 6) for k, v in found.items() if v is not None}

    def reason(self, bounds: Mapping[str, float]) -> str:
        """Why it is not accepted; empty when it is."""
        if self._faults:
            return "; ".join(self._faults)
        figures = self.figures
        if not figures:
            return "nothing could be compared"
        return "; ".join(
            f"{name} {value:.6g} is {'under' if name in _LEAST else 'over'} {bounds[name]:g}"
            for name, value in figures.items()
            if not (value >= bounds[name] if name in _LEAST else value <= bounds[name])
        )


def _wrong(name: str, ours: Mapping[str, Tensor], want: Tensor, where: str) -> list[str]:
    """What no figure could excuse."""
    if name not in ours:
        return [f"output {name} is absent"]
    got = ours[name]
    if got.shape != want.shape or got.dtype != want.dtype:
        return [f"{name} is {got.dtype}{list(got.shape)}, not {want.dtype}{list(want.shape)}"]
    if not np.isfinite(got).all():
        return [f"{name} is not finite ({where})"]
    if name in _PICTURES:
        pairs = zip(got, want, strict=True)
        if any(float(np.std(a)) < FLAT_STD <= float(np.std(b)) for a, b in pairs):
            return [f"{name} is flat ({where})"]
    return []


def bounds_of(precision: Precision) -> dict[str, float]:
    """The recipe's bounds under the names of the figures."""
    return {
        "psnr_db": precision.psnr_db_min,
        "cosine": precision.cosine_min,
        "score_error": precision.score_error_max,
        "box_error_px": precision.box_error_px_max,
    }


def stacked(faces: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Outputs of single faces as those of one run over them."""
    if len(faces) == 1:
        return dict(faces[0])
    return {name: np.concatenate([face[name] for face in faces]) for name in faces[0]}
