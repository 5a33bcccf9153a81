"""A runtime whose engines are ONNX files run by onnxruntime's CPU provider.

Acceptance is genuine with it.  A JSON file named by `EDGED_FAKE_ENGINES` makes its builder
or its loader misbehave, in whatever process they are.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edged.errors import EngineError, ModelError
from edged.runtime.onnx import OnnxSession
from edged.runtime.precision.rounding import rounded


class FakeEngines:
    """The backend; see above."""

    name = "cuda"
    artifact = "model.onnx"

    def identity(self):
        return {"onnxruntime": "1.0", "GPU": "none", "SM": "00", **_wish("identity", {})}

    def build(self, model, _profile, out, _settings, progress):
        _note("builds", f"{os.getpid()}\n")
        for step in range(3):
            progress("compile", step / 3)
        _MISBEHAVE[_wish("build", "well")](model, out)
        shutil.copyfile(model, out)

    def open(self, folder, *, model_id, meter):
        _MISBEHAVE[_wish("open", "well")](folder, folder / self.artifact)
        return OnnxSession(folder / self.artifact, model_id=model_id, threads=1, meter=meter)


class HastyEngines(FakeEngines):
    """Beside the artifact lies a fast form of it, which is wrong."""

    def build(self, model, profile, out, settings, progress):
        super().build(model, profile, out, settings, progress)
        _spoil(model, out)
        shutil.copyfile(model, out.parent / "fast.onnx")

    def tame(self, folder):
        there = (folder / "fast.onnx").exists()
        (folder / "fast.onnx").unlink(missing_ok=True)
        return there

    def open(self, folder, *, model_id, meter):
        fast = folder / "fast.onnx"
        source = fast if fast.exists() else folder / self.artifact
        return OnnxSession(source, model_id=model_id, threads=1, meter=meter)


class RefusingTensorRt(FakeEngines):
    """A builder whose parser takes no graph; that of `cuda` goes on as told."""

    name = "tensorrt"
    artifact = "engine.plan"

    def build(self, _model, _profile, _out, _settings, _progress):
        raise ModelError("the parser does not know node 7")


def _wish(key, default):
    path = Path(os.environ.get("EDGED_FAKE_ENGINES", "/nowhere"))
    return json.loads(path.read_text()).get(key, default) if path.is_file() else default


def _note(name, line):
    folder = Path(os.environ.get("EDGED_FAKE_ENGINES", "/nowhere")).parent
    if folder.is_dir():
        with (folder / name).open("a") as file:
            file.write(line)


def _crash_once(_model, _out):
    if (Path(os.environ["EDGED_FAKE_ENGINES"]).parent / "builds").read_text().count("\n") == 1:
        os.kill(os.getpid(), signal.SIGSEGV)


def _spoil(model, _out):
    """Noise on the weights: it runs, and it is wrong."""
    proto = onnx.load(model)
    for weight in proto.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype.kind == "f" and values.size > 64:
            noise = np.random.default_rng(0).standard_normal(values.shape) * values.std()
            spoilt = values + noise.astype(values.dtype)
            weight.CopyFrom(numpy_helper.from_array(spoilt, weight.name))
    onnx.save(proto, model)


def _round(model, _out):
    """Every half precision operator rounds as it does on a GPU; a CPU computes in FP32."""
    onnx.save(rounded(onnx.load(model)), model)


def _hog(_model, _out):
    kept = []
    for _ in range(40):
        kept.append(np.ones(4 << 20))
        time.sleep(0.05)


def _refuse(_model, _out):
    raise EngineError("there is no GPU; install one")


def _parser(_model, _out):
    raise ModelError("the parser does not know node 7")


_MISBEHAVE = {
    "well": lambda _model, _out: None,
    "crash": lambda _model, _out: os.kill(os.getpid(), signal.SIGSEGV),
    "crash once": _crash_once,
    "exit": lambda _model, _out: os._exit(7),
    "hang": lambda _model, out: (out.write_bytes(b"half"), time.sleep(600)),
    "slow": lambda _model, _out: time.sleep(1.5),
    "hog": _hog,
    "spoil": _spoil,
    "round": _round,
    "refuse": _refuse,
    "parser": _parser,
}
