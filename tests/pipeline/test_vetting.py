"""What keeps a picture or a face out: liveness, blinks, content."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from pipeline_kit import (
    LEFT,
    RIGHT,
    Eyes,
    box,
    found,
    frame,
    is_filled,
    make,
    poster,
    shot,
    stream,
    with_scene,
)

from edged.errors import EngineError
from edged.faces import Life
from edged.pipeline.vetting import CONTENT_EVERY_MS, SCORE_EVERY_MS, SCORES, barred
from edged.privacy.guard import Passed, Refused
from edged.scene import MaskSettings, Scene
from edged.stages.content import ContentCheck
from edged.stages.face_parts import PARTS
from edged.stages.liveness import Liveness
from edged.verdicts import SENTENCES, Reason

REQUIRE = with_scene(liveness="require")
WARN = with_scene(liveness="warn")
PORTRAIT = Scene(mode="portrait", restore=False, liveness="require")


class Net:
    """A liveness network: a score for whoever begins at a place; counts faces."""

    def __init__(self, **scores):
        self.scores, self.faces = {"left": 0.9, "right": 0.9, **scores}, 0

    def __call__(self, image, faces):
        assert image.shape == frame().shape
        self.faces += len(faces)
        at = ["left" if f.box[0] < box(RIGHT)[0] - 50 else "right" for f in faces]
        return [self.scores[place] for place in at]


class Lids:
    """Dense landmarks of eyes that are as open as a test says."""

    def __init__(self):
        self.opening, self.runs = 0.3, 0

    def __call__(self, _image, faces):
        self.runs += 1
        return [self._points() for _ in faces]

    def _points(self):
        points = np.zeros((68, 2), np.float32)
        for ring, middle in zip(PARTS[68].eyes, (100, 160), strict=True):
            angle = np.linspace(np.pi, 3 * np.pi, len(ring), endpoint=False)
            oval = np.stack([20 * np.cos(angle), 20 * self.opening * np.sin(angle)], 1)
            points[list(ring)] = oval + np.array([middle, 100])
        return points


def pipeline_with(net, *places, **more):
    more = {"liveness": Liveness((net,), 0.5), **more}
    return make(Eyes(found(*(places or (LEFT, RIGHT)))), vetting=more)[0]


def test_a_print_is_filled_where_live_faces_are_required():
    """The other face of the same shot is swapped as ever; both scores are in the result."""
    pipeline = pipeline_with(Net(left=0.1))
    outcome = pipeline.process(frame(), shot(REQUIRE))
    assert isinstance(outcome.ruling, Passed)
    assert is_filled(outcome.ruling.image, LEFT)
    assert not is_filled(outcome.ruling.image, RIGHT)
    notes = {note.action: (note.liveness, note.live) for note in outcome.faces}
    assert notes == {"filled": (0.1, False), "swapped": (0.9, True)}
    assert "liveness" in outcome.stages_ms


def test_a_warning_changes_nothing_but_the_result():
    """Both are swapped, one is said to be no live face."""
    outcome = pipeline_with(Net(left=0.1)).process(frame(), shot(WARN))
    assert [note.action for note in outcome.faces] == ["swapped", "swapped"]
    assert sorted(note.live for note in outcome.faces) == [False, True]


def test_off_asks_no_network_and_says_nothing():
    """Not one run, and no field in the result."""
    net = Net(left=0.1)
    outcome = pipeline_with(net).process(frame(), shot())
    assert net.faces == 0
    assert b"live" not in msgspec.json.encode(outcome.faces)


def test_a_face_that_cannot_be_told_is_not_live():
    """No score is no yes; the result has no number then."""
    outcome = pipeline_with(Net(left=None)).process(frame(), shot(REQUIRE))
    assert is_filled(outcome.ruling.image, LEFT)
    assert {(note.liveness, note.live) for note in outcome.faces} == {(None, False), (0.9, True)}


def test_a_portrait_of_a_print_is_refused():
    """A visitor with consent who holds up a picture gets no picture, and is told why."""
    eyes = Eyes(found(LEFT, RIGHT))
    vetting = {"liveness": Liveness((Net(right=0.2),), 0.5)}
    pipeline, pool = make(eyes, templates={"scene": poster()}, vetting=vetting)
    outcome = pipeline.process(frame(), shot(PORTRAIT, ["a", "b"]))
    assert outcome.ruling == Refused(Reason.NOT_LIVE)
    assert SENTENCES[Reason.NOT_LIVE]
    assert pool.leased == 0


def test_a_network_that_fails_refuses_the_frame():
    """What could not be checked is not shown."""

    class Broken:
        def __call__(self, *_):
            raise EngineError("no")

    outcome = pipeline_with(Broken()).process(frame(), shot(REQUIRE))
    assert outcome.ruling == Refused(Reason.PIPELINE_ERROR)


def run(pipeline, scene, upto_ms, step_ms=40, *, begin_ms=0, each=lambda _: None):
    """Stream frames; the last outcome."""
    outcome = None
    for now_ms in range(begin_ms, upto_ms + 1, step_ms):
        each(now_ms)
        outcome = pipeline.process(frame(), stream(now_ms, scene))
        if outcome.buffer is not None:
            outcome.buffer.release()
    return outcome


def live(outcome):
    return [note.live for note in outcome.faces]


def test_a_streams_faces_are_scored_five_times_a_second():
    """Not in every frame; a new face at once."""
    net = Net()
    run(pipeline_with(net), REQUIRE, 2000)
    assert net.faces == 2 * (2000 // SCORE_EVERY_MS + 1)


def test_one_bad_frame_takes_nobodys_character():
    """The median of the last scores decides, both ways."""
    net = Net()
    pipeline = pipeline_with(net)
    run(pipeline, REQUIRE, 1000)
    net.scores["left"] = 0.0
    outcome = run(pipeline, REQUIRE, 1200, 200, begin_ms=1200)
    assert live(outcome) == [True, True]
    outcome = run(pipeline, REQUIRE, 1200 + SCORES * SCORE_EVERY_MS, SCORE_EVERY_MS, begin_ms=1400)
    assert live(outcome) == [False, True]
    assert {note.action for note in outcome.faces} == {"filled", "swapped"}


def blinking(lids, *times_ms):
    """Shuts the eyes for 160 ms from each time."""

    def each(now_ms):
        lids.opening = 0.05 if any(t <= now_ms < t + 160 for t in times_ms) else 0.3

    return each


def test_who_must_blink_is_filled_until_then():
    """Skin alone is not enough; the first blink gives the character."""
    lids = Lids()
    pipeline = pipeline_with(Net(), RIGHT, landmarker=lids)
    scene = with_scene(liveness="require", blink=True)
    before = run(pipeline, scene, 1000, each=blinking(lids))
    assert live(before) == [False]
    after = run(pipeline, scene, 2000, begin_ms=1040, each=blinking(lids, 1400))
    assert live(after) == [True]
    assert after.faces[0].action == "swapped"


def test_a_print_that_blinks_is_no_live_face_either():
    """Both factors are needed."""
    lids = Lids()
    pipeline = pipeline_with(Net(right=0.1), RIGHT, landmarker=lids)
    scene = with_scene(liveness="require", blink=True)
    assert live(run(pipeline, scene, 2000, each=blinking(lids, 1400))) == [False]


def test_nobody_looks_for_blinks_unasked_or_in_a_shot():
    """Landmarks cost a run of their own; a single picture shows no blink."""
    lids = Lids()
    pipeline = pipeline_with(Net(), landmarker=lids)
    run(pipeline, REQUIRE, 400)
    outcome = pipeline.process(frame(), shot(with_scene(liveness="require", blink=True)))
    assert lids.runs == 0
    assert live(outcome) == [True, True]


def test_a_kept_mouth_uses_the_landmarks_of_the_blink():
    """One run a frame, not two."""
    lids = Lids()
    pipeline = pipeline_with(Net(), RIGHT, landmarker=lids)
    mask = MaskSettings(keep_mouth=True)
    for scene, runs in ((with_scene(liveness="warn", blink=True, mask=mask), 1),
                        (with_scene(mask=mask), 2)):  # fmt: skip
        pipeline.process(frame([RIGHT]), stream(0, scene))
        assert lids.runs == runs


def content(answers):
    """A content check of one network; `answers` is popped, the last one stays."""

    def net(_image):
        net.runs += 1
        return answers.pop(0) if len(answers) > 1 else answers[0]

    net.runs = 0
    return {"content": ContentCheck((net,))}, net


def test_a_shot_with_unfit_content_is_refused_before_any_work():
    """No detector looks, no buffer is leased, and the sender gets the reason."""
    vetting, _ = content([True])
    eyes = Eyes(found(LEFT))
    pipeline, pool = make(eyes, vetting=vetting)
    assert pipeline.process(frame(), shot()).ruling == Refused(Reason.CONTENT)
    assert eyes.looks == pool.leased == 0


def test_every_shot_is_looked_at_and_streams_once_a_second():
    """A hit in a stream holds until the next look."""
    vetting, net = content([False])
    pipeline, _ = make(Eyes(found(LEFT)), vetting=vetting)
    for _ in range(3):
        pipeline.process(frame(), shot())
    assert net.runs == 3
    vetting, net = content([True, False])
    pipeline, _ = make(Eyes(found(LEFT)), vetting=vetting)
    rulings = [pipeline.process(frame(), stream(t)).ruling for t in range(0, 2000, 250)]
    refused = [ruling == Refused(Reason.CONTENT) for ruling in rulings]
    assert refused == [True] * (CONTENT_EVERY_MS // 250) + [False] * 4
    assert net.runs == 2


def test_a_published_frame_of_a_stream_is_looked_at_itself():
    """What leaves is never passed for a look at another frame."""
    vetting, net = content([False])
    pipeline, _ = make(Eyes(found(LEFT)), vetting=vetting)
    pipeline.process(frame(), stream(0))
    pipeline.process(frame(), stream(100, whole=True))
    assert net.runs == 2


def test_content_that_cannot_be_checked_is_refused():
    """Never shown by mistake."""

    def broken(_image):
        raise EngineError("no")

    pipeline, _ = make(Eyes(found(LEFT)), vetting={"content": ContentCheck((broken,))})
    assert pipeline.process(frame(), shot()).ruling == Refused(Reason.PIPELINE_ERROR)


@pytest.mark.parametrize(
    ("policy", "life", "out"),
    [
        ("off", None, False), ("warn", Life(0.1, None, live=False), False),
        ("require", None, True), ("require", Life(0.9, None, live=True), False),
        ("require", Life(0.9, False, live=False), True),
    ],
)  # fmt: skip
def test_only_require_bars_a_face(policy, life, out):
    """And a face that nobody looked at is barred, too."""
    face = type("F", (), {"life": life})
    assert barred(face, with_scene(liveness=policy)) is out


def test_who_was_away_has_to_show_again_that_they_are_live():
    """A print of somebody who left is taken for them by likeness, and brings no credit along."""
    net = Net()
    pipeline = pipeline_with(net)
    assert live(run(pipeline, REQUIRE, 2000)) == [True, True]
    net.scores["left"] = 0.0
    still = run(pipeline, REQUIRE, 2200, 200, begin_ms=2200)
    assert live(still) == [True, True]  # a moment's doubt
    pipeline._studio.vetting._frames["booth"] += 10  # frames in which nobody was seen
    assert live(run(pipeline, REQUIRE, 4000, 200, begin_ms=4000)) == [False, True]
