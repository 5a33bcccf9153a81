"""The native TensorRT runtime: graph to plan, plan to session.

One code path from TensorRT 8.6 over 10.3 (JetPack 6) to 11.4; all that differs between them
is in :mod:`edged.runtime.trt.names`.  NVIDIA's libraries come with JetPack or from NVIDIA's
package index; the Python package index has only stubs.
"""

from __future__ import annotations

from typing import Final

PROVEN: Final = False
"""Whether this runtime has been seen running on a GPU.  It has not, and `info` says so.

What has been seen: its calls exist in NVIDIA's bindings of 10.3, 10.16 and 11.4; its graphs
are parsed, type-checked and built by TensorRT-RTX's GPU-less builder; its session logic
runs on a driver in host memory."""
