"""The TensorRT backend on a machine without a driver, as far as it goes there."""

from __future__ import annotations

from edged.runtime.trt.backend import TensorRtBackend


class DriverlessTensorRt(TensorRtBackend):
    """Names a GPU that is not there, so that the builder is reached."""

    def identity(self):
        return {"TensorRT": "vehicle", "CUDA": "13.0", "driver": "none", "GPU": "none", "SM": "00"}
