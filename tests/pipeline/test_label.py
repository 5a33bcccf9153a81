"""Labels on what the pipeline lets out: drawn last, on passed pictures alone."""

from __future__ import annotations

import msgspec
import numpy as np
from pipeline_kit import HIDE, LEFT, RIGHT, Eyes, box, found, frame, make, poster, shot, with_scene

from edged.privacy.guard import Passed, Refused
from edged.scene import Scene
from edged.stages.label import drawn

TEXT = "AI"
SIDE = 512


def corners(image):
    """Which corners bear the label, (right, bottom) each."""
    label = drawn(TEXT, *image.shape[:2])
    h, w = label.shape[:2]
    places = {
        (1, 1): image[-h:, -w:], (0, 1): image[-h:, :w],
        (1, 0): image[:h, -w:], (0, 0): image[:h, :w],
    }  # fmt: skip
    return [corner for corner, part in places.items() if np.array_equal(part, label)]


def run(scene, *, people=(LEFT,), **parts):
    pipeline, _ = make(Eyes(found(*people)), **parts)
    return pipeline.process(frame(), shot(scene, consents=parts.pop("consents", ())))


def test_a_disguise_bears_its_label_and_is_else_as_without():
    """One corner differs, the rest of the picture does not."""
    bare, labelled = run(HIDE), run(with_scene(label=TEXT))
    assert corners(bare.ruling.image) == []
    (corner,) = corners(labelled.ruling.image)
    changed = (bare.ruling.image != labelled.ruling.image).any(axis=2)
    h, w = drawn(TEXT, SIDE, SIDE).shape[:2]
    rows = slice(-h, None) if corner[1] else slice(None, h)
    columns = slice(-w, None) if corner[0] else slice(None, w)
    changed[rows, columns] = False
    assert not changed.any()
    assert "label" in labelled.stages_ms
    assert "label" not in bare.stages_ms


def test_a_portrait_bears_it_although_the_guard_compares_every_pixel():
    """The guard holds the picture against the template before the label comes."""
    scene = Scene(mode="portrait", restore=False, label=TEXT)
    template = poster((LEFT,))
    pipeline, _ = make(Eyes(found(LEFT)), templates={"scene": template})
    outcome = pipeline.process(frame(), shot(scene, consents=("c1",)))
    assert isinstance(outcome.ruling, Passed)
    assert corners(outcome.ruling.image)
    assert corners(template.image) == []


def test_it_keeps_off_the_faces_of_the_picture():
    """No face's box is touched while a corner is free."""
    outcome = run(with_scene(label=TEXT), people=(LEFT, RIGHT))
    label = drawn(TEXT, SIDE, SIDE)
    image, bare = outcome.ruling.image, run(HIDE, people=(LEFT, RIGHT)).ruling.image
    assert corners(image)
    assert label.shape[0] < SIDE / 8
    for at in (LEFT, RIGHT):
        x1, y1, x2, y2 = (int(v) for v in box(at))
        assert np.array_equal(image[y1:y2, x1:x2], bare[y1:y2, x1:x2])


def test_a_refused_picture_gets_none():
    """Nothing is drawn on what stays in."""
    scene = msgspec.structs.replace(HIDE, label=TEXT, allow_empty=False)
    outcome = run(scene, people=())
    assert isinstance(outcome.ruling, Refused)
    assert "label" not in outcome.stages_ms
