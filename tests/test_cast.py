"""Characters from photos, templates from pictures, and pictures that show nobody."""

from __future__ import annotations

import numpy as np
import pytest
from faces_kit import ASTRONAUT_BOX, ASTRONAUT_POINTS, E0, E1, T1_BOX, T1_POINTS, face, points

from edged.cast import make_character, make_template
from edged.errors import ConfigError

PHOTO = np.zeros((600, 600, 3), np.uint8)
NOBODY = np.full((5, 2), 3.0, np.float32)


class Swapper:
    """Turns a vector round."""

    template_name, size_px = "arcface_128", 128
    picture, takes_raw = None, False

    def latent(self, vector):
        return -vector


def embedding_of(*vectors):
    """An embedder that answers one vector a call."""
    answers = iter(vectors)
    return lambda _crops: np.array([next(answers)], np.float32)


def character(photos=(PHOTO,), found=(), vectors=(E0,), landmarks=()):
    return make_character(
        "actor", list(photos), lambda _: list(found),
        embedder=embedding_of(*vectors), swapper=Swapper(), landmarks=landmarks,
    )  # fmt: skip


def template(found, slots=0, landmarks=(), image=PHOTO):
    return make_template(
        "poster", image, lambda _: list(found), Swapper(), slots=slots, landmarks=landmarks
    )


TWO = (face(T1_BOX, T1_POINTS), face(ASTRONAUT_BOX, ASTRONAUT_POINTS))


def test_a_character_is_the_latent_of_the_largest_face():
    """The swapper makes it."""
    made = character(found=TWO)
    assert made.name == "actor"
    assert made.source.tolist() == (-E0).tolist()


def test_photos_of_one_person_are_averaged():
    """As directions: the mean has length one again."""
    made = character(photos=(PHOTO, PHOTO), found=TWO, vectors=(E0, E1))
    assert np.allclose(made.source, -(E0 + E1) / np.sqrt(2), atol=1e-6)


class PictureSwapper(Swapper):
    """Takes a picture of its source: here its landmarks stand for it."""

    @staticmethod
    def picture(photo, landmarks):
        return photo[:2, :2], landmarks


def test_a_swapper_that_takes_a_picture_gets_the_best_photo(caplog):
    """The largest and most frontal face of all photos; the log says which, and nothing more."""
    small, large = (face(T1_BOX, np.array(T1_POINTS) * size) for size in (1, 2))
    turned = face(T1_BOX, large.landmarks + np.eye(5, 2, -2) * 200)
    answers = iter([[small], [large], [turned]])
    with caplog.at_level("INFO"):
        made = make_character(
            "actor", [PHOTO] * 3, lambda _: next(answers), embedder=None, swapper=PictureSwapper()
        )
    assert np.array_equal(made.source[1], large.landmarks)
    assert "photo 2 of 3" in caplog.text


class ConvertedSwapper(Swapper):
    """Takes the recogniser's vector as it is."""

    takes_raw = True


class RawEmbedder:
    """Answers other vectors where they are wanted as the network gives them."""

    def __init__(self, *given):
        self.as_given = embedding_of(*given)


def test_a_converter_gets_vectors_of_their_own_length():
    """Their mean direction with their mean length."""
    made = make_character(
        "actor", [PHOTO, PHOTO], lambda _: list(TWO),
        embedder=RawEmbedder(E0 * 30, E1 * 10), swapper=ConvertedSwapper(),
    )  # fmt: skip
    assert np.allclose(made.source, -(E0 + E1) / np.sqrt(2) * 20, atol=1e-5)


def test_known_landmarks_need_no_search():
    """A drawn character says where its face is."""

    def never(_):
        raise AssertionError("searched")

    made = make_character(
        "actor", [PHOTO], never,
        embedder=embedding_of(E0), swapper=Swapper(), landmarks=[points(ASTRONAUT_POINTS)],
    )  # fmt: skip
    assert made.source.tolist() == (-E0).tolist()


@pytest.mark.parametrize(("photos", "found"), [(1, ()), (1, (face(T1_BOX, NOBODY),))])
def test_a_photo_without_a_usable_face_is_named(photos, found):
    """Identity and number of the photo, and what to do."""
    with pytest.raises(ConfigError, match=r"identities\.actor: .* photo 1"):
        character(photos=[PHOTO] * photos, found=found)


def test_a_second_photo_without_a_face_is_an_error_too():
    """It is not left out in silence."""
    with pytest.raises(ConfigError, match="photo 2"):
        character(photos=(PHOTO, PHOTO), landmarks=[points(ASTRONAUT_POINTS)], vectors=(E0, E0))


def test_slots_are_numbered_from_left_to_right():
    """The order in which visitors are put there."""
    made = template(TWO)
    assert [s.box[0] for s in made.slots] == [ASTRONAUT_BOX[0], T1_BOX[0]]
    assert all(s.target.shape == (128, 128, 3) for s in made.slots)


def test_with_fewer_slots_the_largest_faces_are_taken():
    """The others stay as they are, and are known as the template's own."""
    made = template(TWO, slots=1)
    assert [s.box[0] for s in made.slots] == [T1_BOX[0]]
    assert {b[0] for b in made.boxes} == {float(T1_BOX[0]), float(ASTRONAUT_BOX[0])}


def test_drawn_slots_are_where_the_drawing_says():
    """Nothing is searched, and no other face is expected in the output."""
    places = [(np.array(ASTRONAUT_BOX, np.float32), points(ASTRONAUT_POINTS))]
    made = template([TWO[0]], landmarks=places)
    assert [s.box[0] for s in made.slots] == [ASTRONAUT_BOX[0]]
    assert made.boxes.tolist() == [list(map(float, ASTRONAUT_BOX))]


@pytest.mark.parametrize(("found", "slots"), [((), 0), ((face(T1_BOX, NOBODY),), 0), (TWO[:1], 2)])
def test_a_template_without_enough_usable_faces_is_named(found, slots):
    """Scene, how many there are and how many are needed."""
    with pytest.raises(ConfigError, match=r"scenes\.poster: .* needed"):
        template(found, slots)
