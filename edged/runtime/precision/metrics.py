"""How far two answers of one network are apart, in the units that people judge by.

Pictures: PSNR of the uint8 picture, peak 255; vectors: cosine; a detector: its scores and,
for places that both see, its boxes.  Each figure is that of the worst face, so that one
black face among good ones is not averaged away.  Knows the outputs of prepared graphs by
name; knows no graphs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.errors import EngineError

Outputs = Mapping[str, NDArray[Any]]
"""Outputs of a prepared graph by name."""

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Crops (n, s, s, 3) uint8 BGR to vectors (n, d) float32, by some recogniser in FP32."""

PSNR_MAX_DB = 99.0
"""Of equal pictures, in the place of infinity, which JSON and TOML files lack."""

_PICTURES = ("swapped", "restored", "visible")
_SCORE_SEEN = 0.3
_BEST = 8
"""Places with at least this score are compared; where there is none, so many best ones."""


@dataclass(frozen=True)
class Error:
    """How far an answer is from FP32's; None where the network has no such output.

    Attributes:
        finite: every number that the network gave was finite.
        psnr_db: smallest of a picture's; 0 when not finite.
        cosine: smallest of a vector's.
        score: largest difference of a score; of a parser the share of pixels that it labels
            otherwise.
        box_px: largest difference of a box or landmark.
    """

    finite: bool
    psnr_db: float | None = None
    cosine: float | None = None
    score: float | None = None
    box_px: float | None = None

    def worse(self, other: Error) -> Error:
        """The worse of both in each figure."""
        return Error(
            self.finite and other.finite,
            _pick(min, self.psnr_db, other.psnr_db),
            _pick(min, self.cosine, other.cosine),
            _pick(max, self.score, other.score),
            _pick(max, self.box_px, other.box_px),
        )


@dataclass(frozen=True)
class Bound:
    """How far it may be; names as in a recipe's `[precision]`."""

    psnr_db_min: float = 45.0
    cosine_min: float = 0.9995
    score_error_max: float = 0.02
    box_error_px_max: float = 1.0

    def met_by(self, error: Error, *, reserve_db: float = 0.0) -> bool:
        """Whether an error is within it.

        Args:
            error: measured.
            reserve_db: how much better a picture must be; other figures must be better by
                the same factor (6 dB are a factor of 2).
        """
        factor = 10 ** (reserve_db / 20)
        return (
            error.finite
            and (error.psnr_db is None or error.psnr_db >= self.psnr_db_min + reserve_db)
            # 1 - cosine goes with the square of the error.
            and (error.cosine is None or 1 - error.cosine <= (1 - self.cosine_min) / factor**2)
            and (error.score is None or error.score <= self.score_error_max / factor)
            and (error.box_px is None or error.box_px <= self.box_error_px_max / factor)
        )


def compare(exact: Outputs, other: Outputs, embed: Embed | None = None) -> Error:
    """The error of one run.

    Args:
        exact: FP32's outputs.
        other: those under test.
        embed: recogniser for pictures; without one they have no cosine.

    Raises:
        EngineError: no output is one of a prepared graph.
    """
    finite = all(
        bool(np.isfinite(value).all()) for value in other.values() if value.dtype.kind == "f"
    )
    for name in _PICTURES:
        if name in exact:
            cosine = cosines(embed(exact[name]), embed(other[name])) if embed and finite else None
            told = [key for key in (name, "masks") if key in exact]
            psnr = min(
                psnr_db(a, b) for key in told for a, b in zip(exact[key], other[key], strict=True)
            )
            return Error(finite, psnr if finite else 0.0, 0.0 if embed and not finite else cosine)
    if "embeddings" in exact:
        value = cosines(exact["embeddings"], other["embeddings"]) if finite else 0.0
        return Error(finite, cosine=value)
    if "values" in exact:
        apart = np.abs(exact["values"] - other["values"]).max(initial=0.0)
        return Error(finite, score=float(apart) if finite else math.inf)
    if "labels" in exact:
        otherwise = (exact["labels"] != other["labels"]).mean(axis=(1, 2))
        return Error(finite, score=float(otherwise.max()) if finite else 1.0)
    if "scores" in exact:
        return _detector_error(exact, other, finite=finite)
    raise EngineError(
        f"the graph's outputs ({', '.join(exact)}) are not those of a prepared graph, "
        "so its precision has no measure"
    )


def psnr_db(exact: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """10 log10(255**2 / mean squared error) of two uint8 pictures."""
    error = float(np.mean(np.square(exact.astype(np.float32) - other.astype(np.float32))))
    return min(PSNR_MAX_DB, 10 * math.log10(255**2 / error)) if error else PSNR_MAX_DB


def cosines(exact: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Smallest cosine between rows of two (n, d) arrays; 0 for a row of zeros."""
    a, b = exact.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    dots = np.sum(a * b, axis=1)
    return float(np.min(np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)))


def _detector_error(exact: Outputs, other: Outputs, *, finite: bool) -> Error:
    """Each place that one of both sees against the other's nearest, and scores by rank.

    Order among k best places may change with the last bit of a score, so places are found
    by their boxes, not by their row.  A picture without a face has its best places compared,
    so that a detector that sees nothing is measured, too.
    """
    if not finite:
        return Error(finite=False, score=1.0, box_px=math.inf)
    apart = np.abs(np.sort(exact["scores"]) - np.sort(other["scores"]))
    score, box = float(np.max(apart, initial=0.0)), 0.0
    for one, two, places in ((exact, other, True), (other, exact, False)):
        for row in _seen(one["scores"]):
            gaps = np.max(np.abs(two["boxes"] - one["boxes"][row]), axis=1)
            gaps[two["scores"] < 0] = np.inf  # these fill up, they are no places
            near = int(np.argmin(gaps))
            score = max(score, abs(float(two["scores"][near] - one["scores"][row])))
            if places:
                points = float(np.max(np.abs(two["landmarks"][near] - one["landmarks"][row])))
                box = max(box, float(gaps[near]), points)
    return Error(finite, score=score, box_px=box)


def _seen(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """Rows with a score that counts, else the best ones; what only fills up has -1."""
    seen = np.flatnonzero(scores >= _SCORE_SEEN)
    best = np.argsort(-scores, kind="stable")[:_BEST]
    return seen if len(seen) else best[scores[best] >= 0]


def _pick(which: Callable[[float, float], float], a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return b if a is None else a
    return which(a, b)
