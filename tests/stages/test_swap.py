"""The swapper's contract: latents, batches, further outputs, and outputs that are no faces."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession, ReusingSession

from edged.errors import EngineError, ModelError
from edged.stages.swap import Swapper

SIZE = 16


def tint(feeds):
    """Every picture dimmed by its own source's first number, and a tap."""
    made = feeds["target"] * feeds["source"][:, :1, None, None]
    return [made.astype(np.float32), np.zeros(3, np.float32)]


def swapper(answer=tint, batch=None, kind=FakeSession, inputs=None):
    inputs = inputs or {"target": (batch, 3, SIZE, SIZE), "source": (batch, 4)}
    session = kind(inputs, {"output": (batch, 3, SIZE, SIZE), "tap": (3,)}, answer)
    return Swapper(session, np.eye(4, dtype=np.float32) * 2, size_px=SIZE)


def targets(count):
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


LATENTS = np.array([[1, 0, 0, 0], [0.5, 0, 0, 0], [0, 1, 0, 0]], np.float32)


@pytest.mark.parametrize("kind", [FakeSession, ReusingSession])
@pytest.mark.parametrize("batch", [1, None])
def test_each_target_gets_its_own_source(batch, kind):
    """One by one or all at once, the tap is passed over."""
    swap = swapper(batch=batch, kind=kind)
    out = swap(targets(3), LATENTS)
    assert np.array_equal(out[0], targets(3)[0])
    assert np.abs(out[1] - targets(3)[1] / 2).max() <= 0.5
    assert not out[2].any()
    assert len(swap.session.runs) == (3 if batch else 1)


def test_a_fixed_source_batch_is_enough_to_go_one_by_one():
    """Some exports leave the picture's batch open and fix the vector's."""
    swap = swapper(inputs={"target": (None, 3, SIZE, SIZE), "source": (1, 4)})
    assert len(swap(targets(3), LATENTS)) == 3
    assert len(swap.session.runs) == 3


def test_inputs_are_told_by_rank():
    """Names and order differ by export."""
    session = FakeSession(
        {"x0": (None, 4), "x1": (None, 3, SIZE, SIZE)},
        {"y": (None, 3, SIZE, SIZE)},
        lambda feeds: [feeds["x1"]],
    )
    swap = Swapper(session, np.eye(4, dtype=np.float32), size_px=SIZE)
    assert np.array_equal(swap(targets(1), LATENTS[:1]), targets(1))


@pytest.mark.parametrize(
    "inputs",
    [
        {"target": (None, 3, SIZE, SIZE)},
        {"a": (None, 3, SIZE, SIZE), "b": (None, 3, SIZE, SIZE)},
        {"target": (None, 3, SIZE, SIZE), "source": (None, 4), "more": (None, 4)},
    ],
)
def test_a_model_with_other_inputs_is_refused(inputs):
    """One picture and one vector make a swapper."""
    with pytest.raises(ModelError, match="one picture and one vector"):
        swapper(inputs=inputs)(targets(1), LATENTS[:1])


def test_no_targets_no_run():
    """An empty batch is answered without the network."""
    swap = swapper()
    assert swap(targets(0), LATENTS[:0]).shape == (0, SIZE, SIZE, 3)
    assert swap.session.runs == []


def test_a_latent_goes_through_the_map_and_has_length_one():
    """The embedding itself is not what the network takes."""
    turned = Swapper(swapper().session, np.roll(np.eye(4, dtype=np.float32), 1, axis=1) * 3)
    latent = turned.latent(np.array([0.6, 0.8, 0, 0], np.float32))
    assert np.allclose(latent, [0, 0.6, 0.8, 0], atol=1e-6)


def test_an_embedding_of_another_recogniser_is_refused():
    """The message names the setting."""
    with pytest.raises(ModelError, match=r"models\.embedder"):
        swapper().latent(np.ones(5, np.float32))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((1, 3, SIZE, SIZE), np.nan, np.float32), "not finite"),
        (np.zeros((1, SIZE, SIZE, 3), np.float32), "gave shape"),
        (np.zeros((2, 3, SIZE, SIZE), np.float32), "gave shape"),
        (np.zeros((1, 3, 8, 8), np.float32), "gave shape"),
    ],
    ids=["nan", "layout", "count", "size"],
)
def test_an_output_that_is_no_face_is_an_error(wrong, message):
    """Nothing of it gets into a picture."""
    with pytest.raises(EngineError, match=message):
        swapper(lambda _: [wrong])(targets(1), LATENTS[:1])


def test_swapped_crops_outlive_the_session_s_memory():
    """The next run does not change the crops of the last."""
    swap = swapper(kind=ReusingSession)
    first = swap(targets(1), LATENTS[:1])
    kept = first.copy()
    swap(targets(1), LATENTS[2:])
    assert np.array_equal(first, kept)
