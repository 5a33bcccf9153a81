"""A TensorRT that runs one tiny network in host memory, behind NVIDIA's names.

    crops uint8 [n,2,2,3], scale float32 [1]
        -> swapped uint8 [n,2,2,3] = crops + 1, checks float32 [n] = mean(crops) * scale

A plan is JSON, `{"do": ""}`; `do` says how it misbehaves.  What a context puts into a
stream is done by the host driver of tests/native/libcuda_host.c, at the file `STUB_CUDA`.
"""

import ctypes
import enum
import json
import os
import signal

import numpy as np

__version__ = "10.3.0"
WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
FACES = 4
BOUNDS = {"crops": [(1, 2, 2, 3), (2, 2, 2, 3), (FACES, 2, 2, 3)], "scale": [(1,)] * 3}
OUTPUTS = ("swapped", "checks")

DataType = enum.Enum("DataType", "FLOAT HALF INT8 INT32 BOOL UINT8 INT64")
TensorLocation = enum.Enum("TensorLocation", "DEVICE HOST")
TensorIOMode = enum.Enum("TensorIOMode", "NONE INPUT OUTPUT")
LayerInformationFormat = enum.Enum("LayerInformationFormat", "ONELINE JSON")
ExecutionContextAllocationStrategy = enum.Enum("Strategy", "STATIC USER_MANAGED")
Builder = OnnxParser = object


class ILogger:
    """What loggers derive from."""

    Severity = enum.Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")


class Runtime:
    """Reads plans."""

    def __init__(self, logger):
        self.logger = logger

    def deserialize_cuda_engine(self, content):
        try:
            do = json.loads(content)["do"]
        except ValueError:
            self.logger.log(ILogger.Severity.ERROR, "Magic tag does not match")
            return None
        if do == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        return Engine(self.logger, do)


class Engine:
    """A plan, which is its own inspector."""

    num_io_tensors = 4
    device_memory_size_v2 = 512

    def __init__(self, logger, do):
        self.logger, self.do, self.contexts = logger, do, []

    def get_tensor_name(self, index):
        return (*BOUNDS, *OUTPUTS)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in BOUNDS else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return DataType.UINT8 if name in {"crops", "swapped"} else DataType.FLOAT

    def get_tensor_location(self, name):
        wanted = self.do == "host input" and name == "scale"
        return TensorLocation.HOST if wanted else TensorLocation.DEVICE

    def get_tensor_shape(self, name):
        return {"crops": (-1, 2, 2, 3), "scale": (1,), "swapped": (-1, 2, 2, 3), "checks": (-1,)}[
            name
        ]

    def get_tensor_profile_shape(self, name, profile):
        return BOUNDS[name] if profile == 0 else None

    def create_execution_context(self, strategy):
        if self.do == "no context" and self.contexts:
            self.logger.log(ILogger.Severity.ERROR, "out of memory")
            return None
        self.contexts.append(Context(self, strategy))
        return self.contexts[-1]

    def create_engine_inspector(self):
        return self

    def get_engine_information(self, _form):
        half = {"Name": "a", "Outputs": [{"Format/Datatype": "Row major linear FP16 format"}]}
        full = {"Name": "b", "Outputs": [{"Format/Datatype": "Row major linear FP32"}]}
        return json.dumps({"Layers": [half, full]})


class Context:
    """Does what TensorRT asks: no change once recorded, all places told before a run."""

    def __init__(self, engine, strategy):
        self.engine, self.shapes, self.places, self.kept, self.runs = engine, {}, {}, [], 0
        self.own = strategy is ExecutionContextAllocationStrategy.USER_MANAGED

    def set_device_memory(self, address, size_bytes):
        self.own = self.own and address % 256 == 0 and size_bytes >= 512

    def set_input_shape(self, name, shape):
        assert not self.runs, "a context was changed after it ran"
        low, _, high = BOUNDS[name]
        self.shapes[name] = tuple(shape)
        return all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))

    def infer_shapes(self):
        return [name for name in BOUNDS if name not in self.shapes]

    def get_tensor_shape(self, name):
        crops = self.shapes["crops"]
        values = -1 if self.engine.do == "open output" else crops[0]
        return crops if name == "swapped" else (values,)

    def set_tensor_address(self, name, address):
        assert not self.runs, "a context was changed after it ran"
        self.places[name] = address
        return address % 256 == 0

    def execute_async_v3(self, stream):
        if self.engine.do == "no run":
            self.engine.logger.log(ILogger.Severity.ERROR, "no kernel")
            return False
        assert self.own
        assert set(self.places) == {*BOUNDS, *OUTPUTS}
        if self.engine.do == "no graph" and self.runs == 1 and not self.kept[1:]:
            self.kept.append(None)
            self.engine.logger.log(ILogger.Severity.ERROR, "not permitted while capturing")
            return False
        self.runs += 1
        self.kept.append(WORK(self._work))
        cuda = ctypes.CDLL(os.environ["STUB_CUDA"])
        cuda.stub_enqueue.argtypes = (ctypes.c_void_p, WORK, ctypes.c_void_p)
        return cuda.stub_enqueue(stream, self.kept[-1], None) == 0

    def _work(self, _):
        crops = self._at("crops", self.shapes["crops"], np.uint8)
        scale = self._at("scale", (1,), np.float32)
        self._at("swapped", crops.shape, np.uint8)[...] = crops + 1
        self._at("checks", crops.shape[:1], np.float32)[...] = crops.mean((1, 2, 3)) * scale

    def _at(self, name, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        memory = (ctypes.c_ubyte * size).from_address(self.places[name])
        return np.frombuffer(memory, dtype).reshape(shape)
