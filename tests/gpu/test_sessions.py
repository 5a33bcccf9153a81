"""One small network on a real GPU, in half precision: against FP32 on the CPU, to the level."""

from __future__ import annotations

import threading

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from edged.errors import EngineError
from edged.onnx_writer import Graph
from edged.runtime.backend import Profile, Shapes
from edged.runtime.session import Meter
from edged.runtime.settings import BuildSettings
from edged.runtime.trt.trial import FILE

SIDE = 32
PROFILE = Profile({"crops": Shapes(*((n, SIDE, SIDE, 3) for n in (1, 2, 4)))})
TOLERANCE_LEVELS = 2
"""Grey levels; half precision of a convolution over 27 values is off by far less than one."""


def network(*, half):
    """Bytes to bytes by way of a convolution, in half or full precision."""
    graph = Graph()
    kind = np.float16 if half else np.float32
    value = graph.cast("crops", TensorProto.FLOAT)
    value = graph.op("Transpose", value, perm=[0, 3, 1, 2])
    value = graph.cast(graph.scaled(value, 1 / 255), TensorProto.FLOAT16 if half else 1)
    weights = np.random.default_rng(5).uniform(0, 2 / 27, (3, 3, 3, 3)).astype(kind)
    value = graph.op("Conv", value, graph.exact(weights), pads=[1] * 4)
    value = graph.scaled(graph.cast(value, TensorProto.FLOAT), 255.0)
    value = graph.op("Clip", graph.op("Round", value), graph.constant(0.0), graph.constant(255.0))
    graph.cast(graph.op("Transpose", value, perm=[0, 2, 3, 1]), TensorProto.UINT8, to="out")
    ends = ["n", SIDE, SIDE, 3]
    types = {"crops": TensorProto.UINT8, "out": TensorProto.UINT8}
    return graph.model("network", {"crops": ends}, {"out": ends}, types)


@pytest.fixture(scope="module")
def built(backend, tmp_path_factory):
    """A folder with the half-precision engine, built and tried here."""
    folder = tmp_path_factory.mktemp("gpu")
    onnx.save(network(half=True), folder / "source.onnx")
    for attempt in range(2):  # TensorRT's second build reads the first one's timing cache
        out = folder / f"engine{attempt}" / backend.artifact
        out.parent.mkdir()
        backend.build(
            folder / "source.onnx", PROFILE, out,
            BuildSettings(folder=folder, workspace_mb=256), lambda *_: None,
        )  # fmt: skip
    return out.parent


@pytest.fixture(scope="module")
def reference():
    """`reference(crops)`: FP32 on the CPU."""
    session = ort.InferenceSession(
        network(half=False).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return lambda crops: session.run(None, {"crops": crops})[0].astype(int)


def drawn(faces, seed):
    """Random crops."""
    return np.random.default_rng(seed).integers(0, 256, (faces, SIDE, SIDE, 3), np.uint8)


def test_the_reference_is_not_flat(reference):
    """On any machine: what a GPU is held against tells one crop from another."""
    one, two = reference(drawn(1, 1)), reference(drawn(1, 2))
    assert one.std() > 10
    assert np.abs(one - two).max() > 10


def test_half_precision_agrees_on_the_cpu(reference):
    """On any machine: the tolerance is no excuse for the graph itself."""
    session = ort.InferenceSession(
        network(half=True).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    crops = drawn(3, 7)
    got = session.run(None, {"crops": crops})[0].astype(int)
    assert np.abs(got - reference(crops)).max() <= TOLERANCE_LEVELS


def test_a_plan_s_trial_ran_in_half_precision(backend, built):
    """Built and ran on this GPU; only TensorRT makes plans."""
    tried = built / FILE
    assert tried.exists() == (backend.name == "tensorrt")
    assert not tried.exists() or b'"problem":""' in tried.read_bytes()


def test_every_batch_agrees_with_fp32_by_itself_and_as_a_graph(backend, built, reference):
    """First run, recorded run and replayed run of each size, in mixed order."""
    with backend.open(built, model_id="network", meter=Meter()) as session:
        for seed, faces in enumerate((1, 4, 2, 1, 4, 2, 1, 4, 2, 3, 3, 3)):
            crops = drawn(faces, seed)
            got = session.run({"crops": crops})[0].astype(int)
            assert np.abs(got - reference(crops)).max() <= TOLERANCE_LEVELS, (faces, seed)


def test_arrays_stay_on_the_gpu_between_sessions(backend, built, reference):
    """Upload, two sessions, one download; each time other crops through the same buffers."""
    with (
        backend.open(built, model_id="a", meter=Meter()) as first,
        backend.open(built, model_id="b", meter=Meter()) as second,
    ):
        for seed in range(4):
            crops = drawn(2, seed)
            middle = first.run_resident({"crops": first.upload(crops)})[0]
            got = second.download(second.run_resident({"crops": middle})[0]).astype(int)
            twice = reference(reference(crops).astype(np.uint8))
            assert np.abs(got - twice).max() <= 2 * TOLERANCE_LEVELS, seed


def test_what_is_not_the_model_s_is_refused_and_the_next_run_is_good(backend, built, reference):
    """Other extents, another type, more faces than the profile where there is one."""
    with backend.open(built, model_id="network", meter=Meter()) as session:
        crops = drawn(2, 9)
        wrong = [crops[:, :-1], crops.astype(np.float32)]
        if backend.name == "tensorrt":
            wrong.append(drawn(5, 9))
        for one in wrong:
            with pytest.raises(EngineError):
                session.run({"crops": one})
        got = session.run({"crops": crops})[0].astype(int)
        assert np.abs(got - reference(crops)).max() <= TOLERANCE_LEVELS


def test_two_threads_with_sessions_of_their_own_do_not_mix_faces_up(backend, built, reference):
    """Each thread opens its own; a session in another thread's hands is refused."""
    faults = []

    def worker(number):
        with backend.open(built, model_id="network", meter=Meter()) as session:
            for seed in range(40):
                crops = drawn(1 + seed % 4, 1000 * number + seed)
                got = session.run({"crops": crops})[0].astype(int)
                if np.abs(got - reference(crops)).max() > TOLERANCE_LEVELS:
                    faults.append((number, seed))

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert faults == []
