"""Whether onnxruntime's CUDA provider works: its libraries, and a session really run on it.

Data: slug, as it also stands in the device's `status`.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.runtimes import reasons
from edged.doctor.setup import Setup


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Each reason why not; a session that works is the proof that it does."""
    yield from reasons(host, setup, "cuda", "a session ran on onnxruntime's CUDA provider")


CHECK = Check(
    "cuda", "graphics", "onnxruntime's CUDA provider and its libraries", look, timeout_s=180
)
