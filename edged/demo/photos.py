"""The photos that the demo's camera shows: those that its dependencies carry, or a visitor's.

Reads them from the installed packages' folders without importing the packages, which
would take seconds.  Knows no scene and no socket.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edged.builtin.character import draw_character
from edged.daemon.pictures import shrunk
from edged.errors import OperatorError
from edged.faces import Image

SHOWN_MAX_PX = 1600
"""Longer sides are scaled down to it: a phone's photo would only make the demo slow."""

DRAWN_VISITOR, NARROWER = "kim", 0.85
"""Look of the README's visitor.  All looks share one face's proportions, so that one of them
in another's place would rightly be filled: the visitor's face is made narrower."""

_INSTALL = "pip install 'edged[demo]', or show a photo of your own with --photo FILE"


@dataclass(frozen=True, repr=False)
class Photo:
    """One picture in front of the camera.

    Attributes:
        name: short name for tables and the sheet.
        image: (h, w, 3) uint8 BGR.
        path: file that it came from; identities are configured by path.
        ours_to_show: whether it may stand in the README (drawn by edged itself).
    """

    name: str
    image: Image
    path: Path
    ours_to_show: bool = False

    def jpeg(self) -> bytes:
        """The picture as a camera would send it."""
        ok, data = cv2.imencode(".jpg", self.image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        assert ok
        return bytes(data)


def group() -> Photo:
    """Six people (`t1.jpg` of the insightface package)."""
    return _packaged("insightface", "data/images/t1.jpg", "group")


def astronaut() -> Photo:
    """One person: NASA's portrait of Eileen Collins, public domain, in scikit-image."""
    return _packaged("skimage", "data/astronaut.png", "astronaut")


def drawn(path: Path) -> Photo:
    """A visitor who does not exist, for the README: the project carries nobody's photo.

    Args:
        path: where the picture is written, since identities are configured by path.
    """
    wide, _ = draw_character(DRAWN_VISITOR)
    narrow = cv2.resize(wide, None, fx=NARROWER, fy=1.0, interpolation=cv2.INTER_AREA)
    image = np.ascontiguousarray(narrow, np.uint8)
    cv2.imwrite(str(path), image)
    return Photo("a drawn visitor", image, path, ours_to_show=True)


def visitor(path: Path) -> Photo:
    """A visitor's own photo.

    Raises:
        OperatorError: it is not there, or OpenCV cannot read it.
    """
    if not path.is_file():
        raise OperatorError(f"{path}: there is no such file; --photo needs a JPEG or PNG")
    return _read(path, "your photo", f"{path}: cannot be read as a picture; use a JPEG or PNG")


def _packaged(package: str, inside: str, name: str) -> Photo:
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    path = Path(places[0], inside) if places else Path(package, inside)
    if not path.is_file():
        raise OperatorError(f"the demo's photo {package}/{inside} is not installed: {_INSTALL}")
    return _read(path, name, f"{path} is damaged: {_INSTALL}")


def _read(path: Path, name: str, problem: str) -> Photo:
    read = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if read is None:
        raise OperatorError(problem)
    image = np.ascontiguousarray(read, np.uint8)
    return Photo(name, shrunk(image, SHOWN_MAX_PX), path)
