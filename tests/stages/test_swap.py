"""The swapper's contract: latents, batches, further outputs, and outputs that are no faces."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession, ReusingSession

from edged.errors import EngineError, ModelError
from edged.stages.identity import VectorSource
from edged.stages.swap import Swapper

SIZE = 16


def tint(feeds):
    """Every picture dimmed by its own source's first number."""
    made = feeds["crops"] * feeds["latents"][:, :1, None, None]
    return [made.astype(np.uint8), np.zeros(len(made), np.float32)]


def swapper(answer=tint, batch=None, kind=FakeSession, **options):
    crop = ((batch, SIZE, SIZE, 3), np.uint8)
    session = kind(
        {"crops": crop, "latents": (batch, 4)}, {"swapped": crop, "checks": (batch,)}, answer
    )
    source = VectorSource("fake", 4, np.eye(4, dtype=np.float32) * 2)
    return Swapper(session, source, size_px=SIZE, **options)


def targets(count):
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


LATENTS = np.array([[1, 0, 0, 0], [0.5, 0, 0, 0], [0, 1, 0, 0]], np.float32)


@pytest.mark.parametrize("kind", [FakeSession, ReusingSession])
@pytest.mark.parametrize("batch", [1, None])
def test_each_target_gets_its_own_source(batch, kind):
    """One by one or all at once."""
    swap = swapper(batch=batch, kind=kind)
    out = swap(targets(3), LATENTS)
    assert np.array_equal(out[0], targets(3)[0])
    assert np.abs(out[1] - targets(3)[1] / 2).max() <= 1
    assert not out[2].any()
    assert len(swap.session.runs) == (3 if batch else 1)


def test_no_targets_no_run():
    """An empty batch is answered without the network."""
    swap = swapper()
    assert swap(targets(0), LATENTS[:0]).shape == (0, SIZE, SIZE, 3)
    assert swap.session.runs == []


def test_a_latent_goes_through_the_map_and_has_length_one():
    """The embedding itself is not what the network takes."""
    turned = VectorSource("fake", 4, np.roll(np.eye(4, dtype=np.float32), 1, axis=1) * 3)
    latent = turned(np.array([0.6, 0.8, 0, 0], np.float32))
    assert np.allclose(latent, [0, 0.6, 0.8, 0], atol=1e-6)


def test_an_embedding_of_another_recogniser_is_refused():
    """The message names the setting."""
    with pytest.raises(ModelError, match=r"models\.embedder"):
        swapper().latent(np.ones(5, np.float32))


GOOD = np.zeros((1, SIZE, SIZE, 3), np.uint8)


@pytest.mark.parametrize(
    ("wrong", "checks", "message"),
    [
        (GOOD, [np.nan], "not finite"),
        (GOOD, [np.inf], "not finite"),
        (GOOD, [0, 0], "gave shape"),
        (np.zeros((1, 3, SIZE, SIZE), np.uint8), [0], "gave shape"),
        (np.zeros((2, SIZE, SIZE, 3), np.uint8), [0], "gave shape"),
        (np.zeros((1, 8, 8, 3), np.uint8), [0], "gave shape"),
        (GOOD.astype(np.float32), [0], "gave shape"),
    ],
    ids=["nan", "inf", "checks", "layout", "count", "size", "floats"],
)
def test_an_output_that_is_no_face_is_an_error(wrong, checks, message):
    """Nothing of it gets into a picture, not even when its bytes look like one."""
    answer = [wrong, np.array(checks, np.float32)]
    with pytest.raises(EngineError, match=message):
        swapper(lambda _: answer)(targets(1), LATENTS[:1])


def test_swapped_crops_outlive_the_session_s_memory():
    """The next run does not change the crops of the last."""
    swap = swapper(kind=ReusingSession)
    first = swap(targets(1), LATENTS[:1])
    kept = first.copy()
    swap(targets(1), LATENTS[2:])
    assert np.array_equal(first, kept)
