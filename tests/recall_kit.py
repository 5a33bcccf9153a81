"""Pictures with faces in known places: two photos scaled, cropped and turned into frames.

The places were read off the unscaled photos by SCRFD at full size, looked at in enlarged
crops and corrected by eye where they were off (noses, two eyes; by up to 5 px).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from photos import astronaut, t1

from edged.geometry import Matrix, apply, iou

SAME_IOU = 0.4
"""The issue's: a box that overlaps the true one by so much has found it."""

VISIBLE = 0.75
"""A face of which less lies in the frame is not asked for."""

PEOPLE = {
    "t1": (
        ((57, 260, 169, 397), ((85, 331), (131, 308), (122, 342), (115, 371), (152, 348))),
        ((269, 147, 369, 268), ((287, 212), (320, 197), (308, 230), (313, 250), (337, 236))),
        ((467, 265, 572, 416), ((492, 322), (542, 333), (511, 361), (486, 369), (532, 380))),
        ((745, 343, 847, 480), ((761, 399), (802, 402), (772, 430), (765, 440), (806, 442))),
        ((906, 55, 1012, 207), ((917, 120), (947, 116), (919, 150), (937, 172), (959, 168))),
        ((1132, 267, 1225, 400), ((1150, 326), (1194, 324), (1168, 348), (1154, 366), (1195, 365))),
    ),
    "astronaut": (
        ((180, 60, 272, 180), ((204, 101), (247, 104), (224, 129), (202, 140), (246, 142))),
    ),
}
"""Box and five landmarks of each person, left to right, px."""

VGA, HD, UHD, UPRIGHT, PHONE = (640, 480), (1920, 1080), (3840, 2160), (1080, 1920), (480, 640)
FRAMES = (VGA, HD, UHD, UPRIGHT)

SHARES = (0.03, 0.05, 0.08, 0.12, 0.2, 0.35, 0.5, 0.65, 0.8)
"""Height of a face's box in shorter sides of the frame."""

AREAS = (0.4, 0.6, 0.8)
"""Area of a face's box in areas of the frame, where a frame is as upright as a face."""

LEANS = (-45, -30, -15, 15, 30, 45)


@lru_cache(maxsize=2)
def _photo(name: str) -> np.ndarray:
    return t1() if name == "t1" else astronaut()


@dataclass(frozen=True, eq=False)
class Truth:
    """Faces of a frame: boxes (n, 4) and landmarks (n, 5, 2), float32 px."""

    boxes: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Case:
    """One frame.

    Attributes:
        photo: its name.
        frame: width and height, px.
        centre: of the photo, px; lies at `at` of the frame (shares of its extents).
        scale: frame px per photo px.
        angle_deg: clockwise.
        size: which sizes it is counted with.
        one: the person who is meant, or -1 for all; others may be seen, and count, too.
    """

    photo: str
    frame: tuple[int, int]
    centre: tuple[float, float]
    scale: float
    angle_deg: int
    size: str
    one: int = -1
    at: tuple[float, float] = (0.5, 0.5)

    @property
    def name(self) -> str:
        """For reports: "t1-2 1920x1080 8% 90"."""
        who = self.photo if self.one < 0 else f"{self.photo}-{self.one}"
        return f"{who} {self.frame[0]}x{self.frame[1]} {self.size} {self.angle_deg}"

    @property
    def to_frame(self) -> Matrix:
        """Photo -> frame."""
        turn = math.radians(self.angle_deg)
        c, s = self.scale * math.cos(turn), self.scale * math.sin(turn)
        linear = np.array([[c, -s], [s, c]])
        place = np.array(self.frame) * self.at
        return np.column_stack([linear, place - linear @ np.array(self.centre)])

    def picture(self) -> np.ndarray:
        """The frame, (h, w, 3) uint8 BGR; where the photo ends it goes on as a dim blur."""
        photo = _photo(self.photo)
        base, shrink = photo, 1.0
        while self.scale / shrink < 0.5:  # a warp samples linearly: halve as often as it takes
            base = cv2.resize(base, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            shrink /= 2
        matrix = self.to_frame
        matrix[:, :2] /= shrink
        made = cv2.warpAffine(base, matrix, self.frame, flags=cv2.INTER_LINEAR)
        covered = cv2.warpAffine(np.full(base.shape[:2], 255, np.uint8), matrix, self.frame)
        dim = cv2.resize(cv2.resize(photo, (8, 6), interpolation=cv2.INTER_AREA), self.frame)
        return np.where(covered[..., None] == 255, made, dim // 2 + 40)

    def truth(self) -> Truth:
        """Every face that is visible enough."""
        boxes, points = [], []
        limit = np.array(self.frame * 2, float)
        for box, landmarks in PEOPLE[self.photo]:
            seen = self._box(box)
            inside = np.clip(seen, 0, limit)
            if np.prod(inside[2:] - inside[:2]) >= VISIBLE * np.prod(seen[2:] - seen[:2]):
                boxes.append(seen)
                points.append(apply(self.to_frame, np.array(landmarks, np.float32)))
        return Truth(np.array(boxes, np.float32), np.array(points, np.float32))

    def everyone(self) -> np.ndarray:
        """(n, 4) boxes of all people, those that the frame cuts off or leaves out too."""
        return np.array([self._box(box) for box, _ in PEOPLE[self.photo]], np.float32)

    def _box(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """Bounds of the turned ellipse that fills a box: a head has no corners."""
        x1, y1, x2, y2 = box
        matrix = self.to_frame
        centre = matrix[:, :2] @ [(x1 + x2) / 2, (y1 + y2) / 2] + matrix[:, 2]
        half = np.hypot(matrix[:, 0] * (x2 - x1) / 2, matrix[:, 1] * (y2 - y1) / 2)
        return np.concatenate([centre - half, centre + half])


def _alone(number: int, frame: tuple[int, int], share: float, angle: int, size: str = "") -> Case:
    """One person in the middle, or out of it where the face is small."""
    photo, one = ("astronaut", 0) if number % 7 == 6 else ("t1", number % 7)
    (x1, y1, x2, y2), _ = PEOPLE[photo][one]
    at = (0.3 + 0.1 * (number % 5), 0.35 + 0.1 * (number % 4)) if share < 0.3 else (0.5, 0.5)
    return Case(
        photo, frame, ((x1 + x2) / 2, (y1 + y2) / 2), share * min(frame) / (y2 - y1), angle,
        size or f"{share:.0%}", one, at,
    )  # fmt: skip


def _group(frame: tuple[int, int], angle: int) -> Case:
    """All six, as large as the frame takes them when they are turned so."""
    c, s = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    scale = min(frame[0] / (1280 * c + 886 * s), frame[1] / (1280 * s + 886 * c))
    return Case("t1", frame, (640, 443), scale, angle, "group")


def by_area() -> Iterator[Case]:
    """Faces that fill an upright frame, or a wide one on their side."""
    for n, area in enumerate(AREAS):
        for turn in (0, 90, 180, 270):
            for frame, number in ((PHONE, 6), (UPRIGHT, 2 * n + 1)):
                photo, one = ("astronaut", 0) if number == 6 else ("t1", number)
                (x1, y1, x2, y2), _ = PEOPLE[photo][one]
                scale = math.sqrt(area * frame[0] * frame[1] / ((x2 - x1) * (y2 - y1)))
                yield Case(
                    photo, frame if turn % 180 == 0 else frame[::-1],
                    ((x1 + x2) / 2, (y1 + y2) / 2), scale, turn, f"area {area:.0%}", one,
                )  # fmt: skip


def matrix() -> list[Case]:
    """Every case."""
    cases = [
        _alone(n + 2 * f + k, frame, share, turn)
        for n, share in enumerate(SHARES)
        for f, frame in enumerate(FRAMES)
        for k, turn in enumerate((0, 90, 180, 270))
    ]
    cases += [
        _alone(n + f + k, frame, share, lean)
        for n, share in enumerate((0.08, 0.2, 0.5, 0.8))
        for f, frame in enumerate((VGA, HD, UPRIGHT))
        for k, lean in enumerate(LEANS)
    ]
    cases += [_group(frame, angle) for frame in FRAMES for angle in (0, 90, 180, 270, *LEANS)]
    return cases + list(by_area())


def match(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) index of the found box of each true face, -1 where none overlaps enough."""
    if not len(found) or not len(truth):
        return np.full(len(truth), -1)
    overlap = iou(truth, np.asarray(found, np.float32))
    best = overlap.argmax(axis=1)
    return np.where(overlap.max(axis=1) >= SAME_IOU, best, -1)


def inter_eye(points: np.ndarray) -> float:
    """Distance between the eyes of a face, px; of a profile that from the eyes to the mouth."""
    eyes = float(np.linalg.norm(points[1] - points[0]))
    return max(eyes, float(np.linalg.norm(points[3:].mean(axis=0) - points[:2].mean(axis=0))))
