"""What `edged.builtin.mask` promises."""

import numpy as np
import pytest

from edged.builtin.mask import inner_face_mask
from edged.geometry import template


@pytest.mark.parametrize(("name", "size"), [("arcface_112", 112), ("arcface_128", 128)])
def test_eyes_nose_and_mouth_lie_inside(name, size):
    """All five landmarks of the template are fully inside."""
    mask = inner_face_mask(size)
    for x, y in np.rint(template(name, size)).astype(int):
        assert mask[y, x] == 1.0


def test_the_border_stays_the_frame_s():
    """The swapper's mask is 0 on the crop's border, so that a paste has no edge."""
    mask = inner_face_mask(128)
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0.0


def test_the_upper_forehead_is_left_alone():
    """What lies 35 px above the eyes is not touched."""
    assert inner_face_mask(112)[16].max() == 0.0


def test_no_step_is_visible():
    """Neighbouring pixels differ by less than a quarter."""
    mask = inner_face_mask(128)
    assert np.abs(np.diff(mask, axis=0)).max() < 0.25
    assert np.abs(np.diff(mask, axis=1)).max() < 0.25


def test_the_wide_crop_holds_the_same_face():
    """The 128 px mask is the 112 px one, moved right by 8 px."""
    assert np.array_equal(inner_face_mask(128)[:112, 8:120], inner_face_mask(112))


def test_it_is_shared_and_cannot_be_written():
    """The second call gives the same array, which is read-only."""
    assert inner_face_mask(128) is inner_face_mask(128)
    with pytest.raises(ValueError, match="read-only"):
        inner_face_mask(128)[0, 0] = 1.0


@pytest.mark.parametrize("size", [0, 100, 113, -128])
def test_other_crops_are_refused(size):
    """A size of neither template is an error that names the size."""
    with pytest.raises(ValueError, match=str(size)):
        inner_face_mask(size)
