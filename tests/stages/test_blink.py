"""Blinks: an eye that shuts and opens again in the time that a blink takes."""

from __future__ import annotations

import numpy as np
import pytest

from edged.stages.blink import Blinks


def watch(openings, fps=30):
    """A face's eyes at so many frames a second."""
    blinks = Blinks()
    for number, opening in enumerate(openings):
        blinks.see(float(opening), round(number * 1000 / fps))
    return blinks


def eyes(seconds, shut=(), *, fps=30, usual=0.3, noise=0.015, seed=0):
    """Openings with noise, and shut from and for so many milliseconds."""
    at = np.arange(int(seconds * fps)) * 1000 / fps
    out = usual + np.random.default_rng(seed).normal(0, noise, len(at))
    for start, length in shut:
        out[(at >= start) & (at < start + length)] *= 0.3
    return out


@pytest.mark.parametrize("fps", [12, 25, 30, 60])
@pytest.mark.parametrize("usual", [0.18, 0.3, 0.42])
def test_a_blink_is_seen_at_every_rate_and_in_every_eye(fps, usual):
    """200 ms, narrow eyes and wide ones."""
    blinks = watch(eyes(4, [(2000, 200)], fps=fps, usual=usual, noise=0.02 * usual), fps)
    assert blinks.last_ms is not None
    assert 2100 <= blinks.last_ms <= 2400


@pytest.mark.parametrize("seed", range(20))
def test_a_still_print_does_not_blink(seed):
    """Noise of landmarks alone, five per cent of the opening, for a minute."""
    assert watch(eyes(60, seed=seed)).last_ms is None


def test_one_frame_of_noise_is_no_blink():
    """A single low value between good ones."""
    openings = eyes(3)
    openings[60] = 0.05
    assert watch(openings, fps=60).last_ms is None


def test_shut_eyes_and_a_nod_are_no_blink():
    """Shut for a second and a half is no blink, nor is a face that never opens them."""
    assert watch(eyes(5, [(2000, 1500)])).last_ms is None
    assert watch(eyes(5) * 0.1).last_ms is None


def test_a_pause_of_the_camera_is_no_blink():
    """What lies between two frames that are far apart was not seen."""
    blinks = Blinks()
    for number, opening in enumerate(eyes(2)):
        blinks.see(float(opening), number * 33)
    blinks.see(0.05, 2033)
    blinks.see(0.3, 2500)
    assert blinks.last_ms is None


def test_a_blink_counts_for_a_while():
    """And no longer."""
    blinks = watch(eyes(4, [(2000, 200)]))
    assert blinks.within(5000, 6000)
    assert not blinks.within(5000, 9000)
    assert not Blinks().within(5000, 0)
