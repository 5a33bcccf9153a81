"""What a swapper knows a person by: vectors of several photos, converters, the best photo."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession

from edged.errors import EngineError, ModelError
from edged.stages.identity import PictureSource, VectorSource, fitness, joined
from edged.stages.swap import Swapper

FRONTAL = np.array([[40, 50], [60, 50], [50, 60], [43, 72], [57, 72]], np.float32)


def converter(answer):
    return FakeSession({"vectors": (1, 3)}, {"converted": (1, 3)}, answer)


def test_directions_are_averaged_not_vectors():
    """A photo whose vector is longer, as of a sharper picture, counts no more than another."""
    mean = joined([np.array([30, 0, 0], np.float32), np.array([0, 10, 0], np.float32)])
    assert np.allclose(mean, np.array([1, 1, 0]) / np.sqrt(2) * 20)


def test_one_photo_is_its_own_mean():
    """Length and all: converters are trained on it."""
    vector = np.array([3, -4, 12], np.float32)
    assert np.allclose(joined([vector]), vector)


def test_opposite_photos_are_nobody():
    """A mean of no direction is an error, not noise."""
    with pytest.raises(EngineError):
        joined([np.array([1, 0, 0], np.float32), np.array([-1, 0, 0], np.float32)])


@pytest.mark.parametrize(("unit", "length"), [(False, 10.0), (True, 1.0)])
def test_a_converter_takes_the_vector_as_it_is(unit, length):
    """And only the families that want it bring the result to length one."""
    session = converter(lambda feeds: [feeds["vectors"] * 2])
    source = VectorSource("ghost", 3, converter=session, unit=unit)
    assert source.takes_raw
    made = source(np.array([3, 4, 0], np.float32))
    assert np.array_equal(session.runs[0]["vectors"], [[3, 4, 0]])
    assert np.linalg.norm(made) == pytest.approx(length)


@pytest.mark.parametrize("wrong", [np.full((1, 3), np.nan, np.float32), np.zeros(3, np.float32)])
def test_a_converter_that_fails_gives_no_identity(wrong):
    """Not finite, or another shape."""
    source = VectorSource("ghost", 3, converter=converter(lambda _: [wrong]))
    with pytest.raises(EngineError, match="no finite vector"):
        source(np.ones(3, np.float32))


def test_without_map_and_converter_the_vector_itself_is_taken():
    """At length one."""
    made = VectorSource("hyperswap", 3)(np.array([0, 5, 0], np.float32))
    assert made.tolist() == [0, 1, 0]


def test_a_swapper_of_pictures_has_no_latent():
    """Asking it for one is a mistake of the caller's, named as such."""
    swapper = Swapper(converter(None), PictureSource("ffhq_512", 256))
    with pytest.raises(ModelError, match="takes a picture"):
        swapper.latent(np.ones(3, np.float32))
    assert not swapper.takes_raw


def test_a_source_picture_is_the_aligned_face():
    """As large as the network takes it, with the eyes where its template has them."""
    photo = np.zeros((120, 100, 3), np.uint8)
    photo[50, 40] = photo[50, 60] = 255
    cut = PictureSource("ffhq_512", 256)(photo, FRONTAL)
    rows, columns = np.nonzero(cut.max(axis=2) > 60)
    left, right = columns[columns < 128].mean(), columns[columns > 128].mean()
    assert cut.shape == (256, 256, 3)
    assert abs(rows.mean() - 0.469 * 256) < 4
    assert abs(left - 0.377 * 256) < 4
    assert abs(right - 0.623 * 256) < 4


def test_the_best_photo_is_large_and_frontal():
    """Twice the size is twice as good; a profile is worth nothing."""
    turned, profile = FRONTAL.copy(), FRONTAL.copy()
    turned[2, 0], profile[2, 0] = 55, 60
    assert fitness(FRONTAL * 2) == pytest.approx(2 * fitness(FRONTAL))
    assert fitness(turned) == pytest.approx(fitness(FRONTAL) / 2)
    assert fitness(profile) == 0
    assert fitness(np.zeros((5, 2), np.float32)) == 0
