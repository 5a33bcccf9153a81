"""A device that is none: onnxruntime's CPU behind memory that only sessions may touch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnxruntime as ort
from onnx import TensorProto

from edged.onnx_writer import Graph
from edged.runtime.graph.picture import BUCKETS, cropper, paster, sampler
from edged.runtime.session import TensorSpec
from edged.stages.resident_bench import Bench

DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int32)": np.int32}


@dataclass
class Traffic:
    """Shapes of what went up and down as arrays of their own (feeds that are small go along)."""

    up: list = field(default_factory=list)
    down: list = field(default_factory=list)


class Lying:
    """An array in device memory: shape and dtype are all that the host sees."""

    def __init__(self, array, owner=None):
        self._array, self._owner = array, owner
        self._run = owner.runs if owner else 0
        self.shape, self.dtype = array.shape, array.dtype

    def read(self):
        assert self._owner is None or self._owner.runs == self._run, "it was written over"
        return self._array


class Device:
    """A session whose outputs, when they stay, die with its next run, as on a GPU.

    Args:
        model_id, inputs, outputs: as in the protocol.
        compute: plain feeds -> outputs.
        traffic: written to.
    """

    def __init__(self, model_id, inputs, outputs, compute, traffic=None):
        self.model_id, self.inputs, self.outputs = model_id, inputs, outputs
        self.traffic = traffic or Traffic()
        self.runs = 0
        self._compute = compute

    def run(self, feeds):
        plain = {k: v.read() if isinstance(v, Lying) else v for k, v in feeds.items()}
        assert plain.keys() == {spec.name for spec in self.inputs}
        assert all(plain[spec.name].dtype == spec.dtype for spec in self.inputs)
        self.runs += 1
        return self._compute(plain)

    def run_resident(self, feeds):
        return [Lying(array, self) for array in self.run(feeds)]

    def upload(self, array):
        self.traffic.up.append(array.shape)
        return Lying(array.copy())

    def download(self, array, into=None):
        self.traffic.down.append(array.shape)
        if into is None:
            return array.read().copy()
        np.copyto(into, array.read(), casting="no")
        return into


class DeviceSession(Device):
    """One graph."""

    def __init__(self, model, traffic=None, model_id=""):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        super().__init__(
            model_id or model.graph.name,
            [_spec(one) for one in session.get_inputs()],
            [_spec(one) for one in session.get_outputs()],
            lambda feeds: session.run(None, feeds),
            traffic,
        )


def scripted(model_id, inputs, outputs, answer, traffic=None):
    """A session that answers what a test says; shapes and dtypes by name."""
    specs = [[TensorSpec(n, s, np.dtype(d)) for n, (s, d) in o.items()] for o in (inputs, outputs)]
    return Device(model_id, *specs, answer, traffic)


def network(output, extra, side):
    """Crops -> 255 - crops; `checks` are the first numbers of the other input."""
    g = Graph()
    value = g.op("Sub", g.constant(255.0), g.cast("crops", TensorProto.FLOAT))
    g.cast(value, TensorProto.UINT8, output)
    numbers = extra
    if extra == "latents":
        numbers = g.op("Gather", extra, g.constant(np.int64(0)), axis=1)
    mean = g.op("ReduceMean", g.cast("crops", TensorProto.FLOAT), axes=[1, 2, 3], keepdims=0)
    g.op("Add", mean, numbers, to="checks")
    return g.model(
        output,
        {"crops": ["n", side, side, 3], extra: ["n", 512] if extra == "latents" else [1]},
        {output: ["n", side, side, 3], "checks": ["n"]},
        {"crops": TensorProto.UINT8, output: TensorProto.UINT8},
    )


def _spec(node):
    shape = tuple(d if isinstance(d, int) else None for d in node.shape)
    return TensorSpec(node.name, shape, np.dtype(DTYPES[node.type]))


def bench(resident=lambda _model_id: True):
    """(bench, its traffic)."""
    traffic = Traffic()
    made = Bench(
        sampler=DeviceSession(sampler(turned=False), traffic),
        turned=DeviceSession(sampler(turned=True), traffic),
        cropper=DeviceSession(cropper(), traffic),
        pasters={count: DeviceSession(paster(count), traffic) for count in BUCKETS},
        resident=resident,
    )
    return made, traffic
