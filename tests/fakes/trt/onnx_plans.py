"""Teaches the fake TensorRT another kind of plan: an ONNX file, run by onnxruntime.

It runs where TensorRT would: on the addresses that it was told, when the stream comes to it.
"""

import ctypes
import os

import numpy as np
import onnxruntime as ort

KINDS = {"tensor(uint8)": "UINT8", "tensor(float)": "FLOAT", "tensor(int32)": "INT32"}
NUMPY = {"UINT8": np.uint8, "FLOAT": np.float32, "INT32": np.int32}
LIMITS = {"n": (1, 2, 8), "S": (16, 128, 512), "h": (16, 384, 640), "w": (16, 384, 640)}
ELSE = (16, 256, 640)
"""Extents of a profile, by the symbols that the graphs have."""


def teach(fake):  # noqa: C901 - two classes, whose bases are known here only
    """Let the module's runtime read such plans."""

    class Engine(fake.Engine):
        def __init__(self, logger, content):
            super().__init__(logger, "")
            options = ort.SessionOptions()
            options.intra_op_num_threads = 1
            self.run = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            self.ins = {node.name: node for node in self.run.get_inputs()}
            self.outs = {node.name: node for node in self.run.get_outputs()}
            self.all = {**self.ins, **self.outs}
            self.num_io_tensors = len(self.all)

        def get_tensor_name(self, index):
            return [*self.all][index]

        def get_tensor_mode(self, name):
            return fake.TensorIOMode.INPUT if name in self.ins else fake.TensorIOMode.OUTPUT

        def get_tensor_dtype(self, name):
            return fake.DataType[KINDS[self.all[name].type]]

        def get_tensor_location(self, _name):
            return fake.TensorLocation.DEVICE

        def get_tensor_shape(self, name):
            return tuple(d if isinstance(d, int) else -1 for d in self.all[name].shape)

        def get_tensor_profile_shape(self, name, _profile):
            dims = self.ins[name].shape
            ranges = [(d,) * 3 if isinstance(d, int) else LIMITS.get(d, ELSE) for d in dims]
            return list(zip(*ranges, strict=True))

        def create_execution_context(self, strategy):
            self.contexts.append(Context(self, strategy))
            return self.contexts[-1]

    class Context(fake.Context):
        def set_input_shape(self, name, shape):
            assert not self.runs, "a context was changed after it ran"
            self.shapes[name] = tuple(shape)
            return True

        def infer_shapes(self):
            return [name for name in self.engine.ins if name not in self.shapes]

        def get_tensor_shape(self, name):
            known = {}
            for fed, shape in self.shapes.items():
                known.update(zip(self.engine.ins[fed].shape, shape, strict=True))
            return tuple(known.get(d, d) for d in self.engine.outs[name].shape)

        def execute_async_v3(self, stream):
            assert set(self.places) == set(self.engine.all)
            self.runs += 1
            self.kept.append(fake.WORK(self._work))
            cuda = ctypes.CDLL(os.environ["STUB_CUDA"])
            cuda.stub_enqueue.argtypes = (ctypes.c_void_p, fake.WORK, ctypes.c_void_p)
            return cuda.stub_enqueue(stream, self.kept[-1], None) == 0

        def _work(self, _):
            feeds = {name: self._there(name, self.shapes[name]).copy() for name in self.engine.ins}
            made = self.engine.run.run(None, feeds)
            for name, value in zip(self.engine.outs, made, strict=True):
                self._there(name, value.shape)[...] = value

        def _there(self, name, shape):
            return self._at(name, shape, NUMPY[KINDS[self.engine.all[name].type]])

    read = fake.Runtime.deserialize_cuda_engine

    def deserialize(self, content):
        return read(self, content) if content[:1] == b"{" else Engine(self.logger, content)

    fake.Runtime.deserialize_cuda_engine = deserialize
