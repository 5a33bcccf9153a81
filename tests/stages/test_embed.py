"""The recogniser's contract: batches, norms, and outputs that are no vectors."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession, ReusingSession

from edged.errors import EngineError
from edged.stages.embed import Embedder, normalise


def means(feeds):
    """A vector of a crop's mean colours and a constant."""
    colour = feeds["input.1"].mean(axis=(2, 3))
    return [np.concatenate([colour, np.full((len(colour), 1), 0.5, np.float32)], axis=1)]


def embedder(answer=means, batch=None, kind=FakeSession):
    return Embedder(kind({"input.1": (batch, 3, 112, 112)}, {"683": (batch, 4)}, answer))


def crops(count, seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (count, 1, 1, 3))
    return np.broadcast_to(levels, (count, 112, 112, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", [FakeSession, ReusingSession])
def test_a_file_fixed_at_one_is_run_for_each_crop(kind):
    """The vectors are those of a batch, also when the runtime uses its memory again."""
    single, many = embedder(batch=1, kind=kind), embedder()
    assert np.allclose(single.raw(crops(3)), many.raw(crops(3)))
    assert len(single.session.runs) == 3
    assert len(many.session.runs) == 1


def test_vectors_have_length_one():
    """Whatever the network gives."""
    assert np.allclose(np.linalg.norm(embedder()(crops(5)), axis=1), 1, atol=1e-6)


def test_no_crops_are_no_vectors():
    """Nothing is run; the width is the file's, 512 where it says none."""
    many = embedder()
    assert many(crops(0)).shape == (0, 4)
    assert many.session.runs == []
    unknown = FakeSession({"x": (None, 3, 112, 112)}, {"y": (None, None)}, means)
    assert Embedder(unknown).width == 512


@pytest.mark.parametrize("batch", [1, None])
def test_vectors_outlive_the_session_s_memory(batch):
    """The next run does not change the vectors of the last."""
    reusing = embedder(batch=batch, kind=ReusingSession)
    first = reusing.raw(crops(1, seed=1))
    kept = first.copy()
    reusing.raw(crops(1, seed=2))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    "wrong",
    [
        np.array([[1, np.nan, 0, 0]], np.float32),
        np.array([[1, np.inf, 0, 0]], np.float32),
        np.zeros((2, 4), np.float32),
        np.zeros((1, 4, 1), np.float32),
        np.zeros(4, np.float32),
    ],
    ids=["nan", "inf", "too-many", "rank-3", "rank-1"],
)
def test_an_output_that_is_no_vector_is_an_error(wrong):
    """A face that cannot be compared must not count as nobody's."""
    with pytest.raises(EngineError, match="finite vector"):
        embedder(lambda _: [wrong])(crops(1))


def test_a_zero_vector_is_an_error():
    """It has no direction, and its cosine with everybody would be 0."""
    with pytest.raises(EngineError, match="zero vector"):
        embedder(lambda _: [np.zeros((1, 4), np.float32)])(crops(1))
    with pytest.raises(EngineError, match="zero vector"):
        normalise(np.zeros(4, np.float32))
