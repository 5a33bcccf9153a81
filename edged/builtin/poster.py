"""Generated template pictures for portraits: posters whose people can be replaced.

Knows how to draw three scenes round drawn heads, and where the heads' five points are:
they are placed, not detected.  Knows no photographs and no networks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.builtin.head import LANDMARKS, Look, Numbers, draw_head, strands

Field = NDArray[np.float32]
WIDTH, HEIGHT = 900, 1200

_CAPTAIN = Look(
    skin=(0.58, 0.70, 0.88), hair=(0.30, 0.27, 0.25), hair_style="cap", brow=3.2,
    smile=3.0, seed=21,
)  # fmt: skip
_SITTER = Look(
    skin=(0.50, 0.66, 0.86), lips=(0.30, 0.30, 0.66), hair=(0.08, 0.14, 0.24),
    hair_style="long", brow=2.4, nose=0.95, smile=2.4, jaw=0.95, seed=22,
)  # fmt: skip
_HIKERS = (
    Look(hair=(0.07, 0.11, 0.18), skin=(0.48, 0.61, 0.80), brow=3.4, seed=23),
    Look(
        skin=(0.62, 0.73, 0.90), hair=(0.16, 0.32, 0.56), lips=(0.36, 0.30, 0.76),
        hair_style="long", brow=2.4, eye=5.4, nose=0.9, mouth=1.15, smile=3.2, jaw=0.94,
        seed=24,
    ),
)  # fmt: skip


def _grid() -> tuple[Field, Field]:
    """Column and row (HEIGHT, WIDTH) of every pixel."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return x, y


def _over(image: Field, colour: Numbers | tuple[float, float, float], alpha: Numbers) -> None:
    """Lay a colour over the picture in place."""
    image += (np.asarray(colour, np.float32) - image) * alpha[..., None]


def _inside(distance: Numbers) -> Field:
    """Cover of a shape from its signed distance in px, positive inside, edge 1.5 px."""
    return np.asarray(np.clip(distance / 1.5 + 0.5, 0.0, 1.0), np.float32)


def _head(
    image: Field, look: Look, x_px: float, y_px: float, unit_px: float
) -> NDArray[np.float32]:
    """Draw a head whose middle is at a point; returns its landmarks (5, 2) px."""
    side = round(164 * unit_px)
    fine = 1.4  # drawn larger and shrunk: smooth edges
    colours, cover = draw_head(look, round(side * fine), unit_px * fine)
    stacked = np.dstack([colours * cover[..., None], cover])
    drawn = cv2.resize(stacked, (side, side), interpolation=cv2.INTER_AREA)
    left, top = round(x_px - (side - 1) / 2), round(y_px - (side - 1) / 2)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, WIDTH), min(top + side, HEIGHT)
    part = drawn[y0 - top : y1 - top, x0 - left : x1 - left]
    view = image[y0:y1, x0:x1]
    view *= 1.0 - part[..., 3:]
    view += np.asarray(part[..., :3], np.float32)
    middle = np.array([left + (side - 1) / 2, top + (side - 1) / 2], np.float32)
    return np.asarray(LANDMARKS * unit_px + middle, np.float32)


def _shoulders(
    image: Field, x_px: float, y_px: float, unit_px: float, colour: tuple[float, float, float]
) -> None:
    """A jumper under a head that is drawn before it."""
    x, y = _grid()
    u, v = (x - x_px) / unit_px, (y - y_px) / unit_px
    aside = np.abs(u)
    shoulder = 58.0 + 0.0044 * aside**2 - 5.0 * np.exp(-((aside / 27.0) ** 2))
    neckline = 68.0 - 11.0 * np.clip(aside / 22.5, 0.0, 1.0) ** 2
    edge = np.maximum(shoulder, neckline * (aside < 22.5))
    weave = strands((HEIGHT, WIDTH), 5, 7.0, 90.0)
    light = 1.0 - 0.004 * u - 0.004 * (v - 60.0) + 0.05 * weave
    light = light - 0.3 * np.exp(-0.5 * ((v - edge - 3.0) / 1.0) ** 2) * (aside < 22.5)
    cloth = np.asarray(colour, np.float32) * np.clip(light, 0.2, 1.4)[..., None]
    _over(image, cloth.astype(np.float32), _inside((v - edge) * unit_px))


def _title(image: Field, text: str, y_px: int, scale: float, colour: tuple[float, ...]) -> None:
    """A line of text in the middle."""
    font, thick = cv2.FONT_HERSHEY_DUPLEX, max(1, round(2.2 * scale))
    (width, _), _ = cv2.getTextSize(text, font, scale, thick)
    place = ((WIDTH - width) // 2, y_px)
    cv2.putText(image, text, place, font, scale, colour, thick, cv2.LINE_AA)


def _astronaut() -> tuple[Field, list[NDArray[np.float32]]]:
    """A space traveller before a planet."""
    x, y = _grid()
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:] = (np.array([0.30, 0.13, 0.09]) * (1.25 - y / HEIGHT)[..., None]).astype(np.float32)
    random = np.random.default_rng(31)
    stars = np.zeros((HEIGHT, WIDTH), np.float32)
    stars[random.integers(0, HEIGHT, 420), random.integers(0, WIDTH, 420)] = random.uniform(
        2, 9, 420
    )
    _over(image, (1.0, 0.97, 0.92), np.clip(cv2.GaussianBlur(stars, (0, 0), 0.9), 0.0, 1.0))
    away = np.hypot(x - 710, y - 300)
    ground = strands((HEIGHT, WIDTH), 32, 61.0, 12.0)
    ball = 0.35 + 0.75 * np.clip(1.0 - np.hypot(x - 630, y - 220) / 330.0, 0.0, 1.0)
    planet = np.array([0.36, 0.55, 0.92]) * (ball * (1.0 + 0.07 * ground))[..., None]
    _over(image, planet.astype(np.float32), _inside(215.0 - away))
    halo = np.exp(-np.clip(away - 215.0, 0.0, None) / 22.0) * (away > 215.0)
    _over(image, (0.55, 0.62, 0.95), (0.5 * halo).astype(np.float32))
    cx, cy, unit = 430.0, 560.0, 3.7
    aside = np.abs(x - cx)
    suit_edge = 880.0 + 0.0017 * aside**2
    folds = 1.0 - 0.0009 * (x - 250.0) + 0.05 * np.sin(aside / 27.0) - 0.0006 * (y - 900.0)
    suit = np.array([0.88, 0.89, 0.90]) * np.clip(folds, 0.35, 1.1)[..., None]
    _over(image, suit.astype(np.float32), _inside(y - suit_edge))
    stripe = _inside(16.0 - np.abs(y - suit_edge - 120.0)) * (aside > 210)
    _over(image, (0.20, 0.32, 0.86), stripe)
    _over(image, (0.25, 0.18, 0.16), _inside(34.0 - np.hypot(x - 640, y - 1060)))
    _over(image, (0.25, 0.62, 0.95), _inside(24.0 - np.hypot(x - 640, y - 1060)))
    bowl = np.hypot(x - cx, (y - cy + 10.0) * 0.94)
    _over(image, (0.16, 0.13, 0.12), _inside(345.0 - bowl))
    points = _head(image, _CAPTAIN, cx, cy, unit)
    _over(image, (0.70, 0.72, 0.75), _inside(46.0 - np.abs(y - 868.0 + 0.0009 * aside**2))
          * _inside(282.0 - aside))  # fmt: skip
    _over(image, (0.50, 0.52, 0.56), _inside(8.0 - np.abs(y - 868.0 + 0.0009 * aside**2))
          * _inside(282.0 - aside))  # fmt: skip
    shell = _inside(30.0 - np.abs(bowl - 340.0)) * (y < 850)
    sheen = 0.72 + 0.24 * np.cos(np.arctan2(y - cy, x - cx) + 2.3)
    _over(image, (np.array([0.93, 0.94, 0.95]) * sheen[..., None]).astype(np.float32), shell)
    glass = np.exp(-0.5 * ((bowl - 285.0) / 9.0) ** 2)
    glass *= np.clip(np.cos(np.arctan2(y - cy, x - cx) + 2.35) * 3.0 - 2.0, 0.0, 1.0)
    _over(image, (1.0, 1.0, 1.0), (0.55 * glass).astype(np.float32))
    _title(image, "FIRST ORBIT", 110, 2.6, (0.80, 0.90, 0.98))
    return image, [points]


def _painting() -> tuple[Field, list[NDArray[np.float32]]]:
    """A sitter in a gilded frame."""
    x, y = _grid()
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    glow = np.exp(-(((x - 380) / 420) ** 2) - ((y - 480) / 520) ** 2)
    brush = strands((HEIGHT, WIDTH), 41, 31.0, 35.0)
    image[:] = np.array([0.16, 0.24, 0.30]) * (0.35 + 0.8 * glow + 0.05 * brush)[..., None]
    cx, cy, unit = 450.0, 520.0, 3.5
    points = _head(image, _SITTER, cx, cy, unit)
    _shoulders(image, cx, cy, unit, (0.11, 0.10, 0.26))
    ruff = np.hypot((x - cx) / 1.45, y - 742.0)
    pleats = 0.86 + 0.10 * np.cos(np.arctan2(y - 742.0, (x - cx) / 1.45) * 34.0)
    lace = (np.array([0.84, 0.90, 0.93]) * pleats[..., None]).astype(np.float32)
    _over(image, lace, _inside(30.0 - np.abs(ruff - 92.0)) * _inside(y - 712.0))
    canvas = strands((HEIGHT, WIDTH), 42, 3.0, 0.0) + strands((HEIGHT, WIDTH), 43, 3.0, 90.0)
    image *= 1.0 + 0.012 * canvas[..., None]
    border = np.minimum(np.minimum(x, WIDTH - 1 - x), np.minimum(y, HEIGHT - 1 - y))
    wave = 0.62 + 0.30 * np.sin(border / 9.0) + 0.10 * np.sin((x + y) / 11.0)
    wave += 0.12 * ((x < y * WIDTH / HEIGHT) & (x < WIDTH - y * WIDTH / HEIGHT))
    gold = np.array([0.30, 0.62, 0.82]) * wave[..., None]
    _over(image, gold.astype(np.float32), _inside(74.0 - border))
    shade = np.exp(-np.clip(border - 74.0, 0.0, None) / 14.0) * (border > 74.0)
    image *= 1.0 - 0.6 * shade[..., None]
    return image, [points]


def _summit() -> tuple[Field, list[NDArray[np.float32]]]:
    """Two hikers before mountains at sunset, as an old travel poster."""
    x, y = _grid()
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    fall = np.clip(y / 760.0, 0.0, 1.0)[..., None]
    image[:] = np.array([0.62, 0.42, 0.24]) * (1 - fall) + np.array([0.42, 0.66, 0.97]) * fall
    sun = np.hypot(x - 450, y - 430)
    _over(image, (0.70, 0.90, 1.0), _inside(120.0 - sun))
    _over(
        image,
        (0.62, 0.84, 1.0),
        (0.5 * np.exp(-np.clip(sun - 120, 0, None) / 70)).astype(np.float32),
    )
    ranges = (
        (520.0, 130.0, (0.62, 0.50, 0.52), 0.0),
        (640.0, 150.0, (0.46, 0.33, 0.34), 1.7),
        (790.0, 120.0, (0.30, 0.24, 0.17), 3.9),
    )
    for base, height, colour, phase in ranges:
        ridge = np.abs(((x / 210.0 + phase) % 2.0) - 1.0) + 0.45 * np.abs(
            ((x / 83.0 + 2.1 * phase) % 2.0) - 1.0
        )
        crest = base - height * ridge + 40.0
        _over(image, colour, _inside(y - crest))
        snow = _inside(y - crest) * _inside(26.0 + 10.0 * np.sin(x / 13.0) - (y - crest))
        _over(image, (0.93, 0.90, 0.90), (0.8 * snow * (ridge > 0.8)).astype(np.float32))
    points = []
    places = ((285.0, 660.0), (622.0, 690.0))
    clothes = ((0.22, 0.36, 0.74), (0.46, 0.42, 0.16))
    for (cx, cy), look, cloth in zip(places, _HIKERS, clothes, strict=True):
        points.append(_head(image, look, cx, cy, 2.75))
        _shoulders(image, cx, cy, 2.75, cloth)
    _over(image, (0.16, 0.13, 0.12), _inside(y - 1085.0))
    _title(image, "MEET YOU AT THE SUMMIT", 1155, 1.55, (0.72, 0.88, 0.97))
    border = np.minimum(np.minimum(x, WIDTH - 1 - x), np.minimum(y, HEIGHT - 1 - y))
    _over(image, (0.86, 0.94, 0.97), _inside(22.0 - border))
    return image, points


_SCENES: dict[str, Callable[[], tuple[Field, list[NDArray[np.float32]]]]] = {
    "astronaut": _astronaut,
    "painting": _painting,
    "summit": _summit,
}

TEMPLATES = tuple(_SCENES)
"""Names of the templates: two with one slot, "summit" with two."""


@lru_cache(maxsize=4)
def draw_template(name: str) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A template picture and its slots.

    Args:
        name: one of `TEMPLATES`.

    Returns:
        (1200, 900, 3) uint8 BGR and landmarks (slots, 5, 2) px from left to right, both
        read-only and shared.

    Raises:
        KeyError: no template has that name.
    """
    image, points = _SCENES[name]()
    picture = np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    slots = np.stack(points).astype(np.float32)
    picture.setflags(write=False)
    slots.setflags(write=False)
    return picture, slots
