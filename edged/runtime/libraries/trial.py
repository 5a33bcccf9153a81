"""Makes and runs one small session on the CUDA provider, in a process of its own.

The last word on whether the provider works: whatever is wrong and has no name of its own
shows here, and a crash of the provider or the driver ends that process and not ours.  It
proves that sessions come up and that a kernel starts, not that a network's numbers are right.
"""

from __future__ import annotations

import base64
import json
import re
import sys

from edged.onnx_writer import Graph
from edged.runtime.child import ask_child

TIMEOUT_S = 120.0
"""The first CUDA context on a small board takes tens of seconds."""

_TRIAL = """
import base64, json, os, sys
asked = json.load(sys.stdin)
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path[:] = asked["path"]
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
said = {"step": "import"}
try:
    import numpy as np
    import onnxruntime as ort
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    said["step"] = "session"
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = ort.InferenceSession(
        base64.b64decode(asked["model"]), options,
        providers=[("CUDAExecutionProvider", {"device_id": str(asked["device"])})],
        enable_fallback=0,
    )
    said["providers"] = session.get_providers()
    said["step"] = "run"
    fed = np.arange(6, dtype=np.float32).reshape(2, 3)
    same = session.run(None, {"x": fed})[0].tolist() == fed.reshape(3, 2).tolist()
    said["step"] = "" if same else "result"
except BaseException as error:
    said["error"], said["text"] = type(error).__name__, str(error)[:4000]
print(json.dumps(said), file=out, flush=True)
"""

_CLUE = re.compile(r"CUDA failure \d+|cuDNN is unavailable|CUDNN_STATUS_\w+|CUBLAS_STATUS_\w+")
"""What is worth showing of the provider's text, which also holds this machine's name."""


def try_cuda(device: int = 0) -> str:
    """Why the CUDA provider does not work, in a few words; empty when it does.

    Args:
        device: index of the GPU.
    """
    asked = {"path": sys.path, "model": base64.b64encode(_model()).decode(), "device": device}
    answer = ask_child(_TRIAL, json.dumps(asked), TIMEOUT_S)
    lines = [line for line in answer.said.splitlines() if line.startswith("{")]
    if not lines:
        return answer.ended
    said = json.loads(lines[-1])
    if said.get("providers", ["CUDAExecutionProvider"])[:1] != ["CUDAExecutionProvider"]:
        return f"the session came up on {said['providers'][0]}"
    if not said["step"]:
        return ""
    if said["step"] == "result":
        return "a copy came back changed"
    clue = _CLUE.search(said.get("text", ""))
    words = f", {clue[0]}" if clue else ""
    return f"{said['step']}: {said['error']}{words}"


def _model() -> bytes:
    """float32 (2, 3) to (3, 2), which is a copy, and doubled, which needs a kernel."""
    graph = Graph()
    graph.op("Reshape", "x", graph.constant([3, 2]), to="y")
    graph.op("Mul", "x", graph.constant(2.0), to="doubled")
    made = graph.model("trial", {"x": [2, 3]}, {"y": [3, 2], "doubled": [2, 3]})
    return bytes(made.SerializeToString())
