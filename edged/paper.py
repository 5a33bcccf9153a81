"""Contact sheets on paper: colours, fonts and pictures fitted into cells.

Needs Pillow, whose fonts can be read; the extra `demo` brings it.  Knows pictures and words.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
from PIL import Image as Pil
from PIL import ImageFont

from edged.faces import Image

PAPER, INK, SOFT, ALARM = (250, 250, 248), (24, 24, 28), (110, 110, 118), (178, 24, 32)
"""RGB."""


@lru_cache(maxsize=16)
def font(size_px: int) -> Any:
    """Pillow's own font, which every machine has."""
    return ImageFont.load_default(size_px)


def fitted(image: Image, width_px: int, height_px: int) -> Pil.Image:
    """A picture, (h, w, 3) uint8 BGR, as large as a cell lets it be."""
    share = min(width_px / image.shape[1], height_px / image.shape[0])
    size = (max(1, round(image.shape[1] * share)), max(1, round(image.shape[0] * share)))
    method = cv2.INTER_AREA if share < 1 else cv2.INTER_CUBIC
    rgb = cv2.cvtColor(cv2.resize(image, size, interpolation=method), cv2.COLOR_BGR2RGB)
    return Pil.fromarray(rgb)


def shortened(words: str, size_px: int, width_px: int) -> str:
    """Words that fit a width; what is cut off shows as three dots."""
    if font(size_px).getlength(words) <= width_px:
        return words
    kept = words
    while kept and font(size_px).getlength(kept + "...") > width_px:
        kept = kept[:-1]
    return kept.rstrip() + "..."
