"""The same boxes, landmarks, embeddings and swap crops as the insightface package gives.

Tolerances are the issue's: 0.01 px, cosine 0.9999, one grey level.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from graph_kit import of_file

from edged.bench.frames import Case, make_scene
from edged.runtime.emap import read_emap
from edged.stages.align import crops, matrices
from edged.stages.embed import SIZE_PX
from edged.stages.identity import VectorSource
from edged.stages.search import search
from edged.stages.swap import Swapper
from edged.stages.views import Effort

ONE_LOOK = Effort((640,), families=1)

SIZES = [(1280, 720), (1920, 1080), (3840, 2160), (1283, 717), (720, 1280), (641, 480)]
"""Among them an odd whole factor (1080p), even ones, crooked ones and an upright frame."""


def swapper_on(session, path):
    """The stage, as the daemon makes it for inswapper's family."""
    return Swapper(session, VectorSource("stand-in", 512, read_emap(path, "stand-in")))


def photo(width: int, height: int):
    """The package's sample photo with six people, scaled to cover a frame."""
    import insightface

    image = insightface.data.get_image("t1")
    scale = max(width / image.shape[1], height / image.shape[0])
    grown = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(grown[:height, :width])


def hold_side_by_side(pair, frame):
    """Each face as insightface and as edged see it, left to right."""
    theirs = sorted(pair.app.get(frame), key=lambda f: float(f.bbox[0]))
    ours = sorted(search(frame, [pair.detector], ONE_LOOK), key=lambda f: float(f.box[0]))
    assert len(ours) == len(theirs) > 0
    return list(zip(theirs, ours, strict=True))


def assert_same_places(pair, frame):
    for theirs, ours in hold_side_by_side(pair, frame):
        assert np.abs(ours.box - theirs.bbox).max() < 0.01
        assert np.abs(ours.landmarks - theirs.kps).max() < 0.01
        assert abs(ours.score - float(theirs.det_score)) < 1e-5


def assert_same_vectors(pair, frame):
    for theirs, ours in hold_side_by_side(pair, frame):
        (matrix,) = matrices([ours.landmarks], "arcface_112", SIZE_PX)
        (vector,) = pair.embedder(crops(frame, [matrix], SIZE_PX))
        assert vector @ theirs.normed_embedding > 0.9999


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_real_detector_gives_the_same_boxes_and_landmarks(real_pair, size):
    """det_500m on a photo of six people, at frame sizes that are scaled in different ways."""
    assert_same_places(real_pair, photo(*size))


def test_real_recogniser_gives_the_same_embeddings(real_pair):
    """A real recogniser on the faces of the photo, aligned by each side's own code."""
    assert_same_vectors(real_pair, photo(1280, 886))


@pytest.mark.parametrize(
    "case", [Case(1280, 720, 4), Case(1920, 1080, 4), Case(3840, 2160, 1)], ids=lambda c: c.name
)
def test_standin_faces_and_embeddings_are_the_same(standin_pair, case):
    """Without any downloaded model: the stand-ins hold both contracts."""
    frame = make_scene(case).frame
    assert_same_places(standin_pair, frame)
    assert_same_vectors(standin_pair, frame)


def test_swap_crop_is_the_same(standins, standin_pair):
    """The swapped crop, before pasting, within one grey level (insightface truncates)."""
    from insightface.model_zoo import get_model

    scene = make_scene(Case(1920, 1080, 4))
    theirs = get_model(str(standins.swapper), providers=["CPUExecutionProvider"])
    (source,) = standin_pair.app.get(scene.source)
    with of_file(standins.swapper, "inswapper_128") as session:
        swapper = swapper_on(session, standins.swapper)
        latent = swapper.latent(source.normed_embedding)
        for face in standin_pair.app.get(scene.frame):
            wanted, wanted_matrix = theirs.get(scene.frame, face, source, paste_back=False)
            (matrix,) = matrices([face.kps], "arcface_128", 128)
            assert np.array_equal(matrix, wanted_matrix)
            (crop,) = swapper(crops(scene.frame, [matrix], 128), latent[None])
            assert np.abs(crop.astype(int) - wanted).max() <= 1


def test_all_faces_in_one_call_are_the_same_as_one_by_one(standins, standin_pair):
    """Faces that go through together do not mix: each keeps its own crop and latent."""
    scene = make_scene(Case(1920, 1080, 4))
    faces = standin_pair.app.get(scene.frame)
    (source,) = standin_pair.app.get(scene.source)
    with of_file(standins.swapper, "inswapper_128") as session:
        swapper = swapper_on(session, standins.swapper)
        targets = crops(scene.frame, matrices([f.kps for f in faces], "arcface_128", 128), 128)
        people = [source, *faces[1:]]
        latents = np.stack([swapper.latent(p.normed_embedding) for p in people])
        together = swapper(targets, latents)
        for index in range(len(faces)):
            alone = swapper(targets[index : index + 1], latents[index : index + 1])
            assert np.array_equal(together[index], alone[0])
