"""The restorers' contract: fidelity inputs, blending, taps, and outputs that are no faces."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession, ReusingSession

from edged.errors import EngineError, ModelError
from edged.stages.restore import Restorer

SIZE = 16


def invert(feeds):
    return [-feeds["input"], np.zeros((1, 512), np.float32)]


def restorer(answer=invert, batch=None, kind=FakeSession, more=None, **options):
    inputs = {"input": (batch, 3, SIZE, SIZE), **(more or {})}
    session = kind(inputs, {"output": (batch, 3, SIZE, SIZE), "tap": (1, 512)}, answer)
    return Restorer(session, size_px=SIZE, **options)


def crops(count=2):
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


@pytest.mark.parametrize("kind", [FakeSession, ReusingSession])
@pytest.mark.parametrize("batch", [1, None])
def test_full_strength_is_the_network_s_output(batch, kind):
    """One by one or all at once, the first output counts, whatever memory it is in."""
    restore = restorer(batch=batch, kind=kind)
    assert np.abs(restore(crops(), 1.0).astype(int) - (255 - crops().astype(int))).max() <= 1
    assert len(restore.session.runs) == (2 if batch else 1)


def test_no_strength_is_the_crop():
    """0 keeps the picture, to the grey level."""
    assert np.array_equal(restorer()(crops(), 0.0), crops())


def test_half_strength_is_the_middle():
    """Crop and its inversion meet at grey."""
    assert np.abs(restorer()(crops(), 0.5).astype(int) - 128).max() <= 1


def test_the_crops_are_left_alone():
    """Blending writes to the output."""
    given = crops()
    restorer()(given, 0.5)
    assert np.array_equal(given, crops())


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fidelity_is_fed_as_the_file_declares_it(shape, dtype):
    """CodeFormer's public exports take a float64 scalar."""
    restore = restorer(more={"weight": (shape, dtype)} if shape else
                       {"weight": ((), dtype)}, fidelity=0.7)  # fmt: skip
    if not shape:  # a scalar's shape says nothing of its dtype to the fake
        restore.session.inputs[1] = type(restore.session.inputs[1])("weight", (), np.dtype(dtype))
    restore(crops(), 1.0)
    (fed,) = [run["weight"] for run in restore.session.runs]
    assert fed.shape == shape
    assert fed.dtype == dtype
    assert fed.reshape(-1)[0] == pytest.approx(0.7)


def test_a_model_of_two_pictures_is_refused():
    """One picture in makes a restorer."""
    with pytest.raises(ModelError, match="one picture"):
        restorer(more={"mask": (None, 3, SIZE, SIZE)})(crops(), 1.0)


def test_no_crops_no_run():
    """An empty batch is answered without the network."""
    restore = restorer(batch=1)
    assert restore(crops(0), 0.8).shape == (0, SIZE, SIZE, 3)
    assert restore.session.runs == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((2, 3, SIZE, SIZE), np.nan, np.float32), "not finite"),
        (np.zeros((2, 3, 32, 32), np.float32), "gave shape"),
        (np.zeros((1, 3, SIZE, SIZE), np.float32), "gave shape"),
    ],
)
def test_an_output_that_is_no_face_is_an_error(wrong, message):
    """Nothing of it gets into a picture."""
    with pytest.raises(EngineError, match=message):
        restorer(lambda _: [wrong])(crops(), 0.8)
