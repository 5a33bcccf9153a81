"""Where `edged camera` gets its frames: devices, streams, videos, folders.

OpenCV does the capture.  Knows no sockets.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from edged.errors import LinkError
from edged.faces import Image

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class Source(Protocol):
    """Gives frames until it ends.

    Attributes:
        live: its end is a failure, and it may come back.
        fps: its own pace; 0 when reading it waits for the next frame anyway.
    """

    live: bool
    fps: float

    def read(self) -> Image | None:
        """The next frame, (h, w, 3) uint8 BGR, owned by the caller; None at the end."""

    def close(self) -> None:
        """Give the device or file back."""


def is_live(what: str) -> bool:
    """Whether a source is one that may come back after it failed: a device or a stream."""
    return what.isdigit() or what.startswith("/dev/") or "://" in what


def is_pictures(what: str) -> bool:
    """Whether a source is a picture or a folder of them, which need not follow one another."""
    path = Path(what)
    return path.is_dir() or path.suffix.lower() in _SUFFIXES


def open_source(what: str, *, loop: bool = False) -> Source:
    """Open a device number, a device path, a folder, a picture, a video or a stream's URL.

    Args:
        what: as the user wrote it.
        loop: begin a folder or a video again at its end.

    Raises:
        LinkError: it is not there, or OpenCV cannot read it.
    """
    path = Path(what)
    if is_pictures(what) and not is_live(what):
        return _Pictures(path, loop=loop)
    return _Capture(what, loop=loop)


class _Pictures:
    live = False
    fps = 1.0

    def __init__(self, path: Path, *, loop: bool) -> None:
        try:
            inside = path.iterdir() if path.is_dir() else [path]
            self._files = sorted(one for one in inside if one.suffix.lower() in _SUFFIXES)
        except OSError as error:
            raise LinkError(f"{path} cannot be read ({error.strerror}): check it") from error
        self._loop = loop
        self._turn = self._frames()
        if not self._files:
            raise LinkError(f"{path} holds no pictures: name another folder")
        if not path.exists():
            raise LinkError(f"{path} cannot be opened: check the path")

    def read(self) -> Image | None:
        return next(self._turn, None)

    def close(self) -> None:
        self._turn.close()

    def _frames(self) -> Generator[Image, None, None]:
        while True:
            found = False
            for file in self._files:
                image = cv2.imread(str(file), cv2.IMREAD_COLOR)
                if image is not None:
                    found = True
                    yield np.ascontiguousarray(image, np.uint8)
            if not (self._loop and found):
                return


class _Capture:
    def __init__(self, what: str, *, loop: bool) -> None:
        self.live = is_live(what)
        self._loop = loop and not self.live
        self._capture = cv2.VideoCapture(int(what) if what.isdigit() else what)
        if not self._capture.isOpened():
            self._capture.release()
            hint = "check that it is plugged in and free" if self.live else "check the path"
            raise LinkError(f"{what} cannot be opened: {hint}")
        if self.live:
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the latest frame, not the oldest
            self.fps = 0.0
        else:
            self.fps = self._capture.get(cv2.CAP_PROP_FPS) or 25.0

    def read(self) -> Image | None:
        good, frame = self._capture.read()
        if not good and self._loop:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            good, frame = self._capture.read()
        return np.ascontiguousarray(frame, np.uint8) if good else None

    def close(self) -> None:
        self._capture.release()
