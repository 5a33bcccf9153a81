"""Portraits through the whole daemon: the likeness of who consented, and no pixel of theirs.

The templates are the drawn ones that the package carries; what a visitor's face is
compared with are the two recognisers, of which the swapper knows one.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from booth import Booth
from graph_kit import of_file
from photos import astronaut, t1
from shots import say

from edged.daemon.pictures import builtin_poster
from edged.geometry import similarity, template
from edged.stages.embed import Embedder
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.views import Effort
from edged.transport.wire import ConsentEntry

SUMMIT = """
[scenes.summit]
mode = "portrait"
template = "builtin:summit"
jpeg_quality = 90
"""
QUALITY = 90
JPEG_REACH_PX = 18
"""A changed pixel changes its 16 px block of the JPEG and, by smooth chroma, 2 px more."""
LOOK = Effort((640, 256, 128), close_px=128, every=True)
"""Landmarks as the engine's close look gives them: the built-in recogniser is a cosine basis
of the aligned crop, and 3 px on a face of 117 cost it 0.2 of likeness."""
LARGER = 1.06
"""The soft rim of what is pasted reaches so much beyond a slot's box."""


@pytest.fixture(scope="module")
def booth(tmp_path_factory, test_models):
    folder = tmp_path_factory.mktemp("booth")
    with Booth(folder, models=test_models, extra=SUMMIT) as device:
        yield device


class People:
    """The seven people of the photos: aligned faces and what each recogniser says of them.

    Number 0 is the astronaut, 1 to 6 are those of the group photo, largest face first.
    """

    def __init__(self, booth, models):
        self._sessions = [
            of_file(path, recipe_id).__enter__()
            for path, recipe_id in (
                (booth.folder / "models/builtin_recogniser.onnx", "builtin_recogniser"),
                (booth.folder / "models/test_mbf.onnx", "w600k_mbf"),
                (models / "det_500m.onnx", "det_500m"),
            )
        ]
        self.recognisers = [Embedder(s) for s in self._sessions[:2]]
        finder = Scrfd(self._sessions[2])
        self.found = [
            (photo, face)
            for photo in (astronaut(), t1())
            for face in search(photo, [finder], LOOK)
            if face.score > 0.7
        ]
        assert len(self.found) == 7
        self.crops = np.stack([crop_at(photo, face.landmarks) for photo, face in self.found])
        self._known = [recogniser(self.crops) for recogniser in self.recognisers]

    def cosines(self, crop):
        """Likeness of a face to each of the seven, by the built-in and the other recogniser."""
        return [r(crop[None])[0] @ k.T for r, k in zip(self.recognisers, self._known, strict=True)]

    def close(self):
        for session in self._sessions:
            session.__exit__(None, None, None)


@pytest.fixture(scope="module")
def people(booth, test_models):
    everybody = People(booth, test_models)
    yield everybody
    everybody.close()


def crop_at(image, landmarks):
    return cv2.warpAffine(image, similarity(landmarks, template("arcface_112", 112)), (112, 112))


def portrait(booth, photo, scene, consent):
    answer = booth.send(photo, camera="booth", scene=scene, consent=consent, want="image")
    assert (answer.verdict.verdict, answer.verdict.reason) == ("queued", "ok")
    doc, picture = booth.published(answer)
    assert booth.consumer.picture(answer.verdict.id) == answer.picture
    return answer, doc, picture


def assert_shows(people, picture, scene, slot, who, *, judges=2):
    """The person of a slot looks like one visitor, clearly, and the template did not.

    The first judge is the recogniser that the swapper takes.  The built-in swapper is no
    match for every face: the second may be left out.
    """
    drawn, slots = builtin_poster(scene)
    _, landmarks = slots[slot]
    now, before = (people.cosines(crop_at(i, landmarks)) for i in (picture, drawn))
    for is_now, was in list(zip(now, before, strict=True))[:judges]:
        others = np.delete(is_now, who)
        say(f"{scene} {slot}: visitor {is_now[who]:.2f}, nearest other {others.max():.2f}, "
              f"template {was[who]:.2f}")  # fmt: skip
        assert is_now[who] > others.max() + 0.15
        assert is_now[who] > was[who] + 0.1
    assert now[0][who] > 0.9


def oval_of(box, shape):
    """A squarish oval a little larger than a face's box, and what JPEG carries beyond it."""
    x1, y1, x2, y2 = (float(v) for v in box)
    y, x = np.ogrid[: shape[0], : shape[1]]
    u = (x - (x1 + x2) / 2) / ((x2 - x1) / 2) / LARGER
    v = (y - (y1 + y2) / 2) / ((y2 - y1) / 2) / LARGER
    oval = (np.abs(u) ** 3 + np.abs(v) ** 3 < 1).astype(np.uint8)
    return cv2.dilate(oval, np.ones((2 * JPEG_REACH_PX + 1,) * 2, np.uint8)) > 0


def assert_is_the_template_elsewhere(picture, scene, used):
    """Outside the slots' ovals the picture is the template's JPEG, to the pixel."""
    drawn, slots = builtin_poster(scene)
    assert picture.shape == drawn.shape
    done, jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    changed = (picture != cv2.imdecode(jpeg, cv2.IMREAD_COLOR)).any(axis=2)
    inside = np.zeros(picture.shape[:2], bool)
    for slot in used:
        oval = oval_of(slots[slot][0], picture.shape[:2])
        assert changed[oval].any()
        inside |= oval
    assert not changed[~inside].any()
    assert inside.mean() < 0.2  # it says something about most of the picture


def detail(crop):
    """What a pixel adds to its surroundings: copies share it, likenesses do not."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return grey - cv2.GaussianBlur(grey, (0, 0), 2.0)


def copied(camera, shown, block=32, step=8):
    """Highest correlation of any textured block of a camera's face with any place shown."""
    source, target = detail(camera), detail(shown)
    best = 0.0
    for y in range(20, 112 - block, step):
        for x in range(20, 92 - block, step):
            piece = source[y : y + block, x : x + block]
            if piece.std() > 3:
                found = cv2.matchTemplate(target, piece, cv2.TM_CCOEFF_NORMED)
                best = max(best, float(np.abs(found).max()))
    return best


def assert_no_camera_pixel(people, picture, scene, slot):
    """No piece of any photographed face lies in the slot, wherever and however shifted."""
    drawn, slots = builtin_poster(scene)
    face = crop_at(picture, slots[slot][1])
    by_chance = max(copied(crop, crop_at(drawn, slots[slot][1])) for crop in people.crops)
    worst = max(copied(crop, face) for crop in people.crops)
    leaked = face.copy()
    leaked[38:86, 36:84] = people.crops[0][36:84, 38:86]  # a piece of it, somewhere else
    control = copied(people.crops[0], leaked)
    say(f"{scene} {slot}: block correlation {worst:.2f}, of the template alone "
          f"{by_chance:.2f}, of a leak {control:.2f}")  # fmt: skip
    assert control > 0.99
    assert worst < 0.9


def test_a_visitor_becomes_the_person_of_the_poster(booth, people):
    """The likeness is the visitor's, everything else is the template's."""
    _, doc, picture = portrait(booth, astronaut(), "poster", ["visit-1"])
    assert [(f["action"], f["slot"], f["consent"]) for f in doc["faces"]] == [
        ("slot", 0, "visit-1")
    ]
    assert (doc["mode"], doc["bystanders"]) == ("portrait", 0)
    assert_shows(people, picture, "poster", 0, who=0)
    assert_is_the_template_elsewhere(picture, "poster", [0])
    assert_no_camera_pixel(people, picture, "poster", 0)


def consent_of(people, number, ref):
    """A consent that says where one of the seven stands."""
    return ConsentEntry(ref, box_px=tuple(float(v) for v in people.found[number][1].box))


def test_six_people_and_one_consent_without_a_place_are_refused(booth):
    """Nobody can tell whose it is; the visitor is told what to do and nothing leaves."""
    answer = booth.send(t1(), camera="booth", scene="poster", consent=["visit-0"], want="image")
    assert (answer.verdict.verdict, answer.verdict.reason) == ("refused", "surplus-faces")
    assert answer.verdict.numbers == {"faces": 6}
    assert answer.picture is None
    assert booth.consumer.find(answer.verdict.id) is None


@pytest.mark.parametrize("who", [1, 3])
def test_one_consent_covers_one_of_six(booth, people, who):
    """The one whose box came with it, near or far; five are bystanders who appear nowhere."""
    consent = consent_of(people, who, f"visit-2{who}")
    answer, doc, picture = portrait(booth, t1(), "poster", [consent])
    assert doc["bystanders"] == 5
    assert answer.verdict.numbers["bystanders"] == 5
    assert [f["consent"] for f in doc["faces"]] == [consent.ref]
    assert doc["consents"] == [consent.ref]
    assert_shows(people, picture, "poster", 0, who=who, judges=1)
    assert_is_the_template_elsewhere(picture, "poster", [0])
    assert_no_camera_pixel(people, picture, "poster", 0)


def test_two_consents_fill_two_slots(booth, people):
    """Two people stand in the template in the order in which they stood before the camera."""
    left, right = sorted((1, 2), key=lambda number: people.found[number][1].box[0])
    consents = [consent_of(people, right, "visit-3"), consent_of(people, left, "visit-4")]
    answer, doc, picture = portrait(booth, t1(), "summit", consents)
    assert [(f["slot"], f["consent"]) for f in doc["faces"]] == [(0, "visit-4"), (1, "visit-3")]
    assert (doc["bystanders"], answer.verdict.numbers["swapped"]) == (4, 2)
    assert_shows(people, picture, "summit", 0, who=left, judges=1)
    assert_shows(people, picture, "summit", 1, who=right, judges=1)
    assert_is_the_template_elsewhere(picture, "summit", [0, 1])
    for slot in (0, 1):
        assert_no_camera_pixel(people, picture, "summit", slot)


def test_a_slot_without_consent_keeps_its_own_face(booth, people):
    """One consent in a template of two fills one slot; the other is the template's, untouched."""
    _, doc, picture = portrait(booth, t1(), "summit", [consent_of(people, 1, "visit-5")])
    assert [(f["slot"], f["consent"]) for f in doc["faces"]] == [(0, "visit-5")]
    assert doc["bystanders"] == 5
    assert_shows(people, picture, "summit", 0, who=1)
    assert_is_the_template_elsewhere(picture, "summit", [0])


def test_more_consents_than_people_use_who_is_there(booth):
    """A consent too many brings nobody into the picture."""
    _, doc, picture = portrait(booth, astronaut(), "summit", ["visit-6", "visit-7"])
    assert [face.get("consent") for face in doc["faces"]] == [None]  # whose it is nobody said
    assert doc["consents"] == ["visit-6", "visit-7"]
    assert doc["bystanders"] == 0
    assert_is_the_template_elsewhere(picture, "summit", [0])


@pytest.mark.parametrize("scene", ["poster", "summit"])
def test_without_consent_nothing_leaves(booth, scene):
    """No consent: refused by name, no picture, nothing at the broker."""
    before = len(booth.consumer.results)
    answer = booth.send(astronaut(), camera="booth", scene=scene, want="image")
    assert (answer.verdict.verdict, answer.verdict.reason) == ("refused", "no-consent")
    assert answer.picture is None
    _, doc, _ = portrait(booth, astronaut(), "poster", ["visit-8"])  # sent behind it
    assert len(booth.consumer.results) == before + 1
    assert booth.consumer.find(answer.verdict.id) is None
    assert doc["scene"] == "poster"
