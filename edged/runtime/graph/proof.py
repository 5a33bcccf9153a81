"""Proves that a batched graph keeps faces apart: together they come out as they do alone.

A public re-export exists that takes several pictures and mixes them up, so that nobody is
to be believed here, neither a file that claims a batch nor this package's own rewriting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edged.faces import Tensor
from edged.runtime.session import Session

FACES = 3
"""More than two, so that an order that is turned round shows, too."""

PEAK_LEVELS, MEAN_LEVELS, COSINE = 3.0, 0.1, 0.9999
"""Bounds for FP32, where a batch changes the order of sums at most.  Mixed-up faces differ by
tens of levels."""

_CELLS = 8


@dataclass(frozen=True)
class BatchProof:
    """Faces in one run against the same faces one by one.

    Attributes:
        ok: whether everything is within the bounds.
        peak_levels: largest difference of a byte.
        mean_levels: largest mean difference of a face's bytes.
        cosine: smallest cosine between a face's vectors; 1 where there are none.
    """

    ok: bool
    peak_levels: float = 0.0
    mean_levels: float = 0.0
    cosine: float = 1.0


def is_batched(session: Session) -> bool:
    """Whether a prepared graph takes several faces in one run."""
    return session.inputs[0].shape[0] != 1


def prove_batch(
    session: Session,
    feeds: Mapping[str, Tensor] | None = None,
    *,
    peak_levels: float = PEAK_LEVELS,
    mean_levels: float = MEAN_LEVELS,
    cosine: float = COSINE,
) -> BatchProof:
    """Run faces together and alone.

    Args:
        session: entered, of a prepared graph with `crops`.
        feeds: what to run, one entry a face (numbers [1] aside); drawn where not given.
        peak_levels: bound, see :class:`BatchProof`.
        mean_levels: likewise.
        cosine: likewise.

    Returns:
        The proof; it holds of itself where the graph takes one face only.

    Raises:
        EngineError: the runtime fails.
    """
    if not is_batched(session):
        return BatchProof(ok=True)
    feeds = feeds or draw_feeds(session)
    apart = {spec.name for spec in session.inputs if spec.shape[0] is None}
    together = [np.array(out) for out in session.run(feeds)]
    count = len(next(feeds[name] for name in apart))
    peak = mean = 0.0
    nearest = 1.0
    for face in range(count):
        own = {
            name: value[face : face + 1] if name in apart else value
            for name, value in feeds.items()
        }
        alone = session.run(own)
        for spec, many, one in zip(session.outputs, together, alone, strict=True):
            if many.shape[0] != count or one.shape[0] != 1:
                return BatchProof(ok=False, cosine=-1.0)
            if spec.dtype == np.uint8:
                off = np.abs(many[face].astype(np.int16) - one[0])
                peak, mean = max(peak, float(off.max())), max(mean, float(off.mean()))
            elif many.ndim == 2:
                nearest = min(nearest, _cosine(many[face], one[0]))
            elif not (np.isfinite(many).all() and np.isfinite(one).all()):
                return BatchProof(ok=False, cosine=-1.0)
    ok = peak <= peak_levels and mean <= mean_levels and nearest >= cosine
    return BatchProof(ok, peak, mean, nearest)


def draw_feeds(session: Session, count: int = FACES, seed: int = 0) -> dict[str, Tensor]:
    """Coloured patches with grain that differ from face to face, and random unit vectors."""
    rng = np.random.default_rng(seed)
    feeds: dict[str, Tensor] = {}
    for spec in session.inputs:
        first, *rest = (extent or 1 for extent in spec.shape)
        if spec.dtype == np.uint8:
            feeds[spec.name] = np.stack([_patches(rest[0], rng) for _ in range(count)])
        elif len(spec.shape) == 2:
            rows = rng.standard_normal((count, *rest))
            feeds[spec.name] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(
                spec.dtype
            )
        else:
            number = 1.0 if spec.name == "strength" else 0.5
            feeds[spec.name] = np.full((first, *rest), number, spec.dtype)
    return feeds


def _patches(side: int, rng: np.random.Generator) -> Tensor:
    """(side, side, 3) uint8."""
    coarse = rng.uniform(20, 235, (_CELLS, _CELLS, 3)) * rng.uniform(0.5, 1.0, 3)
    wide = np.kron(coarse, np.ones((-(-side // _CELLS),) * 2 + (1,)))[:side, :side]
    return np.clip(wide + rng.normal(0, 6, wide.shape), 0, 255).astype(np.uint8)


def _cosine(one: Tensor, other: Tensor) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 and np.isfinite(size) else -1.0
