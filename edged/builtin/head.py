"""Draws a head: a relief in light, with eyes, brows, lips and hair laid over it.

Knows proportions of a face and how light falls on a relief.  Knows nothing of pictures
around it, of landmarks' use, or of any real person: all shapes are formulae.

Coordinates are *face units*: one unit is one pixel of the 112 px ArcFace template, the
origin lies at (56, 72) there, x to the right and y down.  Fields are (h, w) float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.geometry import template

Field = NDArray[np.float32]
Numbers = NDArray[np.floating[Any]]
Colour = tuple[float, float, float]

LANDMARKS = template("arcface_112", 112) - np.array([56.0, 72.0], np.float32)
"""Where a drawn face has its five points (5, 2), face units: exactly the template's."""

_EYE_X, _EYE_Y = 17.6, -20.4
_MOUTH_Y = 20.2
# The outline from crown to chin: (y, half width).
_OUTLINE = np.array(
    [
        [-66, 0.1], [-63, 14], [-55, 25.5], [-44, 32], [-28, 35.5], [-10, 36],
        [6, 34.5], [18, 31.5], [27, 27], [34, 20.5], [39, 13.5], [42, 7], [43.2, 0.1],
    ],
    np.float32,
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What tells one drawn person from another; colours are BGR 0..1.

    Attributes:
        skin, lips, hair, iris, cloth: colours.
        hair_style: "short", "long" or "cap" (a swimmer's, an astronaut's).
        brow: thickness of the brows, units.
        eye: height of the eye opening, units.
        nose: width of the nose, about 1.
        mouth: fullness of the lips, about 1.
        smile: how far the mouth's corners rise, units.
        jaw: width of the lower face, about 1.
        seed: of the hair's strands and the skin's grain.
    """

    skin: Colour = (0.56, 0.68, 0.86)
    lips: Colour = (0.36, 0.36, 0.72)
    hair: Colour = (0.12, 0.17, 0.26)
    iris: Colour = (0.42, 0.36, 0.20)
    hair_style: str = "short"
    brow: float = 3.2
    eye: float = 5.0
    nose: float = 1.0
    mouth: float = 1.0
    smile: float = 2.6
    jaw: float = 1.0
    cloth: Colour = (0.40, 0.30, 0.16)
    seed: int = 1


def _step(low: float, high: float, x: Numbers) -> Field:
    """0 where x < low, 1 where x > high, smooth between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def _bump(x: Field, y: Field, cx: float, cy: float, sx: float, sy: float) -> Field:  # noqa: PLR0917
    """A Gaussian hill of height 1, centre and spreads in units."""
    return np.asarray(np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)), np.float32)


def strands(shape: tuple[int, ...], seed: int, length: float, angle_deg: float) -> Field:
    """Noise drawn out along a direction, mean 0, spread 1: hair, brushed cloth."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal(shape).astype(np.float32)
    size = int(length) | 1
    kernel = np.zeros((size, size), np.float32)
    step = np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    middle = size // 2
    end = step * middle
    start_point = (round(middle - end[0]), round(middle - end[1]))
    stop_point = (round(middle + end[0]), round(middle + end[1]))
    cv2.line(kernel, start_point, stop_point, 1.0, 1, cv2.LINE_AA)
    drawn = cv2.filter2D(noise, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray((drawn - drawn.mean()) / (drawn.std() + 1e-6), np.float32)


def _wide_blur(field: Field, sigma_px: float) -> Field:
    """A Gaussian blur, made on a quarter of the size: it is wide enough not to tell."""
    size = (field.shape[1], field.shape[0])
    small = cv2.resize(field, (size[0] // 4, size[1] // 4), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma_px / 4), size), np.float32)


def _relief(look: Look, x: Field, y: Field) -> Field:
    """Height of the face towards the viewer, units."""
    s = np.abs(x)
    z = 30.0 * np.sqrt(np.clip(1.0 - (x / 41.0) ** 2 - ((y + 9.0) / 64.0) ** 2, 0.02, 1.0))
    ridge = _step(-27.0, -3.0, y) * (1.0 - _step(-3.0, 9.0, y))
    z += 6.5 * ridge * np.exp(-0.5 * (x / (3.4 * look.nose)) ** 2)
    z += 3.6 * _bump(s, y, 0.0, -1.5, 4.8 * look.nose, 4.4)
    z += 3.0 * _bump(s, y, 6.6 * look.nose, 1.4, 2.9, 3.1)
    z -= 1.2 * _bump(s, y, 3.6 * look.nose, 4.6, 2.2, 1.3)
    z += 1.3 * _bump(s, y, 15.0, -31.0, 11.0, 3.4)
    z -= 3.4 * _bump(s, y, 15.5, -21.5, 8.5, 5.2)
    z += 2.4 * _bump(s, y, _EYE_X, _EYE_Y, 6.6, 4.4)
    z += 3.4 * _bump(s, y, 22.0, -4.0, 9.0, 7.5)
    fold = s - (9.5 + 0.50 * (y - 3.0))
    reach = _step(2.0, 7.0, y) * (1.0 - _step(17.0, 25.0, y))
    z -= (0.7 + 0.22 * look.smile) * np.exp(-0.5 * (fold / 1.7) ** 2) * reach
    z += 2.2 * look.mouth * _bump(s, y, 0.0, 17.8, 11.0, 2.3)
    z += 3.0 * look.mouth * _bump(s, y, 0.0, 24.0, 9.0, 2.6)
    z -= 1.3 * _bump(s, y, 0.0, 29.4, 8.5, 2.4)
    z += 2.6 * _bump(s, y, 0.0, 36.0, 8.0, 5.5)
    z -= 1.0 * _bump(s, y, 0.0, 10.5, 1.6, 3.4)
    z -= 1.6 * _bump(s, y, 30.0, 15.0, 7.0, 10.0)
    return np.asarray(z, np.float32)


def _over(image: Field, colour: Numbers | Colour, alpha: Numbers) -> None:
    """Lay a colour over a (h, w, 3) picture in place."""
    image += (np.asarray(colour, np.float32) - image) * alpha[..., None]


def _paint_eyes(image: Field, look: Look, x: Field, y: Field, light: Field) -> None:
    """Eyes, lashes, lids and brows."""
    s, edge = np.abs(x), 0.35
    across = (s - _EYE_X) / 8.2  # -1 at the nose, 1 at the temple
    dome = np.clip(1.0 - across**2, 0.0, 1.0)
    upper = _EYE_Y + 0.8 - 0.62 * look.eye * dome**0.75 - 0.7 * across
    lower = _EYE_Y + 0.8 + 0.42 * look.eye * dome**0.9 - 0.7 * across
    opened = _step(-edge, edge, y - upper) * _step(-edge, edge, lower - y) * (dome > 0)
    _over(image, light[..., None] * np.array([0.86, 0.89, 0.93], np.float32), opened)
    # The gaze is straight ahead, on the landmark.
    radius = np.hypot(s - _EYE_X, (y - _EYE_Y) * 1.0)
    rays = 1.0 + 0.14 * np.sin(22.0 * np.arctan2(y - _EYE_Y, x - np.sign(x) * _EYE_X))
    glow = (0.55 + 0.6 * _step(0.0, 4.4, radius) + 0.25 * _step(0.0, 3.0, y - _EYE_Y)) * rays
    iris = np.asarray(look.iris, np.float32) * glow[..., None]
    _over(image, iris.astype(np.float32), opened * (1.0 - _step(3.9, 4.5, radius)))
    ring = np.exp(-0.5 * ((radius - 4.2) / 0.45) ** 2)
    _over(image, (0.10, 0.09, 0.09), (0.6 * opened * ring).astype(np.float32))
    _over(image, (0.04, 0.04, 0.05), opened * (1.0 - _step(1.6, 2.0, radius)))
    shade = opened * np.exp(-np.clip(y - upper, 0.0, None) / 1.1)
    _over(image, (0.16, 0.18, 0.24), (0.75 * shade).astype(np.float32))
    spark = _bump(x, y, -_EYE_X - 1.3, _EYE_Y - 1.2, 0.6, 0.6)
    spark += _bump(x, y, _EYE_X - 1.3, _EYE_Y - 1.2, 0.6, 0.6)
    _over(image, (1.0, 1.0, 1.0), np.clip(1.5 * spark * opened, 0.0, 1.0))
    inside = (np.abs(across) < 1.08).astype(np.float32)
    thick = 0.50 + 0.35 * np.clip(across + 0.5, 0.0, 1.0)
    lash = np.exp(-0.5 * ((y - upper + 0.2) / thick) ** 2) * inside
    _over(image, (0.07, 0.08, 0.11), (0.92 * lash).astype(np.float32))
    rim = np.exp(-0.5 * ((y - lower - 0.2) / 0.45) ** 2) * inside
    _over(image, (0.25, 0.28, 0.45), (0.45 * rim).astype(np.float32))
    crease = np.exp(-0.5 * ((y - upper + 2.2 + 0.5 * dome) / 0.55) ** 2) * inside
    _over(image, (0.18, 0.22, 0.36), (0.5 * crease).astype(np.float32))
    bow = (s - 7.5) / 20.5
    line = -31.6 - 3.2 * np.sin(np.pi * np.clip(bow * 0.72, 0.0, 1.0)) + 2.4 * bow
    half = 0.5 * look.brow * (1.0 - 0.65 * np.clip(bow, 0.0, 1.0) ** 2)
    half *= 0.6 + 0.4 * _step(0.0, 0.35, bow)
    hair = 1.0 - _step(0.55, 1.25, np.abs(y - line) / np.maximum(half, 0.2))
    hair *= _step(0.0, 0.12, bow) * (1.0 - _step(0.86, 1.02, bow))
    grain = strands(x.shape, look.seed + 7, 0.03 * x.shape[0], 62.0)
    dark = np.clip(0.82 + 0.16 * grain, 0.0, 1.0) * hair
    _over(image, np.asarray(look.hair, np.float32) * 0.7, dark.astype(np.float32))


def _paint_mouth(image: Field, look: Look, x: Field, y: Field, light: Field) -> None:
    """Lips and nostrils."""
    s = np.abs(x)
    across = np.clip(s / 15.4, 0.0, 1.2)
    inside = 1.0 - _step(0.94, 1.03, across)
    line = _MOUTH_Y + 0.8 - look.smile * across**2 + 0.5 * np.cos(3 * np.pi * across) * (s < 5)
    full = look.mouth * np.sqrt(np.clip(1.0 - across**2, 0.0, 1.0))
    top = line - 3.3 * full * (1.0 - 0.22 * np.exp(-((x / 2.0) ** 2)))
    bottom = line + 4.5 * full
    upper = _step(-0.4, 0.4, y - top) * _step(-0.3, 0.3, line - y) * inside
    lower = _step(-0.4, 0.5, bottom - y) * _step(-0.3, 0.3, y - line) * inside
    lips = np.asarray(look.lips, np.float32)
    shine = 0.16 * _bump(x, y, -2.5, 23.6, 4.2, 1.0)
    _over(image, light[..., None] * lips * 0.92, (0.82 * upper).astype(np.float32))
    _over(image, light[..., None] * lips * 1.1 + shine[..., None], (0.75 * lower))
    parting = np.exp(-0.5 * ((y - line) / 0.5) ** 2) * inside
    _over(image, (0.10, 0.09, 0.20), (0.85 * parting).astype(np.float32))
    nostril = _bump(s, y, 3.9 * look.nose, 3.4, 1.7, 0.85)
    _over(image, (0.09, 0.11, 0.20), (0.8 * nostril).astype(np.float32))


def _outline(look: Look, y: Field) -> Field:
    """Half width of the head at each height, units."""
    width = np.interp(y, _OUTLINE[:, 0], _OUTLINE[:, 1])
    return np.asarray(width * (1.0 + (look.jaw - 1.0) * _step(0.0, 30.0, y)), np.float32)


def draw_head(
    look: Look, size: int, unit_px: float, middle: tuple[float, float] = (0.0, 0.0)
) -> tuple[Field, Field]:
    """A head from the crown to the chin, its neck and its hair.

    Args:
        look: whom to draw.
        size: side of the square picture, px.
        unit_px: pixels to a unit.
        middle: what the picture's middle shows, face units.

    Returns:
        Colours (size, size, 3) BGR 0..1 and cover (size, size) 0..1, both float32.
    """
    axis = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / unit_px
    x, y = np.meshgrid(axis + middle[0], axis + middle[1])
    z = _relief(look, x, y)
    z = np.asarray(cv2.GaussianBlur(z, (0, 0), 0.55 * unit_px), np.float32)
    down, across = np.gradient(z * unit_px)
    normal = np.stack([-across, -down, np.ones_like(z)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    sun = np.array([-0.34, -0.36, 0.87], np.float32)
    lit = np.clip((normal @ (sun / np.linalg.norm(sun)) + 0.25) / 1.25, 0.0, 1.0)
    hollow = np.clip((_wide_blur(z, 5.0 * unit_px) - z) / 7.0, 0.0, 1.0)
    light = (0.42 + 0.68 * lit - 0.18 * hollow).astype(np.float32)
    half = np.array([-0.2, -0.26, 0.95]) / np.linalg.norm([-0.2, -0.26, 0.95])
    gloss = np.clip(normal @ half, 0.0, 1.0) ** 40 * 0.10

    skin = np.asarray(look.skin, np.float32)
    # Light through skin: shade is redder than light.
    tint = light[..., None] ** np.array([1.30, 1.15, 0.82], np.float32)
    image = (skin * tint + gloss[..., None]).astype(np.float32)
    s = np.abs(x)
    blush = 0.22 * _bump(s, y, 23.0, 1.0, 9.0, 7.0) + 0.16 * _bump(s, y, 0.0, 0.0, 7.0, 5.0)
    _over(image, image * np.array([0.80, 0.80, 1.05], np.float32), np.clip(2 * blush, 0, 1))
    pores = np.random.default_rng(look.seed).standard_normal(z.shape).astype(np.float32)
    image *= 1.0 + 0.012 * cv2.GaussianBlur(pores, (0, 0), 0.35 * unit_px)[..., None] * 3.0
    _paint_mouth(image, look, x, y, light)
    _paint_eyes(image, look, x, y, light)

    soft = 0.6
    face = _step(-soft, soft, _outline(look, y) - s) * (np.abs(y + 11.0) < 54.0)
    neck = _step(-1.0, 1.0, 19.5 + 0.006 * np.maximum(y - 40, 0) ** 2 - s) * _step(12.0, 22.0, y)
    under = np.clip(1.0 - (y - 36.0) / 34.0, 0.25, 1.0)
    neck_colour = skin * (0.86 - 0.42 * under)[..., None] * np.array([0.9, 0.95, 1.05])
    result = np.asarray(neck_colour, np.float32)
    cover = neck.copy()
    ears = np.maximum(_bump(s, y, 36.5, -10.0, 3.0, 8.0) * 2.0 - 0.6, 0.0)
    _over(result, skin * 0.72, np.clip(ears * 2, 0, 1))
    cover = np.maximum(cover, np.clip(ears * 2, 0, 1))
    _over(result, image, face.astype(np.float32))
    cover = np.maximum(cover, face)
    return _with_hair(look, x, y, result, cover.astype(np.float32))


def _with_hair(look: Look, x: Field, y: Field, image: Field, cover: Field) -> tuple[Field, Field]:
    """The head with its hair behind and above."""
    s = np.abs(x)
    crown = np.hypot(x / 41.0, (y + 24.0) / 52.0)
    part = x + 9.0
    line = -45.0 + 0.006 * part**2 - 3.0 * np.exp(-((part / 7.0) ** 2)) + 0.35 * np.sin(x * 1.7)
    grain = strands(x.shape, look.seed + 3, min(41.0, 0.08 * x.shape[0]), 78.0)
    gleam = np.exp(-0.5 * ((y + 58.0 + 0.01 * x**2) / 6.0) ** 2)
    tone = 0.75 + 0.16 * grain + 0.75 * gleam - 0.25 * _step(20.0, 42.0, s)
    colour = np.asarray(look.hair, np.float32) * np.clip(tone, 0.25, 2.0)[..., None]
    top = (1.0 - _step(0.96, 1.03, crown)) * _step(-1.6, 1.6, line - y)
    sides = _step(32.0, 35.5, s + 0.02 * grain) * (1.0 - _step(0.96, 1.03, crown))
    if look.hair_style == "long":
        fall = _step(29.5, 33.5, s - 0.05 * (y + 20)) * (1.0 - _step(42.0, 45.0, s - 0.06 * y))
        fall *= _step(-40.0, -30.0, y) * (1.0 - _step(44.0, 62.0, y + 3.0 * grain))
        behind = (1.0 - _step(40.0, 44.0, s)) * _step(-30.0, -20.0, y) * (1 - _step(40.0, 58.0, y))
        _over_behind(image, colour * 0.45, behind, cover)
        hair = np.maximum(np.maximum(top, sides * (y < 0)), fall)
    elif look.hair_style == "cap":
        hair = (1.0 - _step(0.985, 1.02, crown)) * _step(-0.6, 0.6, -40.0 + 0.004 * x**2 - y)
        colour = (np.asarray(look.hair) * (0.85 + 0.5 * gleam)[..., None]).astype(np.float32)
    else:
        hair = np.maximum(top, sides * (1.0 - _step(-22.0, -14.0, y)))
    shadow = _wide_blur(hair.astype(np.float32), max(4.0, 0.02 * x.shape[0]))
    _over(image, image * 0.55, np.clip(shadow * 0.8, 0.0, 1.0))
    _over(image, colour.astype(np.float32), hair.astype(np.float32))
    return np.clip(image, 0.0, 1.0), np.maximum(cover, hair.astype(np.float32))


def _over_behind(image: Field, colour: Field, alpha: Field, cover: Field) -> None:
    """Lay a colour behind what is covered already, in place; cover grows."""
    share = alpha * (1.0 - cover)
    image *= (cover + 1e-6)[..., None] / np.maximum(cover + share, 1e-6)[..., None]
    image += colour * (share / np.maximum(cover + share, 1e-6))[..., None]
    cover += share
