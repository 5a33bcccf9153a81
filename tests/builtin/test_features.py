"""What `edged.builtin.features` promises."""

import builtin_kit
import numpy as np
import onnxruntime as ort

from edged.builtin.character import draw_character
from edged.builtin.features import features
from edged.builtin.mask import inner_face_mask
from edged.onnx_writer import Graph


def _features(image):
    """Features (3, 128, 128) and cover (128, 128) of one (128, 128, 3) uint8 crop."""
    g = Graph()
    _, _, calm, cover = features(g, "x", 128)
    g.op("Identity", calm, to="calm")
    g.op("Identity", cover, to="cover")
    shape = ["n", 3, 128, 128]
    model = g.model("f", {"x": shape}, {"calm": shape, "cover": ["n", 1, 128, 128]})
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    calm, cover = session.run(None, {"x": builtin_kit.planes([image], 0, 255)})
    return calm[0], cover[0, 0]


def _face():
    image, points = draw_character("robin")
    return builtin_kit.crop(image, points, "arcface_128", 128)[0]


def test_a_plain_wall_has_no_features():
    """An even colour leaves nothing."""
    calm, cover = _features(np.full((128, 128, 3), 128, np.uint8))
    assert np.abs(calm).max() < 1e-4
    assert cover.min() == 1.0


def test_brightness_does_not_count():
    """A picture a third darker has nearly the same features."""
    face = _face()
    one, _ = _features(face)
    other, _ = _features((face * 0.67).astype(np.uint8))
    assert np.corrcoef(one[0].ravel(), other[0].ravel())[0, 1] > 0.98


def test_nothing_lies_outside_the_inner_face():
    """Features are zero where the mask is."""
    calm, _ = _features(_face())
    assert np.abs(calm[:, inner_face_mask(128) == 0.0]).max() == 0.0


def test_eyes_and_mouth_are_covered_and_a_foreign_wall_is_not():
    """The cover closes over eyes and mouth and ends where a green wall begins."""
    face = _face().copy()
    face[:, :40] = (40, 180, 40)
    _, cover = _features(face)
    assert cover[52, 81] > 0.95
    assert cover[92, 64] > 0.95
    assert cover[:, :24].max() < 0.1
