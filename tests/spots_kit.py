"""Drawn faces and a detector that is as particular about them as real ones are."""

from __future__ import annotations

import cv2
import numpy as np

from edged.faces import Detections, Face
from edged.geometry import template

SIDE = 128
UPRIGHT = template("arcface_112", 112)


def points(x, y, size, angle_deg=0):
    """Landmarks of a face of so many px that leans clockwise."""
    turn = np.radians(angle_deg)
    c, s = np.cos(turn), np.sin(turn)
    moved = (UPRIGHT - 56) * (size / 112) @ np.array([[c, s], [-s, c]])
    return (moved + np.array([x, y])).astype(np.float32)


def face(x, y, size, angle_deg=0, score=0.9):
    half = size / 2
    box = np.array([x - half, y - half, x + half, y + half], np.float32)
    return Face(box, score, points(x, y, size, angle_deg), frozenset({"scrfd"}))


class Upright:
    """Finds a drawn face (blue, green, red, red, red dots on black) that stands upright.

    It is as particular as real detectors: 12 to 60 px between the eyes, and no
    more than 20 degrees off.
    """

    def __init__(self, family="scrfd"):
        self.family, self.sides = family, []

    def __call__(self, picture, side):
        self.sides.append(side)
        named = [(picture[..., c] > 90) & (picture.sum(axis=2) < 400) for c in range(3)]
        if not all(mask.any() for mask in named):
            return Detections.none(self.family)
        left, right, below = (np.argwhere(mask).mean(axis=0)[::-1] for mask in named)
        eyes = np.linalg.norm(right - left)
        lean = np.degrees(np.arctan2(*(right - left)[::-1]))
        if not 12 <= eyes <= 60 or abs(lean) > 20:
            return Detections.none(self.family)
        five = np.array([left, right, (left + right + below) / 3, below, below], np.float32)
        box = np.concatenate([five.min(axis=0) - eyes / 2, five.max(axis=0) + eyes / 2])
        return Detections(box[None].astype(np.float32), np.float32([0.9]), five[None], self.family)


def drawn(where, height=1080, width=1920):
    """A picture of one face."""
    image = np.zeros((height, width, 3), np.uint8)
    eyes = float(np.linalg.norm(where[1] - where[0]))
    dots = ((where[0], 0), (where[1], 1), (where[3:].mean(axis=0), 2))
    for place, channel in dots:
        colour = tuple(255 if c == channel else 0 for c in range(3))
        cv2.circle(image, tuple(int(v) for v in np.rint(place)), max(1, int(eyes / 5)), colour, -1)
    return image
