"""Details kept from frame to frame: what they are, whose turn it is, how much is kept."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from restore_kit import SIDE, coarse, posed, truth

from edged.stages import kept
from edged.stages.kept import (
    ALL,
    FORGET_FRAMES,
    Kept,
    Memory,
    detail_of,
    fit,
    over_all,
    sketch,
    with_detail,
)


def test_a_detail_brings_the_restored_crop_back():
    """Added to the crop that it was taken from it gives the restored one, to the byte."""
    crop, restored = coarse(truth()), truth()
    apart = restored.astype(int) - crop
    detail, fair = detail_of(restored, crop), np.abs(apart) < 128
    assert fair.mean() > 0.999, "hardly anything is cut off"
    assert np.array_equal(with_detail(crop, detail, ALL)[fair], restored[fair])
    assert np.array_equal(with_detail(crop, detail, 0 * ALL), crop)
    half = with_detail(crop, detail, ALL / 2).astype(float)
    assert np.abs(half - (crop + apart / 2))[fair].max() <= 0.51


def test_a_share_may_differ_from_block_to_block():
    """All of it on the left, nothing on the right, and no seam between."""
    crop, detail = np.full((64, 64, 3), 100, np.uint8), np.full((64, 64, 3), 168, np.uint8)
    shares = np.repeat([[1, 1, 1, 1, 0, 0, 0, 0]], 8, axis=0).astype(np.float32)
    for mark, made in ((1, with_detail(crop, detail, shares)),
                       (-1, with_detail(crop, 255 - detail, shares))):  # fmt: skip
        change = (made[..., 0].astype(int) - 100) * mark
        assert np.abs(change[:, :28] - 40).max() <= 1
        assert np.abs(change[:, 36:]).max() <= 1
        assert np.abs(np.diff(change[32])).max() <= 6


def test_other_light_leaves_a_detail_fitting():
    """A cloud or an exposure step is no other face."""
    crop = coarse(truth())
    darker = np.rint(crop * 0.85).astype(np.uint8)
    assert over_all(fit(sketch(crop), sketch(darker))) == 1


@pytest.mark.parametrize(("mouth_px", "turn_px"), [(10, 0), (0, 20)])
def test_another_look_fits_less(mouth_px, turn_px):
    """The further a mouth opens or a head turns, the less of the detail is left."""
    was = sketch(coarse(truth()))
    looks = (coarse(posed(truth(), mouth_px * part, turn_px * part)) for part in (0, 0.5, 1))
    shares = [over_all(fit(was, sketch(look))) for look in looks]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[2] < 0.95


def test_a_mouth_that_opens_leaves_the_eyes_their_detail():
    """What changed loses it, and nothing else does."""
    shares = fit(sketch(coarse(truth())), sketch(coarse(posed(truth(), mouth_px=10))))
    assert shares[2:5, 2:6].min() > 0.9, "eyes and nose"
    assert shares[5:7, 3:5].min() < 0.5, "mouth"


def test_another_face_does_not_fit():
    """Turned upside down stands for it: nothing of a detail would be in its place."""
    crop = coarse(truth())
    assert over_all(fit(sketch(crop), sketch(np.ascontiguousarray(crop[::-1])))) < 0.1


@pytest.mark.parametrize("side", [256, 512, 1024, 400])
def test_sketches_are_of_one_size(side):
    """Whatever the restorer's crops are."""
    assert sketch(cv2.resize(truth(), (side, side))).shape == (32, 32)


def after(memory, keys, every_n, frames, fits=()):
    """Numbers of the faces that are restored, frame by frame."""
    rows = []
    for _ in range(frames):
        memory.next_frame()
        due = memory.due(keys, every_n, fits or [1.0] * len(keys))
        rows.append(due)
        for key in keys:
            memory.get(key)
        for row in due:
            memory.keep(keys[row], Kept())
    return rows


def test_one_face_has_its_turn_every_nth_frame():
    """The first frame and every fourth after it."""
    assert after(Memory(), ["a"], 4, 9) == [[0], [], [], [], [0], [], [], [], [0]]


def test_many_faces_take_turns():
    """Four that come together cost one restoration a frame, and each has its fourth."""
    rows = after(Memory(), ["a", "b", "c", "d"], 4, 12)
    assert all(len(row) == 1 for row in rows)
    assert [row[0] for row in rows] == [0, 1, 2, 3] * 3


def test_every_frame_restores_everybody():
    """That is what one means."""
    assert after(Memory(), ["a", "b"], 1, 3) == [[0, 1]] * 3


def test_a_worn_detail_is_made_anew_at_half_its_time():
    """Not at once: a face that moves all the time must not cost every frame."""
    assert after(Memory(), ["a"], 4, 5, fits=[0.2]) == [[0], [], [0], [], [0]]


def test_a_face_that_is_gone_is_forgotten():
    """So that a crowd that passes by leaves nothing behind."""
    memory = Memory()
    after(memory, ["a"], 4, 1)
    after(memory, ["b"], 4, FORGET_FRAMES)
    assert memory.look("a") is not None
    after(memory, ["b"], 4, 1)
    assert memory.look("a") is None
    assert memory.look("b") is not None


def test_details_take_a_bounded_amount_of_memory(monkeypatch):
    """The oldest make room."""
    monkeypatch.setattr(kept, "MOST_BYTES", 3 * SIDE * SIDE * 3)
    memory = Memory()
    for key in range(5):
        memory.keep(key, Kept(detail=np.zeros((SIDE, SIDE, 3), np.uint8)))
    assert [key for key in range(5) if memory.look(key)] == [2, 3, 4]
    assert memory.bytes == 3 * SIDE * SIDE * 3
