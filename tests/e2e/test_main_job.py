"""A frame in, a private picture out, through the whole daemon on small real networks.

Faces are found by a judge that the pipeline does not use, and compared with every
original face by pixels and by recogniser.
"""

from __future__ import annotations

import hashlib
import json

import cv2
import numpy as np
import pytest
from booth import Booth
from graph_kit import of_file
from judge import Judge
from mosquitto import wait_for
from photos import astronaut, t1

from edged.geometry import clip, iou, similarity, template
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.stages.embed import Embedder
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.views import Effort

STRANGER = 0.42
"""Cosine of the small recogniser from which on two faces may be one person."""


@pytest.fixture(scope="module")
def booth(tmp_path_factory, test_models):
    folder = tmp_path_factory.mktemp("booth")
    with Booth(folder, models=test_models, actor=astronaut()) as device:
        yield device


@pytest.fixture(scope="module")
def eyes(booth, test_models):
    """Judge, and landmark finder and recogniser for comparisons."""
    with (
        of_file(test_models / "det_500m.onnx", "det_500m") as d,
        of_file(booth.folder / "models/test_mbf.onnx", "w600k_mbf") as r,
    ):
        yield Judge(test_models), Scrfd(d), Embedder(r)


def crop_at(image, landmarks):
    matrix = similarity(landmarks, template("arcface_112", 112))
    return cv2.warpAffine(image, matrix, (112, 112))


def box_at(image, box):
    """A box of a picture as a 112 px crop, for the pixel tests."""
    x1, y1, x2, y2 = clip(box, image.shape[1], image.shape[0])
    return cv2.resize(image[y1:y2, x1:x2], (112, 112), interpolation=cv2.INTER_AREA)


def assert_nobody_got_out(eyes, before, after, count):
    """No output face is an input face, in pixels or in identity, wherever it was."""
    judge, finder, recogniser = eyes
    originals = search(before, [finder], Effort((640, 256), (0, 1, 2, 3)))
    originals = [f for f in originals if f.score > 0.7]
    assert len(originals) == count
    crops = [crop_at(before, f.landmarks) for f in originals]
    known = recogniser(np.stack(crops))
    for face, crop in zip(originals, crops, strict=True):
        now = crop_at(after, face.landmarks)
        assert coarse_correlation(crop, now) < 0.58
        assert untouched_share(crop, now) < 0.2
        nearest = recogniser(np.stack([now, now[:, ::-1]])) @ known.T
        assert nearest.max() < STRANGER
    seen = search(after, [finder], Effort((640, 256), (0, 1, 2, 3)))
    judged = judge.faces(after, (0, 1, 2, 3))
    for box in judged:
        # Where the judge sees a face on an original's place, its middle is new pixels.
        if max(iou(box[None], f.box[None])[0, 0] for f in originals) > 0.3:
            assert untouched_share(box_at(before, box), box_at(after, box)) < 0.5
    for box in judged:  # the judge gives boxes only: landmarks come from the nearest finding
        near = [f for f in seen if iou(box[None], f.box[None])[0, 0] > 0.3]
        for face in near:
            cosines = recogniser(crop_at(after, face.landmarks)[None]) @ known.T
            assert cosines.max() < STRANGER
    return judged


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_all_six_people_leave_as_somebody_else(booth, eyes, turn):
    """Every face of a group photo is replaced, however the picture is turned."""
    photo = np.ascontiguousarray(np.rot90(t1(), turn))
    answer = booth.send(photo, camera="booth")
    assert (answer.verdict.verdict, answer.verdict.reason) == ("queued", "ok")
    assert answer.verdict.numbers["faces"] >= 6
    assert answer.verdict.numbers["swapped"] >= 6
    doc, picture = booth.published(answer)
    assert picture.shape == photo.shape
    assert len(doc["faces"]) >= 6
    judged = assert_nobody_got_out(eyes, photo, picture, 6)
    if turn == 0:
        assert len(judged) >= 4  # they are faces still, not holes


@pytest.fixture(scope="module")
def drawn_booth(tmp_path_factory, test_models):
    """A device whose character is the built-in one, for the astronaut as a visitor."""
    with Booth(tmp_path_factory.mktemp("drawn"), models=test_models) as device:
        yield device


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_one_person_is_replaced(drawn_booth, eyes, turn):
    """The astronaut leaves as the drawn character, however the picture is turned."""
    photo = np.ascontiguousarray(np.rot90(astronaut(), turn))
    answer = drawn_booth.send(photo, camera="booth")
    assert answer.verdict.verdict == "queued"
    assert answer.verdict.numbers["swapped"] == 1
    _, picture = drawn_booth.published(answer)
    assert_nobody_got_out(eyes, photo, picture, 1)


def test_a_face_that_fills_the_frame_is_replaced(booth, eyes):
    """A face larger than the frame's half is found and replaced."""
    face = t1()[262:424, 455:585]
    photo = cv2.resize(face, None, fx=7, fy=7, interpolation=cv2.INTER_CUBIC)
    answer = booth.send(photo, camera="booth")
    assert answer.verdict.verdict == "queued"
    assert answer.verdict.numbers["swapped"] == 1
    _, picture = booth.published(answer)
    judge, finder, recogniser = eyes
    assert len(judge.faces(photo))
    originals = search(photo, [finder], Effort((256, 128)))
    before, after = (crop_at(i, originals[0].landmarks) for i in (photo, picture))
    assert coarse_correlation(before, after) < 0.58
    vectors = recogniser(np.stack([before, after]))
    assert vectors[0] @ vectors[1] < STRANGER


def test_the_result_describes_the_picture(booth):
    """SHA-256, size and id in the result are those of the JPEG on the image topic."""
    answer = booth.send(t1(), camera="booth", want="image")
    doc, _ = booth.published(answer)
    jpeg = booth.consumer.picture(answer.verdict.id)
    assert doc["image"]["sha256"] == hashlib.sha256(jpeg).hexdigest()
    assert doc["image"]["size_bytes"] == len(jpeg)
    assert answer.picture == jpeg
    head = jpeg[: jpeg.index(b"\xff\xda")]  # the segments before the scan
    assert b"edged:" + answer.verdict.id.encode() in head
    assert (doc["session"], doc["seq"]) == (answer.verdict.session, answer.verdict.seq)
    assert doc["builtin"] is True  # the swapper is the built-in one


def test_status_info_and_health_flow(booth):
    """An operator sees state, what runs here, isolation, and figures with units."""
    wait_for(lambda: booth.consumer.health, 15, "health")
    assert booth.consumer.status["state"] == "online"
    info = booth.consumer.info
    assert info["isolation"]["mode"] == "namespace"
    assert info["models"]["det_500m"]["licence"]
    assert info["runtime"]["name"] == "cpu"
    assert {"fps", "rss_mb", "outbox", "stages", "guard"} <= set(booth.consumer.health)


def test_a_picture_without_a_face_stays_in(booth):
    """No face and no leave to show empty frames: refused, and nothing is published."""
    before = len(booth.consumer.results)
    answer = booth.send(np.full((480, 640, 3), 90, np.uint8), camera="booth")
    assert (answer.verdict.verdict, answer.verdict.reason) == ("refused", "no-face")
    assert answer.picture is None
    assert len(booth.consumer.results) == before


def test_nothing_personal_is_in_any_document(booth):
    """No payload but the image holds an embedding, a landmark or a picture's bytes."""
    booth.published(booth.send(t1(), camera="booth"))
    for topic, payload, _ in booth.consumer.raw:
        if "/image/" in topic:
            continue
        document = json.loads(payload)
        text = json.dumps(document)
        assert "embedding" not in text
        assert "landmark" not in text
        assert len(payload) < 16384
