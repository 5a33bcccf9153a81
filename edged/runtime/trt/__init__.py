"""The native TensorRT runtime: graph to plan, plan to session.

One code path from TensorRT 8.6 over 10.3 (JetPack 6) to 11.4; all that differs between them
is in :mod:`edged.runtime.trt.names`.  NVIDIA's libraries come with JetPack or from NVIDIA's
package index; the Python package index has only stubs.

Nobody has seen this runtime running on a GPU, and `info` says so
(:data:`edged.runtime.choice.UNPROVEN`).  What has been seen: its calls exist in NVIDIA's
bindings of 10.3, 10.16 and 11.4; its graphs are parsed, type-checked and built by
TensorRT-RTX's GPU-less builder; its session logic runs on a driver in host memory.
"""
