"""Steadied landmarks: still where the face is still, on the face whatever it does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.geometry import template
from edged.stages.steady import JUMP, OFF_AT_MOST, PAUSE_MS, Steady

SIDE = 160.0
POINTS = template("arcface_112", 112) * np.float32(SIDE / 112)
BOX = np.array([0, 0, SIDE, SIDE], np.float32)


def at(x, y=0.0):
    return POINTS + np.float32([x, y])


def run(offsets, *, noise_px=0.0, fps=30, side=SIDE, seed=0):
    """(raw, steadied, true) centres, (n, 2) each."""
    rng, steady = np.random.default_rng(seed), Steady()
    raw, out = [], []
    box = np.array([0, 0, side, side], np.float32)
    for frame, offset in enumerate(offsets):
        points = (at(*offset) * side / SIDE + rng.normal(0, noise_px, (5, 2))).astype(np.float32)
        raw.append(points)
        out.append(steady(points, box, round(frame * 1000 / fps)))
    return np.array(raw), np.array(out)


def rms(points):
    centred = points - points.mean(axis=0)
    return float(np.sqrt((centred**2).sum(axis=-1).mean()))


@pytest.mark.parametrize("fps", [10, 15, 30])
def test_noise_on_a_still_face_is_a_third_or_less(fps):
    """Once the filter has settled."""
    raw, out = run([(0, 0)] * 200, noise_px=0.8, fps=fps)
    assert rms(out[40:]) < (0.35 if fps == 30 else 0.6) * rms(raw[40:])


def test_a_head_that_moves_evenly_is_not_trailed():
    """A face side a second at 30 frames: within a third of a pixel."""
    raw, out = run([(frame * SIDE / 30, 0) for frame in range(90)])
    assert np.abs(out[30:] - raw[30:]).max() < 0.33


def test_a_head_that_shakes_is_followed():
    """To and fro by half a face, once a second: a fiftieth of the face, never more."""
    time = np.arange(120) / 30
    raw, out = run([(SIDE / 2 * np.sin(2 * np.pi * t), 0) for t in time])
    assert np.abs(out - raw).max() < SIDE / 50


@given(
    st.lists(
        st.tuples(st.floats(-500, 500, width=32), st.floats(-500, 500, width=32)),
        min_size=2,
        max_size=30,
    ),
    st.lists(st.integers(1, 2 * PAUSE_MS), min_size=30, max_size=30),
    st.floats(20, 600, width=32),
)
def test_no_landmark_ever_leaves_its_face(path, steps, side):
    """Whatever moves however fast: a bounded share of the side, so the paste covers it."""
    steady, now_ms = Steady(), 0
    box = np.array([0, 0, side, side], np.float32)
    for (x, y), step_ms in zip(path, steps, strict=False):
        now_ms += step_ms
        points = at(x, y)
        off = np.linalg.norm(steady(points, box, now_ms) - points, axis=1).max()
        assert off <= OFF_AT_MOST * side * 1.001 + 1e-3


def test_a_jump_is_another_look():
    """Further than a share of the face from one frame to the next."""
    steady = Steady()
    for frame in range(10):
        steady(at(0), BOX, frame * 33)
    there = at(JUMP * SIDE + 1)
    assert np.array_equal(steady(there, BOX, 330), there)


@pytest.mark.parametrize("later_ms", [0, PAUSE_MS + 1])
def test_a_pause_begins_anew(later_ms):
    """Also two frames of one time: no speed can be told from them."""
    steady = Steady()
    for frame in range(10):
        steady(at(frame), BOX, frame * 33)
    there = at(12)
    assert np.array_equal(steady(there, BOX, 297 + later_ms), there)


def test_faces_of_any_size_are_steadied_alike():
    """Everything is in sides of the face."""
    _, small = run([(0, 0)] * 60, noise_px=0.5, side=80)
    _, large = run([(0, 0)] * 60, noise_px=2.0, side=320)
    assert np.allclose(small * 4, large, atol=0.05)
