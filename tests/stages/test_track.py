"""Tracks: who is who by place and by likeness, who is remembered, who is embedded."""

from __future__ import annotations

import numpy as np

from edged.faces import Face
from edged.stages.glance import ALIKE
from edged.stages.track import EMBED_EVERY, LOOKS, LOOKS_IN_DOUBT, REMEMBERED, Tracks

SAME = 0.42
A, B, C = np.eye(3, dtype=np.float32)


def like(one, other, cosine):
    """A unit vector with a cosine to one person, the rest of it another's."""
    return np.float32(cosine * one + np.sqrt(1 - cosine**2) * other)


def face(x, vector=None, y=0.0, size=40.0):
    box = np.array([x, y, x + size, y + size], np.float32)
    return Face(
        box, 0.9, np.zeros((5, 2), np.float32), frozenset({"scrfd"}), embedding=vector
    )  # fmt: skip


class Stream:
    """Frames a tenth of a second apart, each face embedded if it is due.

    A face is (place, vector, glance): what it looks like changes only where a test says so.
    """

    def __init__(self, enrolled=None):
        self.tracks, self.now_ms, self.embedded = Tracks(enrolled), 0, []
        self.remember_ms = 30_000

    def __call__(self, *people):
        self.now_ms += 100
        faces = [face(person[0]) for person in people]
        looks = [person[2] if len(person) > 2 else person[1] for person in people]
        due = self.tracks.plan(faces, looks, self.now_ms, 700)
        self.embedded.append(len(due))
        for number in due:
            faces[number].embedding = people[number][1]
        self.faces = faces
        return self.tracks.join(
            faces, looks, self.now_ms, window_ms=700, same=SAME, remember_ms=self.remember_ms
        )

    def until_known(self, *people, most=20):
        """Frames until nobody of them is a newcomer any more."""
        for _ in range(most):
            tracks = self(*people)
            if all(track.known for track in tracks):
                return tracks
        raise AssertionError("somebody stays unknown")


def ids(tracks):
    return [track.track_id for track in tracks]


def test_the_first_people_are_known_at_once():
    """There is nobody whom they could be mistaken for."""
    stream = Stream()
    assert [track.known for track in stream((0, A), (100, B))] == [True, True]


def test_two_people_do_not_change_places():
    """Whatever order a search answers in."""
    stream = Stream()
    before = ids(stream((0, A), (100, B)))
    assert ids(stream((104, B), (4, A))) == before[::-1]


def test_people_who_cross_are_told_apart_by_likeness():
    """Each stands where the other stood, all the way through each other."""
    stream = Stream()
    before = ids(stream((0, A), (60, B)))
    for step in range(1, 13):
        assert ids(stream((step * 5, A), (60 - step * 5, B))) == before


def test_the_nearest_neighbour_would_have_changed_them():
    """A jump over each other, which overlap alone gets wrong: likeness counts for more."""
    stream = Stream()
    before = ids(stream((0, A), (20, B)))
    assert ids(stream((18, A), (2, B))) == before


def test_who_comes_back_elsewhere_is_known_at_once():
    """After five seconds, at the other end, by the first look."""
    stream = Stream()
    (first,) = stream((0, A))
    for _ in range(50):
        stream()
    (again,) = stream((400, like(A, C, 0.7)))
    assert again is first
    assert again.known


def test_a_stranger_is_nobody_until_enough_looks_agree():
    """Somebody is remembered, so a newcomer might be that person."""
    stream = Stream()
    (first,) = stream((0, A))
    for _ in range(10):
        stream()
    known = [stream((0, B))[0].known for _ in range(LOOKS)]
    assert known == [False] * (LOOKS - 1) + [True]
    assert stream((0, B))[0] is not first


def test_a_newcomer_in_doubt_is_looked_at_for_longer():
    """Half like somebody who left: neither that person nor a stranger, for a while."""
    stream = Stream()
    stream((0, A))
    for _ in range(10):
        stream()
    half = like(A, B, 0.35)
    known = [stream((0, half))[0].known for _ in range(LOOKS_IN_DOUBT)]
    assert known == [False] * (LOOKS_IN_DOUBT - 1) + [True]


def test_a_blurred_return_is_settled_by_the_first_clear_look():
    """What came in blurred becomes its old self, not a stranger."""
    stream = Stream()
    (first,) = stream((0, A))
    for _ in range(10):
        stream()
    assert not stream((0, like(A, B, 0.3)))[0].known
    assert stream((2, like(A, B, 0.8)))[0] is first


def test_a_stranger_in_the_same_place_is_not_the_one_before():
    """One steps in front of the other between two frames."""
    stream = Stream()
    for _ in range(LOOKS):
        (first,) = stream((0, A))
    (other,) = stream((2, B))
    assert other is not first
    assert not other.known
    assert stream.until_known((2, B)) == [other]


def test_a_head_that_turns_away_stays_who_it_is():
    """The vector goes far off little by little; place and looks of each frame agree."""
    stream = Stream()
    (first,) = stream((0, A))
    for step in range(1, 31):
        turned = like(A, B, np.cos(step / 30 * np.pi / 2))
        assert stream((0, turned)) == [first]
    assert float(stream.faces[0].embedding @ turned) > ALIKE  # the guard is shown what is there now


def test_a_still_face_is_embedded_once_in_so_many_frames():
    """The first looks, then the refreshes."""
    stream = Stream()
    for _ in range(LOOKS + 2 * EMBED_EVERY):
        stream((0, A))
        assert stream.faces[0].embedding is not None
    assert sum(stream.embedded) == LOOKS + 2


def test_a_face_that_looks_different_is_embedded():
    """Not enough has changed to be somebody else, and enough to look again."""
    stream = Stream()
    for _ in range(LOOKS + 1):
        stream((0, A, A))
    changed = like(A, B, ALIKE - 0.01)
    stream((0, A, changed))
    assert stream.embedded[LOOKS:] == [0, 1]


def test_faces_that_overlap_are_embedded_in_every_frame():
    """Boxes that touch may change hands."""
    stream = Stream()
    for _ in range(LOOKS + 4):
        stream((0, A), (30, B))
    assert stream.embedded == [2] * (LOOKS + 4)


def test_a_face_that_was_lost_is_embedded():
    """One frame is enough for somebody else to step in."""
    stream = Stream()
    for _ in range(LOOKS + 1):
        stream((0, A))
    stream()
    stream((0, A))
    assert stream.embedded[LOOKS:] == [0, 0, 1]


def test_a_lookalike_does_not_take_a_still_face_s_track():
    """One to one: who is there already goes first, although only the other was embedded."""
    stream = Stream()
    for _ in range(LOOKS + 1):
        before = ids(stream((0, A)))
    assert stream.embedded[-1] == 0
    assert ids(stream((0, A), (200, like(A, B, 0.9))))[0] == before[0]


def test_a_second_finding_of_one_face_is_never_somebody():
    """It overlaps the first and has its vector."""
    stream = Stream()
    for _ in range(LOOKS_IN_DOUBT + 2):
        first, second = stream((0, A), (15, A))
        assert first.known != second.known or not first.known


def test_who_might_be_either_of_two_people_is_nobody():
    """Two crossed, and one face is left that looks like both: filled, and no track of theirs."""
    stream = Stream()
    before = ids(stream((0, A), (60, B)))
    stream()
    (torn,) = stream((30, like(A, B, np.sqrt(0.5))))
    assert not torn.known
    assert torn.track_id not in before
    assert ids(stream((25, A), (35, B))) == before


def test_nobody_takes_the_track_of_whom_another_face_is_more_like():
    """The one behind looks like the one in front, whose own track was begun anew meanwhile."""
    stream = Stream()
    first, second = stream((0, A), (60, B))
    stream()
    (front,) = stream((30, like(A, B, np.sqrt(0.5))))
    assert front not in (first, second)
    back = like(B, A, np.sqrt(0.72))
    tracks = stream((30, like(A, C, 0.8)), (44, back))
    assert tracks[0] is first
    assert tracks[1] is not first


def test_who_is_forgotten_is_a_stranger():
    """By time, and numbers are not used again."""
    stream = Stream()
    (first,) = stream((0, A))
    stream.remember_ms = 1500
    for _ in range(20):
        stream()
    (later,) = stream((0, A))
    assert later.track_id > first.track_id


def test_memory_is_bounded():
    """A crowd goes by, one after the other; the last ones are remembered."""
    stream = Stream()
    stream.remember_ms = 1_000_000
    for number in range(REMEMBERED + 20):
        person = np.random.default_rng(number).normal(size=64).astype(np.float32)
        person /= np.linalg.norm(person)
        stream.until_known((number * 500, person))
        for _ in range(8):
            stream()
    assert len(stream.tracks.all) == REMEMBERED


def test_an_enrolled_person_is_known_at_first_sight():
    """And stays so for ever; what was learnt of a visit is not kept."""
    stream = Stream({"actor": A})
    (track,) = stream((0, like(A, B, 0.6)))
    assert (track.worn, track.known) == ("actor", True)
    stream.remember_ms = 0
    for _ in range(8):
        stream()
    (track,) = stream((300, like(A, C, 0.5)))
    assert track.worn == "actor"


def test_a_face_without_a_vector_keeps_its_track_by_place():
    """Its landmarks cannot be aligned."""
    stream = Stream()
    tracks = [stream((step * 10, None, None))[0] for step in range(3)]
    assert tracks[0] is tracks[2]
    assert stream.faces[0].embedding is None


def test_a_bad_first_look_is_forgotten():
    """Who came in blurred keeps the track, and is remembered by the clear looks."""
    stream = Stream()
    (first,) = stream((0, like(A, B, 0.1)))
    for _ in range(LOOKS):
        assert stream((2, A)) == [first]
    for _ in range(20):
        stream()
    assert stream((300, A)) == [first]
