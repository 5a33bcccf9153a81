"""Pictures to tensors and back: values, kept buffers, padding, bad outputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edged.errors import EngineError
from edged.stages.tensor import TensorBuffer, crops_to_tensor, tensor_to_crops

PIXELS = st.integers(0, 255)


def reference(picture, side, mean, scale, rgb):
    """The padded tensor in plain float64."""
    canvas = np.zeros((side, side, 3))
    canvas[: picture.shape[0], : picture.shape[1]] = picture[..., ::-1] if rgb else picture
    return ((canvas - mean) * scale).transpose(2, 0, 1)[None]


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@given(st.lists(st.tuples(st.integers(1, 32), st.integers(1, 32)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_kept_buffer_holds_this_picture_and_nothing_of_the_last(sizes):
    """Sizes come and go; beyond the picture the padding is black again."""
    buffer = TensorBuffer(mean=127.5, scale=1 / 128, rgb=True)
    for seed, (height, width) in enumerate(sizes):
        image = picture(height, width, seed)
        tensor = buffer.fill(image, 32)
        assert np.allclose(tensor, reference(image, 32, 127.5, 1 / 128, rgb=True), atol=1e-6)


def test_buffers_of_two_sides_do_not_mix():
    """A larger canvas in between leaves the smaller one as it was asked."""
    buffer = TensorBuffer(mean=0.0, scale=1.0, rgb=False)
    for side, seed in ((32, 1), (64, 2), (32, 3)):
        image = picture(20, 30, seed)
        assert np.array_equal(buffer.fill(image, side), reference(image, side, 0, 1, rgb=False))


def test_the_tensor_is_allocated_once():
    """The same memory at every call with the same side, contiguous for the runtime."""
    buffer = TensorBuffer(mean=0.0, scale=1.0, rgb=False)
    first = buffer.fill(picture(8, 8), 32)
    assert buffer.fill(picture(9, 7), 32) is first
    assert first.flags.c_contiguous
    assert first.dtype == np.float32


def test_odd_sizes_do_not_pile_up():
    """A camera of ever other sizes keeps a bounded number of planes."""
    buffer = TensorBuffer(mean=0.0, scale=1.0, rgb=False)
    for width in range(1, 64):
        buffer.fill(picture(1, width), 64)
    assert len(buffer._planes) <= 33


def test_a_picture_larger_than_its_canvas_is_an_error():
    """It is not cut in silence."""
    with pytest.raises(ValueError, match="broadcast"):
        TensorBuffer(mean=0.0, scale=1.0, rgb=False).fill(picture(40, 8), 32)


@pytest.mark.parametrize(("mean", "scale"), [(127.5, 1 / 127.5), (0.0, 1 / 255)])
def test_crops_become_rgb_planes(mean, scale):
    """Each crop for itself, colours turned round, values as the network was trained."""
    crops = np.stack([picture(16, 16, n) for n in range(3)])
    blob = crops_to_tensor(crops, mean, scale)
    for crop, planes in zip(crops, blob, strict=True):
        assert np.allclose(planes, reference(crop, 16, mean, scale, rgb=True)[0], atol=1e-6)


def test_crops_that_are_views_are_read_right():
    """A slice of a larger array has other strides."""
    wide = np.stack([picture(16, 32)])
    assert np.array_equal(
        crops_to_tensor(wide[:, :, 8:24], 0.0, 1.0),
        crops_to_tensor(np.ascontiguousarray(wide[:, :, 8:24]), 0.0, 1.0),
    )


@given(arrays(np.float32, (2, 3, 4, 4), elements=st.floats(-3, 3, width=32)))
def test_network_values_are_rounded_and_clipped(values):
    """Within half a grey level and a hair of the real value, never wrapped round."""
    crops = tensor_to_crops(values, gain=127.5, offset=127.5, model_id="m", count=2, side=4)
    exact = np.clip(values.astype(np.float64) * 127.5 + 127.5, 0, 255)
    assert np.abs(crops[..., ::-1].transpose(0, 3, 1, 2) - exact).max() <= 0.5 + 1e-3


@given(arrays(np.uint8, (1, 8, 8, 3), elements=PIXELS))
def test_there_and_back_is_the_same_picture(crops):
    """No grey level is lost on the way through a network that changes nothing."""
    blob = crops_to_tensor(crops, 0.0, 1 / 255)
    back = tensor_to_crops(blob, gain=255.0, offset=0.0, model_id="m", count=1, side=8)
    assert np.array_equal(back, crops)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_an_error(wrong):
    """One is enough, wherever it is; the message holds no values."""
    out = np.zeros((2, 3, 4, 4), np.float32)
    out[1, 2, 3, 0] = wrong
    with pytest.raises(EngineError, match="model m gave values that are not finite"):
        tensor_to_crops(out, gain=1.0, offset=0.0, model_id="m", count=2, side=4)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 4, 4, 3), (2, 3, 8, 8), (2, 48)])
def test_an_output_of_another_shape_is_an_error(shape):
    """Other counts, layouts and sizes are not guessed at."""
    with pytest.raises(EngineError, match="gave shape"):
        tensor_to_crops(
            np.zeros(shape, np.float32), gain=1.0, offset=0.0, model_id="m", count=2, side=4
        )


def test_half_precision_is_taken():
    """A network in FP16 hands out float16."""
    out = np.full((1, 3, 4, 4), 0.5, np.float16)
    crops = tensor_to_crops(out, gain=255.0, offset=0.0, model_id="m", count=1, side=4)
    assert set(np.unique(crops)) <= {127, 128}
