"""What a golden case is: a function, its file, and how far it may stray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One golden file.

    Attributes:
        make: gives the array, uint8 pictures or floats.
        most: largest difference of any number that is let pass.
        mean: largest mean difference, likewise.
    """

    make: Callable[[], np.ndarray]
    most: float
    mean: float

    @property
    def name(self) -> str:
        return self.make.__name__

    @property
    def path(self) -> Path:
        """PNG for pictures, NPY for numbers."""
        return FOLDER / f"{self.name}.{'png' if isinstance(self.most, int) else 'npy'}"

    def stored(self) -> np.ndarray:
        if self.path.suffix == ".npy":
            return np.load(self.path)
        return cv2.imread(str(self.path), cv2.IMREAD_UNCHANGED)

    def store(self, folder: Path) -> Path:
        path = folder / self.path.name
        if path.suffix == ".npy":
            np.save(path, self.make().astype(np.float32))
        else:
            assert cv2.imwrite(str(path), self.make(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
        return path


CASES: list[Case] = []


def pixels(most: int = 1, mean: float = 0.05):
    """A picture, in grey levels: one off where arithmetic rounds another way on another CPU."""
    return lambda make: CASES.append(Case(make, most, mean)) or make


def numbers(most: float):
    """Floats."""
    return lambda make: CASES.append(Case(make, float(most), float(most))) or make
