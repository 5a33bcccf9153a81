"""What every test on a real GPU starts from: a runtime that works here, or a skip that says why."""

from __future__ import annotations

import pytest

from edged.runtime.machine import Machine


@pytest.fixture(scope="session", params=["cuda", "tensorrt"])
def backend(request):
    """A runtime that works on a GPU of this machine.

    TensorRT-RTX is not among them: it takes RTX cards alone and holds no frames.
    """
    machine = Machine()
    refusal = machine.refusal(request.param)
    if refusal is not None:
        pytest.skip(f"no GPU serves {request.param} here: {refusal.first or refusal.text}")
    return machine.backend(request.param)
