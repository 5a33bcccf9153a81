"""Exposure, white balance and focus, on photos changed by a known amount."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from measure_kit import find, seven
from photos import t1

from edged.measure.booth import BoothView
from edged.measure.focus import SHARP, SOFT, face_focus
from edged.measure.light import face_light, frame_light, tint_name
from edged.stages.align import crops, matrices

NOBODY = np.zeros((0, 4), np.float32)


def tinted(picture, stops_red, stops_blue):
    """The picture under a lamp of another colour: gains in linear light."""
    linear = (picture / 255.0) ** 2.2 * [2**stops_blue, 1, 2**stops_red] * 0.5
    return np.rint(255 * np.clip(linear, 0, 1) ** (1 / 2.2)).astype(np.uint8)


@pytest.mark.parametrize(("red", "blue"), [(0.6, -0.6), (-0.5, 0.5), (-0.6, -0.6)])
def test_a_cast_is_measured_in_stops(red, blue):
    """The difference between two frames is the lamp's, by both ways of asking."""
    plain, cast = (frame_light(tinted(t1(), *s), NOBODY) for s in ((0, 0), (red, blue)))
    for before, after in ((plain.world, cast.world), (plain.edges, cast.edges)):
        assert np.subtract(after, before) == pytest.approx([red, blue], abs=0.15)


def test_casts_have_names():
    """By the signs of red and blue against green."""
    named = [tint_name(t) for t in ((0.5, -0.5), (-0.5, 0.5), (-0.4, -0.6), (0.5, 0.4))]
    assert named == ["warm", "cool", "green", "magenta"]


def test_faces_say_nothing_of_the_light():
    """A red face in a grey room leaves the white balance where it is."""
    room = np.random.default_rng(0).integers(60, 200, (300, 400, 1), np.uint8).repeat(3, axis=2)
    room[100:200, 150:250] = (40, 40, 220)
    box = np.array([[150, 100, 250, 200]], np.float32)
    assert np.abs(frame_light(room, box).world).max() < 0.02
    assert frame_light(room, NOBODY).world[0] > 0.1


def face_crops(change):
    for photo, points in seven():
        matrix = matrices([points], "arcface_112", 112)[0]
        yield crops(change(photo, np.linalg.norm(points[1] - points[0])), [matrix], 112)[0]


def test_burnt_out_and_dark_faces_are_seen():
    """Clipping and highlights follow the exposure."""
    as_is = [face_light(c) for c in face_crops(lambda p, _: p)]
    over = [face_light(c) for c in face_crops(lambda p, _: cv2.convertScaleAbs(p, alpha=1.9))]
    under = [face_light(c) for c in face_crops(lambda p, _: cv2.convertScaleAbs(p, alpha=0.3))]
    assert max(f.clipped for f in as_is) < 0.02 < min(f.clipped for f in over)
    assert max(f.bright for f in under) < 100 < min(f.bright for f in as_is)


def test_a_lamp_at_one_side_is_seen():
    """Two stops from left to right: about one between the halves, and the sign says where."""
    ramp = np.linspace(1.0, 0.25, 112)[None, :, None]
    crop = np.rint(200 * np.clip(ramp, 0, 1) ** (1 / 2.2)) * np.ones((112, 1, 3))
    sides = face_light(crop.astype(np.uint8)).sides
    assert 0.4 < sides < 1.2
    assert face_light(crop[:, ::-1].astype(np.uint8)).sides == pytest.approx(-sides, abs=0.1)


def test_focus_falls_with_blur():
    """Sharp as they are, out of focus with a blur of 0.12 eye distances, and between between."""
    sharp = [face_focus(c).both for c in face_crops(lambda p, _: p)]
    blurred = {
        share: [face_focus(c).both for c in face_crops(
            lambda p, eyes, s=share: cv2.GaussianBlur(p, (0, 0), s * float(eyes)))]
        for share in (0.06, 0.12)
    }  # fmt: skip
    assert min(sharp) > SHARP
    assert all(a > b > c for a, b, c in zip(sharp, blurred[0.06], blurred[0.12], strict=True))
    assert max(blurred[0.12]) < SOFT


def test_focus_holds_through_grain():
    """Noise is no sharpness: a blurred face with grain stays out of focus."""
    random = np.random.default_rng(1)

    def grainy(photo, eyes):
        soft = cv2.GaussianBlur(photo, (0, 0), 0.15 * float(eyes))
        return np.clip(soft + random.normal(0, 6, photo.shape), 0, 255).astype(np.uint8)

    assert max(face_focus(c).both for c in face_crops(grainy)) < SOFT


def test_motion_blurs_one_direction():
    """Sideways motion takes gradients across, and leaves those down."""
    moved = [face_focus(c) for c in face_crops(lambda p, _: cv2.blur(p, (25, 1)))]
    assert np.median([f.down - f.across for f in moved]) > 0.12


def test_a_view_measures_a_large_picture_as_a_small_one():
    """Three times as many pixels of the same scene: same focus and light, larger faces."""
    small, large = BoothView(find, ordered=False), BoothView(find, ordered=False)
    small.add(t1())
    large.add(cv2.resize(t1(), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC))
    assert len(small.focus) == len(large.focus) == 6
    for a, b in zip(small.focus, large.focus, strict=True):
        assert a.both == pytest.approx(b.both, abs=0.06)
    assert np.array(large.sides_px) == pytest.approx(3 * np.array(small.sides_px), rel=0.12)
    assert np.array(large.spans) == pytest.approx(np.array(small.spans), rel=0.12)
