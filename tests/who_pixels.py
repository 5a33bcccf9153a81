"""A camera's frames made of faces from real photos that walk over a background.

With `EDGED_TEST_MODELS` seven people are found and told apart by det_500m and MobileFaceNet;
without it three people by a script that knows where they are and a recogniser of pixels.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import cv2
import numpy as np
from faces_kit import (
    ASTRONAUT_BOX,
    ASTRONAUT_POINTS,
    T1_BOX,
    T1_POINTS,
    T1_SECOND_BOX,
    T1_SECOND_POINTS,
)
from graph_kit import of_file
from lift import lift_recogniser
from photos import astronaut, t1
from pipeline_kit import make
from who_kit import SAME, STRANGER, unit

from edged.calibration import Bounds
from edged.faces import Detections
from edged.geometry import iou
from edged.scene import GuardSettings
from edged.stages.align import crops, matrices
from edged.stages.embed import Embedder
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.views import Effort
from edged.stages.yunet import YuNet

WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 10, 16
FACE_PX = 150
"""Height of a face's box."""

SETTINGS = GuardSettings(sizes_px=(640,), stream_sizes_px=(640,), rotations_deg=(0,), hold_ms=700)


@dataclass
class Head:
    """A head cut out of a photo: picture, soft outline, where its face is in it."""

    image: np.ndarray
    alpha: np.ndarray
    box: np.ndarray
    points: np.ndarray


def head(photo, box, points):
    box = np.array(box, np.float32)
    factor = FACE_PX / (box[3] - box[1])
    middle, half = (box[:2] + box[2:]) / 2, (box[3] - box[1]) * 0.95
    first = np.floor(np.maximum(middle - half, 0)).astype(int)
    last = np.ceil(np.minimum(middle + half, photo.shape[1::-1])).astype(int)
    cut = photo[first[1] : last[1], first[0] : last[0]]
    image = cv2.resize(cut, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    centre = (middle - first) * factor
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    away = np.hypot((x - centre[0]) / (FACE_PX * 0.62), (y - centre[1]) / (FACE_PX * 0.8))
    alpha = np.clip((1.08 - away) / 0.12, 0, 1)[..., None].astype(np.float32)
    moved = (np.array(points, np.float32) - first) * factor - centre
    flat = (box.reshape(2, 2) - middle).reshape(-1) * factor
    shift = np.floor(centre).astype(np.float32)
    return Head(image, alpha, flat + np.tile(centre - shift, 2), moved + (centre - shift))


class Scripted:
    """A detector that is told where the faces are."""

    family = "scrfd"

    def __init__(self):
        self.truth, self.rng = [], np.random.default_rng(0)

    def __call__(self, picture, _side):
        scale = picture.shape[1] / WIDTH
        if not self.truth:
            return Detections.none(self.family)
        boxes = np.stack([box for box, _ in self.truth])
        points = np.stack([points for _, points in self.truth])
        keep = [0]
        for number in range(1, len(boxes)):  # as a detector's own suppression
            if iou(boxes[number][None], boxes[keep]).max() <= 0.4:
                keep.append(number)
        noise = self.rng.normal(0, 0.5, points.shape)
        points = ((points + noise) * scale).astype(np.float32)
        score = np.full(len(keep), 0.9, np.float32)
        return Detections((boxes * scale)[keep], score, points[keep], self.family)


def by_pixels(images):
    """A recogniser of small grey crops."""
    small = [cv2.resize(cv2.cvtColor(i, cv2.COLOR_BGR2GRAY), (16, 16)).ravel() for i in images]
    flat = np.stack(small).astype(np.float32)
    return np.stack([unit(row - row.mean()) for row in flat])


class Stage:
    """The people, and what looks at them; a context manager.

    Args:
        models: folder of `EDGED_TEST_MODELS`, or None.
        folder: for what is made of them.
    """

    def __init__(self, models, folder):
        self._stack = ExitStack()
        self.same, self.second = SAME, None
        if models is None:
            self.detector, self.recogniser, self.same = Scripted(), by_pixels, 0.75
            self.heads = [
                head(t1(), T1_BOX, T1_POINTS),
                head(t1(), T1_SECOND_BOX, T1_SECOND_POINTS),
                head(astronaut(), ASTRONAUT_BOX, ASTRONAUT_POINTS),
            ]
            return
        lift_recogniser(models / "mobilefacenet_128d.onnx", folder / "mbf.onnx")
        enter = self._stack.enter_context
        self.detector = Scrfd(enter(of_file(models / "det_500m.onnx", "det_500m", "det_500m.onnx")))
        yunet = of_file(models / "yunet_n_640_640.onnx", "yunet", "yunet.onnx")
        self.second = YuNet(enter(yunet))
        self.recogniser = Embedder(enter(of_file(folder / "mbf.onnx", "w600k_r50", "mbf.onnx")))
        self.heads = []
        for photo in (t1(), astronaut()):
            found = search(photo, [self.detector], Effort((640,)))
            self.heads += [head(photo, f.box, f.landmarks) for f in found]

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._stack.close()

    def who(self, settings=SETTINGS):
        """Who is who, of a pipeline with these eyes; two pairs where the guard has its own way."""
        eyes = [self.detector] if settings is SETTINGS else [self.detector, self.second]
        pipeline, _ = make(
            *eyes,
            recogniser=self.recogniser,
            bounds=Bounds(self.same, 0.6, 0.15),
            settings=settings,
        )
        return pipeline._who

    def embed_all(self, frame, faces):
        """Every face's vector, as a rule that looks at each frame alone needs them."""
        to_crop = matrices([f.landmarks for f in faces], "arcface_112", 112)
        return self.recogniser(crops(frame, to_crop, 112)) if faces else np.zeros((0, 1))


class Movie:
    """Frames, and who is where in them.

    Two cross at one height, one leaves for five seconds and comes back elsewhere, a
    stranger walks through.  With three people alone, the third is the stranger.

    Args:
        stage: the people.
        seed: of everything.
    """

    def __init__(self, stage, seed):
        self.rng = np.random.default_rng(seed)
        rng, many = self.rng, len(stage.heads) > 3
        order = rng.permutation(len(stage.heads))[: 5 if many else 3]
        self.cast = {0: order[0], 1: order[1], STRANGER: order[2]}
        if many:
            self.cast.update({2: order[3], 3: order[4]})
        self._heads = stage.heads
        self._stage = stage
        rough = rng.integers(60, 180, (9, 16, 3)).astype(np.uint8)
        self._background = cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        self._noise = rng.normal(0, 4, self._background.shape).astype(np.float32)
        self.crossing = 0.0
        self._leaves = rng.uniform(3, 5)
        self._comes, self._low = rng.uniform(2, 4), rng.uniform(520, 560)
        self._phase = rng.uniform(-0.3, 0.3)

    def _places(self, time):
        """Centre of each person that is there, those behind first."""
        swing = 380 * np.cos(2 * np.pi * time / 13 + self._phase)
        places = {1: (640 + swing, 340), 0: (640 - swing, 340 + 10 * np.sin(time))}
        if 2 in self.cast:
            places[3] = (140 + 30 * np.sin(time), 600)
            if time < self._leaves:
                places[2] = (300, 120)
            elif time > self._leaves + 5:
                places[2] = (900, 120)
            if self._comes < time < self._comes + 6:
                places[STRANGER] = (300 + 150 * (time - self._comes), self._low)
        elif self._leaves < time < self._leaves + 5:
            # The one who walked is away, and a stranger stands there meanwhile.
            del places[1]
            places[STRANGER] = (640 + swing, 340)
        return places

    def __iter__(self):
        """(frame, time in ms, {person: centre})."""
        for number in range(FPS * SECONDS):
            places = self._places(number / FPS)
            frame = self._background.copy()
            truth = []
            for person, centre in places.items():
                truth.insert(0, self._draw(frame, self._heads[self.cast[person]], centre))
            if 0 in places and 1 in places:
                boxes = np.stack([truth[-1][0], truth[-2][0]])
                self.crossing = max(self.crossing, float(iou(boxes, boxes)[0, 1]))
            shift = tuple(self.rng.integers(0, 700, 2))
            frame = np.clip(frame + np.roll(self._noise, shift, (0, 1)), 0, 255).astype(np.uint8)
            if isinstance(self._stage.detector, Scripted):
                self._stage.detector.truth = truth
            yield frame, round(number * 1000 / FPS), places

    def _draw(self, frame, head, centre):
        """Paste a head with its face's middle at a place; its box and landmarks there."""
        at = np.array(centre, np.float32)
        whole = np.floor(at)
        # Sub-pixel motion: a walk that moves in whole pixels would be too easy a film.
        shift = np.float32([[1, 0, at[0] - whole[0]], [0, 1, at[1] - whole[1]]])
        size = head.image.shape[1::-1]
        image = cv2.warpAffine(head.image, shift, size, borderMode=cv2.BORDER_REPLICATE)
        middle = (head.box[:2] + head.box[2:]) / 2
        inside = self._centre(head)
        x, y = (whole - inside).astype(int)
        x1, y1 = max(x, 0), max(y, 0)
        x2, y2 = min(x + size[0], WIDTH), min(y + size[1], HEIGHT)
        if x1 < x2 and y1 < y2:
            part = slice(y1 - y, y2 - y), slice(x1 - x, x2 - x)
            alpha, under = head.alpha[part], frame[y1:y2, x1:x2]
            frame[y1:y2, x1:x2] = np.rint(image[part] * alpha + under * (1 - alpha))
        return head.box - np.tile(middle, 2) + np.tile(at, 2), head.points - middle + at

    @staticmethod
    def _centre(head):
        """Where the face's middle is in the cut, whole px."""
        y, x = np.nonzero(head.alpha[..., 0] >= 1)
        return np.array([round(float(x.mean())), round(float(y.mean()))])


def whose(faces, places):
    """Person of each face, by the nearest true place; None for what is nobody's.

    Of two in one place the one in front is seen: where they cross, a box a few px off is
    nearer to the one behind, who is hidden.
    """
    people = []
    for face in faces:
        middle = (face.box[:2] + face.box[2:]) / 2
        away = {p: float(np.hypot(*(middle - np.array(at)))) for p, at in places.items()}
        least = min(away.values())
        front = [p for p in places if away[p] < least + FACE_PX / 10][-1]  # drawn last
        people.append(front if least < FACE_PX / 2 else None)
    return people
