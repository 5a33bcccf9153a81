"""Whether onnxruntime's plugin for TensorRT-RTX can be loaded, and takes this card.

Data: slug, as it also stands in the device's `status`.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import jetson
from edged.doctor.host import Host
from edged.doctor.runtimes import reasons
from edged.doctor.setup import Setup


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Each reason why not; there is none of it for Jetsons."""
    if jetson(host) is None or setup.wish == "tensorrt-rtx":
        yield from reasons(host, setup, "tensorrt-rtx", "TensorRT-RTX's plugin can be loaded")


CHECK = Check("tensorrt-rtx", "graphics", "TensorRT-RTX, onnxruntime's plugin", look, timeout_s=120)
