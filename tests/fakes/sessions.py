"""A session that answers what a test says; behind the same protocol as onnxruntime's."""

from __future__ import annotations

import numpy as np

from edged.runtime.session import OnHost, TensorSpec


class FakeSession(OnHost):
    """One model without a file.

    Args:
        inputs: shape (None where open) by name, or (shape, dtype).
        outputs: shape by name.
        answer: feeds -> list of output arrays.
    """

    def __init__(self, inputs, outputs, answer):
        self.model_id = "fake"
        self.inputs = [_spec(name, shape) for name, shape in inputs.items()]
        self.outputs = [_spec(name, shape) for name, shape in outputs.items()]
        self.runs = []
        self._answer = answer

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def run(self, feeds):
        assert set(feeds) == {spec.name for spec in self.inputs}, "not every input is fed"
        for spec in self.inputs:
            fed = feeds[spec.name]
            assert fed.dtype == spec.dtype, f"{spec.name} got {fed.dtype}"
            assert len(fed.shape) == len(spec.shape)
            assert all(e in (None, n) for e, n in zip(spec.shape, fed.shape, strict=True))
        self.runs.append({name: np.array(fed) for name, fed in feeds.items()})
        return self._answer(feeds)


class ReusingSession(FakeSession):
    """Hands out the same output memory at every run, as a GPU runtime may."""

    def run(self, feeds):
        answer = super().run(feeds)
        if not hasattr(self, "_kept"):
            self._kept = [np.array(a) for a in answer]
        for kept, new in zip(self._kept, answer, strict=True):
            kept[...] = new
        return self._kept


def _spec(name, shape):
    dtype = np.float32
    if len(shape) == 2 and isinstance(shape[0], tuple):
        shape, dtype = shape
    return TensorSpec(name, tuple(shape), np.dtype(dtype))
