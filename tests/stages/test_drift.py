"""Identity drift: what restoring may do to who a face is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_kit import ASTRONAUT_POINTS, T1_POINTS, matrix
from photos import astronaut, t1
from restore_kit import coarse

from edged.stages.align import crops
from edged.stages.drift import SHARES, Drift, shrunk
from edged.stages.embed import Embedder, normalise

BOUND = 0.3


class Mean:
    """A recogniser that knows a face by its mean colour."""

    def __init__(self):
        self.runs = []

    def __call__(self, faces):
        self.runs.append(len(faces))
        return normalise(faces[:, 40:72, 40:72].mean(axis=(1, 2)).astype(np.float32) - 128)


def plain(*colours, side=512):
    return np.stack([np.full((side, side, 3), colour, np.uint8) for colour in colours])


def test_the_same_crop_has_not_drifted():
    """0, by one run of the recogniser over both."""
    recogniser = Mean()
    before = plain((200, 128, 128), (128, 200, 128))
    drifts, _ = Drift(recogniser, "ffhq_512")(before, before)
    assert drifts == pytest.approx([0, 0], abs=1e-6)
    assert recogniser.runs == [4]


def test_each_face_is_held_against_its_own_past():
    """One that became another, and one that stayed."""
    before = plain((200, 128, 128), (128, 200, 128))
    after = plain((128, 200, 128), (128, 200, 128))
    drifts, anchors = Drift(Mean(), "ffhq_512")(before, after)
    assert drifts == pytest.approx([1, 0], abs=1e-6)
    assert np.argmax(anchors, axis=1).tolist() == [0, 1]


def test_what_went_too_far_is_taken_back_as_far_as_needed():
    """The largest share within the bound; nothing where even the least is too much."""
    before = plain((200, 128, 128), (200, 128, 128), (140, 128, 128))
    after = plain((160, 200, 128), (240, 200, 128), (128, 255, 128))
    measure = Drift(Mean(), "ffhq_512")
    share, drift = measure.eased(measure(before, after)[1], before, after, BOUND)
    assert share.tolist() == pytest.approx([SHARES[1], SHARES[0], 0])
    assert (drift <= BOUND).all()
    assert drift[2] == 0


@pytest.mark.parametrize("side", [128, 256, 512, 1024, 400])
def test_crops_are_halved_not_thinned_out(side):
    """A checkerboard of single pixels is grey to the recogniser, not a pattern of its own."""
    board = (np.indices((side, side)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = shrunk(np.repeat(board[..., None], 3, axis=2), 64)
    assert 64 <= len(small) < 128
    assert np.abs(small.astype(int) - 128).max() <= 1


@pytest.fixture(scope="module")
def real(test_models):
    """A real recogniser (MobileFaceNet)."""
    from graph_kit import of_file

    with of_file(test_models / "mobilefacenet_128d.onnx", "w600k_r50") as session:
        yield Drift(Embedder(session), "ffhq_512")


def faces():
    """Two people's crops at 512 px."""
    photos = ((astronaut(), ASTRONAUT_POINTS), (t1(), T1_POINTS))
    return np.concatenate([crops(p, [matrix(at, "ffhq_512", 512)], 512) for p, at in photos])


def test_an_honest_restoration_keeps_the_default_bound(real):
    """Full detail given back to a crop of 48 px across: below 0.2 (0.17 was seen)."""
    true = faces()
    assert real(np.stack([coarse(face) for face in true]), true)[0].max() < 0.2


def test_another_person_breaks_it(real):
    """0.8 and more; half of one mixed in is too much, too, and a third of that mix is not."""
    true = faces()
    other = true[::-1]
    assert real(true, other)[0].min() > 0.8
    mixed = np.stack([cv2.addWeighted(a, 0.5, b, 0.5, 0) for a, b in zip(true, other, strict=True)])
    drifts, anchors = real(true, mixed)
    assert drifts.min() > BOUND
    share, drift = real.eased(anchors, true, mixed, BOUND)
    assert (share > 0).all()
    assert (drift <= BOUND).all()
