"""Whatever faces others find in what leaves are faces that were swapped or filled.

The whole pipeline runs, with two small real detectors, the lifted recogniser and the built-in
swapper, over faces of all sizes and turns; three detectors that it does not have look at the
pictures.  The judge is also shown raw frames, and outputs with a face put into them, so that
it is known what its silence is worth.  No picture of these tests leaves the process.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from booth import Booth
from judge import Judge
from photos import astronaut
from recall_kit import PEOPLE, UHD, Case, match, matrix
from shots import say

from edged.config import load
from edged.daemon.assemble import assemble
from edged.geometry import iou, nms, unturn_boxes
from edged.pipeline.parts import Job
from edged.privacy.guard import Passed

pytestmark = pytest.mark.timeout(900)

SMALL_PX, SMALL_EVERY, LARGE_EVERY, UHD_EVERY = 640, 3, 11, 23
"""One case in so many, by what a frame costs: 44 of 280, with every size and turn."""

JUDGED_PX = 20
"""Faces with a shorter side are too small for the judge, also when they are enlarged: of the
raw ones in small frames it confirms 6 of 17 that are smaller, and 82 of 82 that are not."""

TURNS = (0, 1, 2, 3)

RAW_EVERY, PLANT_EVERY = 2, 3
"""So many outputs are enough to see what the judge's silence is worth."""

HAAR = ("haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml")
HAAR_PX = 960
HAAR_EVERY = 2
HAAR_VOTES = 8
"""So many neighbours must agree; with 3, OpenCV's default, cascades see faces in poker chips."""


@dataclass(frozen=True, eq=False)
class Output:
    """A case that leaves.

    Attributes:
        raw, image: what went in and what came out, (h, w, 3) uint8 BGR.
        boxes: (n, 4) px, of what was swapped or filled.
    """

    case: Case
    raw: np.ndarray
    image: np.ndarray
    boxes: np.ndarray


def chosen():
    """The cases that run."""
    cases = matrix()
    small = [case for case in cases if max(case.frame) <= SMALL_PX]
    large = [case for case in cases if max(case.frame) > SMALL_PX and case.frame != UHD]
    uhd = [case for case in cases if case.frame == UHD]
    return small[::SMALL_EVERY] + large[::LARGE_EVERY] + uhd[::UHD_EVERY]


@pytest.fixture(scope="module")
def outputs(test_models, tmp_path_factory):
    """Every case that leaves."""
    booth = Booth(tmp_path_factory.mktemp("judge"), models=test_models)
    made, refused = [], []
    with ExitStack() as stack:
        config = load(booth.config)
        pipeline = assemble(config, stack).pipeline
        job = Job("booth", "hide", config.scenes["hide"], whole=True)
        for case in chosen():
            raw = case.picture()
            outcome = pipeline.process(raw.copy(), job)
            if not isinstance(outcome.ruling, Passed):
                refused.append(f"{case.name}: {outcome.ruling.reason.value}")
                continue
            boxes = np.array([note.box_px for note in outcome.faces], np.float32).reshape(-1, 4)
            made.append(Output(case, raw, outcome.ruling.image.copy(), boxes))
            outcome.buffer.release()
    say(f"{len(made)} pictures, refused: {', '.join(refused) or 'none'}")
    return made


@pytest.fixture(scope="module")
def judge(test_models):
    """It is no part of the pipeline."""
    return Judge(test_models)


def cascades(image):
    """(n, 4) boxes that OpenCV's frontal and profile cascades see, in four turns."""
    scale = min(1.0, HAAR_PX / max(image.shape[:2]))
    grey = cv2.cvtColor(cv2.resize(image, None, fx=scale, fy=scale), cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    found = [np.zeros((0, 4), np.float32)]
    for name in HAAR:
        cascade = cv2.CascadeClassifier(cv2.data.haarcascades + name)
        for turn in TURNS:
            turned = np.ascontiguousarray(np.rot90(grey, turn))
            seen = np.array(cascade.detectMultiScale(turned, 1.1, HAAR_VOTES, minSize=(30, 30)))
            seen = seen.reshape(-1, 4).astype(np.float32)
            seen[:, 2:] += seen[:, :2]
            found.append(unturn_boxes(seen, turn, width, height) / scale)
    boxes = np.concatenate(found).astype(np.float32)
    return boxes[nms(boxes, np.ones(len(boxes), np.float32), 0.3)] if len(boxes) else boxes


def whose(box, people):
    """Number of the person in whose face the middle of a finding lies, cut off or not, or -1."""
    middle = (box[:2] + box[2:]) / 2
    on = ((middle > people[:, :2]) & (middle < people[:, 2:])).all(axis=1)
    return int(on.argmax()) if on.any() else -1


def met(box, boxes):
    """Whether a finding overlaps a swapped or filled box by an IoU of 0.4."""
    return len(boxes) > 0 and match(boxes, box[None])[0] >= 0


def strange(box, case, boxes):
    """Whether a finding that meets no box lies on somebody who was neither swapped nor filled."""
    people = case.everyone()
    person = whose(box, people)
    return person >= 0 and not met(people[person], boxes)


def left(judge, case, image, boxes):
    """Faces that the judge confirms, and those that are not the result's.

    Not the result's is what meets no box, wherever it lies; and where the judge takes back
    from close by what it saw from afar, what lies on somebody who was left.
    """
    found = judge.search(image, case.truth().boxes)
    faces = [one for one in found if one.confirmed]
    doubts = [one for one in found if not one.confirmed and not met(one.box, boxes)]
    outside = [one for one in faces if not met(one.box, boxes)]
    return faces, outside + [one for one in doubts if strange(one.box, case, boxes)], doubts


def test_every_face_that_the_judge_finds_is_one_of_the_result(outputs, judge):
    """It overlaps a swapped or filled box by an IoU of 0.4.

    Without exception, if the judge finds it as somebody would to whom the picture is new.
    When it is told where to look, it also finds faces that are too small for the pipeline's
    detectors (the README says how small); of these not more than the 5 % that these may miss.
    """
    assert len(outputs) >= 40
    found, others, small, doubts = [], [], [], []
    for output in outputs:
        faces, out, doubted = left(judge, output.case, output.image, output.boxes)
        found += faces
        for one in out:
            (small if one.told else others).append((output.case.name, one.box.round().tolist()))
        doubts += [output.case.name for _ in doubted]
    told = sum(one.told for one in found)
    say(f"judge: {len(found)} faces in {len(outputs)} outputs, {told} of them when told where")
    say(f"  not the result's: {others or 'none'}, when told where: {small or 'none'}")
    say(f"  taken back from close by, all on nobody or on hidden faces: {doubts}")
    assert len(found) - told >= 2 * len(outputs)
    assert not others
    assert len(small) <= 0.05 * len(found)


def test_the_judge_finds_the_faces_of_the_raw_frames(outputs, judge):
    """It would see who is there: it confirms 95 % of all people where they are."""
    asked, seen, alone = 0, 0, 0
    for output in outputs[::RAW_EVERY]:
        people = output.case.truth().boxes
        people = people[(people[:, 2:] - people[:, :2]).min(axis=1) >= JUDGED_PX]
        faces = [one for one in judge.search(output.raw, people) if one.confirmed]
        boxes = np.array([one.box for one in faces], np.float32).reshape(-1, 4)
        untold = np.array([one.box for one in faces if not one.told], np.float32).reshape(-1, 4)
        asked += len(people)
        seen += int((match(boxes, people) >= 0).sum())
        alone += int((match(untold, people) >= 0).sum())
    say(f"raw frames: {seen} of {asked} people confirmed, {alone} of them seen from afar")
    assert asked >= 40
    assert seen >= 0.95 * asked
    assert alone >= 0.75 * asked


def test_a_face_that_was_left_would_be_caught(outputs, judge):
    """The largest face of each output as it was, and no word of it in the result."""
    caught, missed = 0, []
    for output in outputs[1::PLANT_EVERY]:
        people = output.case.truth().boxes
        if not len(people):
            continue
        person = people[np.prod(people[:, 2:] - people[:, :2], axis=1).argmax()]
        x1, y1, x2, y2 = np.maximum(person, 0).astype(int)
        image = output.image.copy()
        image[y1:y2, x1:x2] = output.raw[y1:y2, x1:x2]
        boxes = output.boxes[iou(output.boxes, person[None])[:, 0] < 0.1]
        if left(judge, output.case, image, boxes)[1]:
            caught += 1
        else:
            missed.append(output.case.name)
    say(f"a face left as it was: {caught} caught, missed in {missed or 'none'}")
    assert caught >= 0.95 * (caught + len(missed))


def test_a_face_where_nobody_was_would_be_caught(outputs, judge):
    """One more face in a corner, a fifth of the frame high, that the judge is not told of."""
    x1, y1, x2, y2 = PEOPLE["astronaut"][0][0]
    head = astronaut()[y1 - 30 : y2 + 15, x1 - 30 : x2 + 30]
    caught, missed = 0, []
    for output in outputs[::PLANT_EVERY]:
        corner = blank_corner(output, head)
        if corner is None:
            continue
        x, y, shown = corner
        image = output.image.copy()
        image[y : y + len(shown), x : x + shown.shape[1]] = shown
        if left(judge, output.case, image, output.boxes)[1]:
            caught += 1
        else:
            missed.append(output.case.name)
    say(f"a face where nobody was: {caught} caught, missed in {missed or 'none'}")
    assert caught >= 8
    assert caught >= 0.9 * (caught + len(missed))


def blank_corner(output, head):
    """(x, y, picture) of a head in a corner that no box of the result overlaps, or None."""
    height, width = output.image.shape[:2]
    scale = 0.2 * min(height, width) / 120
    shown = cv2.resize(head, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, columns = shown.shape[:2]
    for x in (0, width - columns):
        for y in (0, height - rows):
            place = np.array([[x, y, x + columns, y + rows]], np.float32)
            if not len(output.boxes) or iou(output.boxes, place).max() == 0:
                return x, y, shown
    return None


def test_no_face_that_cascades_find_was_left(outputs):
    """Two more that the pipeline does not run with, of another kind; their boxes are loose."""
    found, others, nobody = 0, [], []
    for output in outputs[::HAAR_EVERY]:
        for face in cascades(output.image):
            if met(face, output.boxes):
                found += 1
            elif strange(face, output.case, output.boxes):
                others.append(output.case.name)
            else:
                nobody.append(output.case.name)
    say(f"cascades: {found} faces are the result's, {len(nobody)} on nobody or loose {nobody}")
    assert found >= 5
    assert not others


def test_every_true_face_is_swapped_or_filled(outputs):
    """Of people whose places are known, in pictures that leave."""
    hits = np.concatenate([match(one.boxes, one.case.truth().boxes) for one in outputs])
    say(f"true faces that were swapped or filled: {(hits >= 0).sum()} of {len(hits)}")
    assert (hits >= 0).mean() >= 0.95
