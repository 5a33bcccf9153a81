"""Restoring the faces of a stream: turns, bounds, and how much it flickers."""

from __future__ import annotations

import numpy as np
import pytest
from restore_kit import INSIDE, MOTIONS, Ideal, coarse, energy_steps, error, sequence, truth

from edged.stages.kept import RISE_A_FRAME, Memory
from edged.stages.retouch import MEASURE_EVERY, Retoucher, Wish


class Ruler:
    """Says what the drifts are, and remembers how many faces were measured."""

    def __init__(self, *drifts, steps=(1.0, 0.2, 0.05)):
        self.drifts, self.steps, self.measured = list(drifts), steps, 0

    def __call__(self, before, _after):
        self.measured += len(before)
        drift = self.drifts.pop(0) if len(self.drifts) > 1 else self.drifts[0]
        return np.full(len(before), drift, np.float32), np.zeros((len(before), 1), np.float32)

    def eased(self, _anchors, before, _after, most):
        share = next((s for s in (2 / 3, 1 / 3) if self.drifts[0] * s * s <= most), 0.0)
        drift = self.drifts[0] * share * share
        return np.full(len(before), share, np.float32), np.full(len(before), drift, np.float32)


def retoucher(drift=None, truths=None):
    return Retoucher(Ideal([truth()] * 4 if truths is None else truths), drift or Ruler(0.0))


def step(tool, crops, wish, memory, keys):
    """The next frame of a stream."""
    memory.next_frame()
    return tool(crops, wish, memory, keys)


def faces(count=1):
    return np.stack([coarse(truth())] * count)


def stream(motion, wish, frames=48, seed=None):
    """(swapped, true, shown) crops and the number of restorations."""
    seed = np.random.SeedSequence().entropy if seed is None else seed
    memory, rows, count = Memory(), [], 0
    for swapped, true in sequence(motion, frames, seed):
        tool = retoucher(truths=[true])
        shown, _ = step(tool, swapped[None], wish, memory, ["a"])
        count += tool.restorer.restored
        rows.append((swapped, true, shown[0]))
    return rows, count


@pytest.mark.parametrize("name", MOTIONS)
def test_a_kept_detail_flickers_less_than_restoring_now_and_then(name):
    """Every fourth frame restored and nothing between: sharp and soft in turns.  Kept: no."""
    rows, restored = stream(MOTIONS[name], Wish(0.8, every_n=4))
    swapped, true, shown = zip(*rows, strict=True)
    now_and_then = [s if n % 4 else k for n, (s, k) in enumerate(zip(swapped, shown, strict=True))]
    assert energy_steps(shown) < 0.6 * energy_steps(now_and_then)
    assert error(shown, true) < error(now_and_then, true) < error(swapped, true)
    assert restored <= len(rows) // 2


def test_a_still_face_costs_a_quarter():
    """One restoration in four frames, and no more flicker than restoring every frame."""
    rows, restored = stream(MOTIONS["still"], Wish(0.8, every_n=4))
    every, all_ = stream(MOTIONS["still"], Wish(0.8))
    assert (restored, all_) == (len(rows) // 4, len(rows))
    steps = [energy_steps([shown for _, _, shown in found]) for found in (rows, every)]
    assert steps[0] < steps[1] + 0.01


def test_a_look_that_changed_at_once_shows_none_of_the_old_detail():
    """A cut, a turned head: nothing of it, and what comes anew comes in steps."""
    memory, tool = Memory(), retoucher()
    wish = Wish(1.0, every_n=4)
    step(tool, faces(), wish, memory, ["a"])
    other = np.ascontiguousarray(faces()[:, ::-1])
    shown, (touch,) = step(tool, other, wish, memory, ["a"])
    assert touch.kind == "waiting"
    assert np.array_equal(shown, other)
    strengths = [step(tool, other, wish, memory, ["a"])[1][0].strength for _ in range(9)]
    steps = np.diff([0.0, *strengths])
    assert steps.max() <= RISE_A_FRAME + 1e-6
    assert strengths[-1] == 1


def test_a_published_picture_is_restored_at_once():
    """Whoever's turn it is, and as much as was asked for."""
    memory, tool = Memory(), retoucher()
    step(tool, faces(4), Wish(1.0, every_n=4), memory, "abcd")
    _, touches = step(tool, faces(4), Wish(1.0, every_n=4, at_once=True), memory, "abcd")
    assert [(t.kind, t.strength) for t in touches] == [("anew", 1.0)] * 4


def test_a_shot_is_restored_and_measured():
    """It has no frames before it, and nothing is kept of it."""
    ruler = Ruler(0.1)
    shown, touches = retoucher(ruler)(faces(2), Wish(0.8, every_n=4, max_drift=0.3))
    assert [(t.kind, t.strength, t.eased) for t in touches] == [("anew", 0.8, False)] * 2
    assert touches[0].drift == pytest.approx(0.1)
    assert ruler.measured == 2
    assert not np.array_equal(shown, faces(2))


def test_too_much_drift_lowers_the_strength():
    """By as much as the bound asks for, and it is told."""
    shown, (touch,) = retoucher(Ruler(0.5))(faces(), Wish(0.9, max_drift=0.3))
    assert touch.eased
    assert touch.strength == pytest.approx(0.6)
    assert touch.drift == pytest.approx(0.5 * 4 / 9)
    full, _ = retoucher(Ruler(0.0))(faces(), Wish(0.9, max_drift=0.3))
    part, whole = (np.abs(s[0].astype(float) - faces()[0])[INSIDE].mean() for s in (shown, full))
    assert part == pytest.approx(whole * 2 / 3, rel=0.15)


def test_a_drift_that_nothing_cures_leaves_the_swap_alone():
    """Strength 0: the crop as the swapper gave it."""
    shown, (touch,) = retoucher(Ruler(9.0))(faces(), Wish(0.9, max_drift=0.3))
    assert touch.strength == 0
    assert touch.eased
    assert np.array_equal(shown, faces())


def test_a_face_at_the_bound_does_not_flicker():
    """Once lowered it rises only with room to spare."""
    memory, tool = Memory(), retoucher(Ruler(0.5, 0.29, 0.31, 0.29, 0.2))
    wish = Wish(1.0, max_drift=0.3, at_once=True)
    strengths = [step(tool, faces(), wish, memory, ["a"])[1][0].strength for _ in range(5)]
    assert strengths == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2 / 3, 1])


def test_a_stream_is_measured_now_and_then():
    """The same person is made into the same character, frame by frame."""
    ruler, memory = Ruler(0.1), Memory()
    tool = retoucher(ruler)
    for _ in range(2 * MEASURE_EVERY):
        _, (touch,) = step(tool, faces(), Wish(1.0, max_drift=0.3), memory, ["a"])
    assert ruler.measured == 2
    assert touch.drift == pytest.approx(0.1)


def test_crops_are_looked_at_only_when_they_have_to_be():
    """Between two measures what the network gives is pasted as it comes."""
    ruler, memory = Ruler(0.1), Memory()
    tool, wish = retoucher(ruler), Wish(1.0, max_drift=0.3)
    seen = []
    for _ in range(2 * MEASURE_EVERY):
        memory.next_frame()
        touches = tool.as_before(wish, memory, ["a"])
        seen.append(touches is None)
        if touches is None:
            _, touches = tool(faces(), wish, memory, ["a"])
        assert touches[0].drift == pytest.approx(0.1)
    assert seen == ([True] + [False] * (MEASURE_EVERY - 1)) * 2


@pytest.mark.parametrize(
    ("wish", "known"),
    [(Wish(1.0, max_drift=0.3, at_once=True), True), (Wish(1.0, every_n=2), True),
     (Wish(1.0, max_drift=0.3), False)],
)  # fmt: skip
def test_a_picture_that_is_published_kept_of_or_new_is_looked_at(wish, known):
    """There is something to do with its crops."""
    memory, tool = Memory(), retoucher()
    if known:
        step(tool, faces(), Wish(1.0, max_drift=0.3), memory, ["a"])
    assert tool.as_before(wish, memory, ["a"]) is None


def test_a_scene_without_bound_and_turns_needs_no_crops():
    """As ever: the network's output goes straight into the picture."""
    (touch,) = retoucher().as_before(Wish(0.8), None, ["a"])
    assert (touch.kind, touch.strength, touch.drift) == ("anew", 0.8, None)
