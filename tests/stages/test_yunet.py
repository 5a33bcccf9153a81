"""YuNet's contract: cells, scores, a fixed canvas, and outputs that are not it."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession, ReusingSession

from edged.errors import EngineError, ModelError
from edged.stages.yunet import OUTPUTS, STRIDES, YuNet

NAMES = [f"{kind}_{stride}" for kind in OUTPUTS for stride in STRIDES]


def empty(side):
    return {
        f"{kind}_{stride}": np.zeros((1, (side // stride) ** 2, width), np.float32)
        for kind, width in OUTPUTS.items()
        for stride in STRIDES
    }


def one_face(side, stride=8, cell=(5, 3), cls=0.9, obj=0.9):
    """A face of 4 strides a side about the corner of cell (x, y)."""
    out = empty(side)
    row = cell[1] * (side // stride) + cell[0]
    out[f"cls_{stride}"][0, row] = cls
    out[f"obj_{stride}"][0, row] = obj
    out[f"bbox_{stride}"][0, row] = [0, 0, np.log(4), np.log(4)]
    out[f"kps_{stride}"][0, row] = np.arange(10) / 10
    return out


def detector(answer, size=None, kind=FakeSession, names=NAMES):
    session = kind(
        {"input": (1, 3, size, size)},
        dict.fromkeys(names, (1, None, None)),
        lambda feeds: [answer(feeds)[name] for name in names],
    )
    return YuNet(session)


def picture(height=48, width=64):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize("stride", STRIDES)
def test_a_cell_becomes_a_box(stride):
    """Centre on the cell's corner, sides by exponent, landmarks in strides."""
    found = detector(lambda _: one_face(128, stride, (2, 1)))(picture(), 128)
    centre = np.array([2, 1]) * stride
    assert np.allclose(
        found.boxes, [[*(centre - 2 * stride), *(centre + 2 * stride)]], atol=1e-3
    )
    points = centre + np.arange(10).reshape(5, 2) / 10 * stride
    assert np.allclose(found.landmarks[0], points, atol=1e-3)
    assert found.family == "yunet"


def test_the_score_is_the_root_of_both():
    """OpenCV's rule: sqrt(cls * obj), against the threshold."""
    (score,) = detector(lambda _: one_face(64, cls=0.9, obj=0.4))(picture(), 64).scores
    assert score == pytest.approx(0.6)
    assert len(detector(lambda _: one_face(64, cls=0.9, obj=0.27))(picture(), 64)) == 0


def test_the_network_gets_bgr_as_it_is():
    """No mean, no scale, no turned colours."""
    detect = detector(lambda _: empty(64))
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0] = 200
    detect(image, 64)
    fed = detect.session.runs[0]["input"][0]
    assert (fed[0] == 200).all()
    assert not fed[1:].any()


def test_a_look_larger_than_the_fixed_canvas_is_scaled_and_scaled_back():
    """The public file is 640 px; a finding at 1280 comes back at 1280's pixels."""
    detect = detector(lambda _: one_face(64, 8, (4, 4)), size=64)
    found = detect(picture(128, 96), 128)
    assert detect.session.runs[0]["input"].shape == (1, 3, 64, 64)
    assert np.allclose(found.boxes, [[32, 32, 96, 96]], atol=1e-3)
    assert np.allclose(found.landmarks[0][0], [64, 64 + 0.1 * 16], atol=1e-3)


def test_another_model_is_refused():
    """Missing or other outputs are told when the model is loaded, not at the first frame."""
    for names in (NAMES[:6], [*NAMES[:-1], "kps_64"]):
        with pytest.raises(ModelError, match="12 outputs"):
            detector(lambda _: {}, names=names)


@pytest.mark.parametrize("kind", ["cls", "obj"])
def test_a_score_that_is_not_finite_is_an_error(kind):
    """NaN is below every threshold: without this a broken network would find no faces."""

    def answer(_):
        out = empty(64)
        out[f"{kind}_16"][0, 3] = np.nan
        return out

    with pytest.raises(EngineError, match="finite"):
        detector(answer)(picture(), 64)


@pytest.mark.parametrize("name", ["cls_8", "bbox_16", "kps_32"])
def test_an_output_of_another_size_is_an_error(name):
    """Cells would be read from the wrong places."""

    def answer(_):
        return {n: t[:, 1:] if n == name else t for n, t in empty(64).items()}

    with pytest.raises(EngineError, match="another size"):
        detector(answer)(picture(), 64)


def test_findings_outlive_the_session_s_memory():
    """A runtime that uses its output memory again does not move faces found before."""
    scores = iter([0.9] * 12 + [0.6] * 12)
    detect = detector(lambda _: one_face(64, cls=next(scores)), kind=ReusingSession)
    first = detect(picture(), 64)
    kept = (first.boxes.copy(), first.scores.copy(), first.landmarks.copy())
    detect(picture(), 64)
    for now, before in zip((first.boxes, first.scores, first.landmarks), kept, strict=True):
        assert np.array_equal(now, before)
