"""What `edged.builtin.restorer` promises."""

import builtin_kit
import cv2
import numpy as np


def _restore(image):
    """A (512, 512, 3) uint8 picture through the restorer."""
    session = builtin_kit.session("builtin_restorer")
    made = session.run(None, {"input": builtin_kit.planes([image], 127.5, 127.5)})[0]
    return builtin_kit.pictures((made + 1) / 2)[0]


def test_it_has_gfpgan_s_contract():
    """Input and output are (n, 3, 512, 512)."""
    session = builtin_kit.session("builtin_restorer")
    for one, name in ((session.get_inputs()[0], "input"), (session.get_outputs()[0], "output")):
        assert one.name == name
        assert one.shape[1:] == [3, 512, 512]


def test_an_even_picture_stays_as_it_is():
    """There is nothing to sharpen in one colour."""
    image = np.full((512, 512, 3), (90, 120, 200), np.uint8)
    assert np.array_equal(_restore(image), image)


def test_a_soft_edge_gets_steeper():
    """The largest slope of a blurred edge grows by a tenth at least."""
    image = np.zeros((512, 512, 3), np.uint8)
    image[:, 256:] = 60
    image = cv2.GaussianBlur(image + 90, (0, 0), 3.0)
    slopes = [np.abs(np.diff(one[256, :, 1].astype(int))).max() for one in (image, _restore(image))]
    assert slopes[1] >= 1.1 * slopes[0]


def test_a_strong_edge_grows_no_halo():
    """From 40 to 215 the picture overshoots by no more than 14 of 255."""
    image = np.full((512, 512, 3), 40, np.uint8)
    image[:, 256:] = 215
    made = _restore(image)
    assert made.max() <= 215 + 14
    assert made.min() >= 40 - 14
