"""The restorers' contract: what is fed, batches, and outputs that are no faces."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession, ReusingSession

from edged.errors import EngineError
from edged.stages.restore import Restorer

SIZE = 16


def blend(feeds):
    """What a prepared graph does, with an inverting network in it."""
    picture, part = feeds["crops"].astype(np.float32), feeds["strength"]
    made = np.rint(picture * (1 - part) + (255 - picture) * part)
    return [made.astype(np.uint8), np.zeros(len(picture), np.float32)]


def restorer(answer=blend, batch=None, kind=FakeSession, more=None, **options):
    crop = ((batch, SIZE, SIZE, 3), np.uint8)
    inputs = {"crops": crop, "strength": (1,), **(more or {})}
    session = kind(inputs, {"restored": crop, "checks": (batch,)}, answer)
    return Restorer(session, size_px=SIZE, **options)


def crops(count=2):
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


@pytest.mark.parametrize("kind", [FakeSession, ReusingSession])
@pytest.mark.parametrize("batch", [1, None])
def test_full_strength_is_the_network_s_output(batch, kind):
    """One by one or all at once, whatever memory it is in."""
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
    """The network gets them to read."""
    given = crops()
    restorer()(given, 0.5)
    assert np.array_equal(given, crops())


def test_fidelity_is_fed_to_a_network_that_has_one():
    """One number for all faces, and none to a network without."""
    restore = restorer(more={"fidelity": (1,)}, fidelity=0.7)
    restore(crops(), 1.0)
    (run,) = restore.session.runs
    assert run["fidelity"] == pytest.approx(0.7)
    assert run["strength"] == 1


def test_no_crops_no_run():
    """An empty batch is answered without the network."""
    restore = restorer(batch=1)
    assert restore(crops(0), 0.8).shape == (0, SIZE, SIZE, 3)
    assert restore.session.runs == []


@pytest.mark.parametrize(
    ("count", "side", "checks", "message"),
    [(2, SIZE, [0, np.nan], "not finite"), (2, 32, [0, 0], "gave shape"),
     (1, SIZE, [0], "gave shape")],
)  # fmt: skip
def test_an_output_that_is_no_face_is_an_error(count, side, checks, message):
    """Nothing of it gets into a picture."""
    answer = [np.zeros((count, side, side, 3), np.uint8), np.array(checks, np.float32)]
    with pytest.raises(EngineError, match=message):
        restorer(lambda _: answer)(crops(), 0.8)
