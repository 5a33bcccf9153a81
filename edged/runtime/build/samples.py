"""Pictures that engines are compared on: drawn faces under many lights, never a camera's.

They are generated from a seed wherever they are needed and stored nowhere.  Bright, dark,
flat and noisy ones are among them, because the values that overflow half precision come
from extremes.  Knows OpenCV's drawing; knows no runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.errors import EngineError
from edged.faces import Image, Tensor
from edged.runtime.session import TensorSpec

SEED = 20_040
CANVASES = ((256, 256), (640, 640), (384, 640))
"""(h, w) of the pictures for detectors: both default sizes, and one that is not square."""

_LATENT_DIM = 512
_SHARED = {"strength": 1.0, "fidelity": 0.5}
"""Inputs that all faces of a run share, and what they are set to: the whole network's
say, and the middle of its range."""


def crops(count: int, size_px: int, seed: int = SEED) -> NDArray[np.uint8]:
    """Drawn faces, aligned about as ArcFace's template is.

    Returns:
        (count, size_px, size_px, 3) uint8 BGR.
    """
    return np.stack([_crop(size_px, np.random.default_rng((seed, i)), i) for i in range(count)])


def picture(height: int, width: int, seed: int = SEED) -> Image:
    """A picture with a row of drawn faces, (height, width, 3) uint8 BGR."""
    random = np.random.default_rng((seed, height, width))
    canvas = _ground(height, width, random)
    side = min(height, width) // 2
    for i, left in enumerate(range(side // 8, width - side, side + side // 4)):
        top = int(random.integers(0, height - side))
        canvas[top : top + side, left : left + side] = _crop(side, random, i)
    return canvas


def _crop(size: int, random: np.random.Generator, number: int) -> Image:
    """One face; every fourth is an extreme: dark, glaring, or noise alone."""
    face = _ground(size, size, random)
    skin = np.array([0.55, 0.7, 0.95]) * random.uniform(90, 255)
    tone = tuple(float(value) for value in skin)

    def at(x: float, y: float) -> tuple[int, int]:
        jitter = random.normal(0, 0.01, 2)
        return int((x + jitter[0]) * size), int((y + jitter[1]) * size)

    def oval(x: float, y: float, a: float, b: float, colour: tuple[float, ...]) -> None:
        axes = max(1, int(a * size)), max(1, int(b * size))
        cv2.ellipse(face, at(x, y), axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    oval(0.5, 0.15, 0.48, 0.35, tuple(random.uniform(10, 120, 3)))
    oval(0.5, 0.56, 0.40, 0.52, tone)
    for x in (0.34, 0.66):
        oval(x, 0.36, 0.11, 0.02, (30.0, 40.0, 60.0))
        oval(x, 0.46, 0.09, 0.045, (235.0, 235.0, 235.0))
        oval(x, 0.46, 0.04, 0.04, tuple(random.uniform(10, 130, 3)))
        oval(x, 0.46, 0.015, 0.015, (5.0, 5.0, 5.0))
    oval(0.5, 0.62, 0.06, 0.05, tuple(0.85 * value for value in tone))
    oval(0.5, 0.82, 0.14, random.uniform(0.01, 0.05), (70.0, 60.0, 170.0))
    left, right = random.uniform(0.4, 1.3, 2)
    lit = np.multiply(face, np.linspace(left, right, size)[None, :, None], dtype=np.float64)
    lit += random.normal(0, random.uniform(1, 8), face.shape)
    if number % 4 == 3:
        extremes = lit * 0.08, lit * 3.0, random.uniform(0, 255, face.shape)
        lit = extremes[number // 4 % 3]
    return _bytes(lit)


def _ground(height: int, width: int, random: np.random.Generator) -> Image:
    """A soft pattern of some colours."""
    small = random.uniform(20, 230, (4, 4, 3)).astype(np.float32)
    return _bytes(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def _bytes(values: NDArray[Any]) -> Image:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


class Samples:
    """What the inputs of one prepared graph are fed with.

    Args:
        inputs: of the graph, under the names that all prepared graphs share.
        count: how many different faces.
        canvases: (h, w) of pictures; those that the graph does not take are left out.

    Raises:
        EngineError: an input has a name that no prepared graph has.
    """

    def __init__(
        self,
        inputs: Sequence[TensorSpec],
        count: int,
        canvases: Sequence[tuple[int, int]] = CANVASES,
    ) -> None:
        self._each: list[dict[str, Tensor]] = []
        self._shared: dict[str, Tensor] = {}
        self.batched = True
        for spec in inputs:
            if spec.name == "crops":
                self._add(spec.name, crops(count, int(spec.shape[1] or 0)))
            elif spec.name == "latents":
                self._add(spec.name, _latents(count, int(spec.shape[1] or _LATENT_DIM)))
            elif spec.name == "sources":
                self._add(spec.name, crops(count, int(spec.shape[1] or 0), SEED + 1))
            elif spec.name == "picture":
                self.batched = False
                self._each = [{spec.name: one[None]} for one in _pictures(spec, canvases)]
            elif spec.name in _SHARED:
                self._shared[spec.name] = np.array([_SHARED[spec.name]], np.float32)
            else:
                raise EngineError(f"the graph has an input {spec.name!r}, which no stage feeds")

    def _add(self, name: str, values: Tensor) -> None:
        if not self._each:
            self._each = [{} for _ in values]
        for one, value in zip(self._each, values, strict=True):
            one[name] = value[None]

    def __len__(self) -> int:
        """How many different faces or pictures."""
        return len(self._each)

    def one(self, index: int) -> Mapping[str, Tensor]:
        """The feeds of one face or picture."""
        return {**self._each[index], **self._shared}

    def batch(self, rows: Sequence[int]) -> Mapping[str, Tensor]:
        """The feeds of a run over several faces."""
        names = self._each[0]
        stacked = {name: np.concatenate([self._each[i][name] for i in rows]) for name in names}
        return {**stacked, **self._shared}


def _latents(count: int, dim: int) -> NDArray[np.float32]:
    """Unit vectors, as a swapper takes them."""
    drawn = np.random.default_rng(SEED).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def _pictures(spec: TensorSpec, canvases: Sequence[tuple[int, int]]) -> list[Image]:
    """Pictures of the sizes that a detector takes; its own where that is fixed."""
    _, height, width, _ = spec.shape
    sizes = {(height or h, width or w) for h, w in canvases}
    return [picture(h, w) for h, w in sorted(sizes)]
