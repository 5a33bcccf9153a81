"""Provider truth: what a session really runs on, whatever the list of providers says.

onnxruntime lists CUDA where it cannot load, and a session that is asked for it may come
up on the CPU with a line on stderr.  So a tiny network is run on the CPU's provider in a
process of its own, and the session is asked afterwards; CUDA's is tried likewise by what
the check `cuda` asks.

Data: listed, true.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import has_gpu
from edged.doctor.host import Host
from edged.doctor.setup import Setup

_TRY = """
import json
import numpy as np
import onnxruntime as ort
from edged.onnx_writer import Graph
graph = Graph()
graph.op("Mul", "x", graph.constant(2.0), to="y")
words = graph.model("truth", {"x": [4]}, {"y": [4]}).SerializeToString()
session = ort.InferenceSession(words, providers=["CPUExecutionProvider"])
right = session.run(None, {"x": np.ones(4, np.float32)})[0].tolist() == [2.0] * 4
print(json.dumps({
    "listed": ort.get_available_providers(), "got": session.get_providers(), "right": right,
}))
"""
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
_SECONDS = 30.0


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """What is listed against what came."""
    folder = host.onnxruntime().folder
    if folder is None:
        return
    seen = host.ask(_TRY, timeout_s=_SECONDS)
    if seen.get("got") != [CPU] or not seen.get("right"):
        how = f"its process {seen['died']}" if "died" in seen else "its answer is wrong"
        yield Finding(
            "providers.broken",
            "fail",
            f"not even a session on the CPU works: {how}",
            where=str(folder),
            advice="onnxruntime, numpy or onnx is damaged; install onnxruntime again.",
            data=seen,
        )
        return
    true = [CPU]
    listed = list(seen["listed"])
    data = {"listed": listed, "true": true}
    if CUDA in listed and not host.reasons("cuda"):
        true.append(CUDA)
    elif CUDA in listed:
        yield Finding(
            "providers.false",
            "note",
            f"onnxruntime lists {CUDA}, and no session can be had on it",
            where=str(folder),
            advice="edged never falls back unseen: it asks for one provider and looks which one "
            "it got." + (" The check cuda says why." if has_gpu(host) else ""),
            data=data,
        )
    yield Finding("providers.true", "ok", f"sessions really run on {' and '.join(true)}", data=data)


CHECK = Check("providers", "software", "what sessions really run on", look, timeout_s=180)
