"""The CUDA provider of the real onnxruntime-gpu, on a GPU of paper and without one.

Each case is a process of its own with its own libraries.  What is shown: our sessions never
end on the CPU unseen, and bindings, page-locked memory, graphs and threads work as they do on a
GPU.  What is not: that a kernel computes anything.
"""

from __future__ import annotations

import pytest
from paper_gpu import ask, environment, without

MODEL = """
import json, os, sys, threading
import numpy as np
from onnx import TensorProto
from edged.errors import EdgedError
from edged.onnx_writer import Graph
from edged.runtime.cuda import CudaSession
from edged.runtime.cuda_options import CudaSettings

def copying():
    "uint8 (n, 4, 4, 3) to the same, by copies alone."
    graph = Graph()
    flat = graph.op("Reshape", "crops", graph.constant([-1, 48]))
    graph.op("Reshape", flat, graph.constant([-1, 4, 4, 3]), to="same")
    types = {"crops": TensorProto.UINT8, "same": TensorProto.UINT8}
    shape = ["n", 4, 4, 3]
    return graph.model("m", {"crops": shape}, {"same": shape}, types=types).SerializeToString()

def convolving():
    graph = Graph()
    graph.mix("x", np.ones((2, 3), np.float32), to="y")
    return graph.model("m", {"x": [1, 3, 4, 4]}, {"y": [1, 2, 4, 4]}).SerializeToString()

def crops(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), np.uint8)

def told(call):
    try:
        return call()
    except EdgedError as error:
        return f"{type(error).__name__}: {error}"
"""

OPEN = """
def upsampling():
    "A picture of open extents, halved by reshaping, then brought to a computed size again."
    graph = Graph()
    shape = graph.op("Shape", "x")
    sides = graph.op("Slice", shape, graph.constant([2]), graph.constant([4]))
    half = graph.op("Div", sides, graph.constant([2, 2]))
    front = graph.op("Slice", shape, graph.constant([0]), graph.constant([2]))
    extents = graph.op("Concat", front, graph.op("Mul", half, graph.constant([2, 2])), axis=0)
    small = graph.op("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2])
    graph.op("Resize", small, "", "", extents, to="y", mode="nearest")
    return graph.model("m", {"x": [1, 1, "h", "w"]}, {"y": [1, 1, "h", "w"]}).SerializeToString()
"""

OPENS = """
def opens():
    with CudaSession(convolving(), model_id="m") as session:
        providers = session._session.get_providers()
        try:
            session.run({"x": np.ones((1, 3, 4, 4), np.float32)})
        except EdgedError as error:
            return f"{providers[0]}, then {type(error).__name__}: {error}"
        return providers
print(json.dumps(told(opens)))
"""


@pytest.fixture(scope="module")
def run(gpu_packages, paper_gpu):
    """`run(script)`: its last line, on the paper GPU."""

    def asked(script, folder=paper_gpu, **values):
        return ask(MODEL + script, environment(folder, [gpu_packages], **values))

    return asked


@pytest.mark.parametrize("library", ["libcublas.so.13", "libcurand.so.10", "libcuda.so.1"])
def test_a_session_without_a_library_is_an_error_and_never_on_the_cpu(run, paper_gpu, library):
    """Onnxruntime itself would have come up on the CPU."""
    said = run(OPENS, without(paper_gpu, library))
    assert said.startswith("EngineError: model m: onnxruntime's CUDA provider does not take")


def test_a_session_without_a_gpu_is_an_error_and_never_on_the_cpu(run):
    """The driver is there, the card is not."""
    assert run(OPENS, PAPER_GPUS="0").startswith("EngineError: ")


def test_a_convolution_without_cudnn_fails_on_the_gpu_and_not_silently_on_the_cpu(run, paper_gpu):
    """The session comes up, which is why cuDNN is looked for before."""
    said = run(OPENS, without(paper_gpu, "libcudnn.so.9"))
    assert said.startswith("CUDAExecutionProvider, then EngineError: model m failed on the GPU")


def test_an_option_that_onnxruntime_does_not_know_is_an_error(run):
    """Onnxruntime drops the whole session to the CPU for it."""
    said = run("""
settings = CudaSettings(options={"fp16_enable": "1"})
print(json.dumps(told(CudaSession(copying(), model_id="m", settings=settings).__enter__)))
""")
    assert said.startswith("EngineError: runtime.cuda_options.fp16_enable")
    assert "FP16 is in the graph" in said


def test_no_exception_repeats_a_machine_s_name_or_folder(run, paper_gpu):
    """The provider's own text holds both."""
    said = run(OPENS, PAPER_GPUS="0") + run(OPENS, without(paper_gpu, "libcublas.so.13"))
    assert "/" not in said.replace("and/or", "")
    assert "hostname" not in said


def test_faces_come_back_in_their_rows_for_every_batch_size(run):
    """Extents that were seen before use their own buffers again."""
    assert run("""
with CudaSession(copying(), model_id="m") as session:
    same = []
    for turn, n in enumerate((1, 3, 2, 1, 3, 2, 1)):
        fed = crops(n, turn)
        same.append(bool((session.run({"crops": fed})[0] == fed).all()))
    kept = len(session._captured) + len(session._passing)
print(json.dumps([same, kept]))
""") == [[True] * 7, 3]  # fmt: skip


def test_captured_graphs_are_few_and_buffers_are_bounded(run):
    """More extents than that run without a graph; none ever gets another one's faces."""
    assert run("""
from edged.runtime.cuda import MAX_GRAPHS, MAX_PASSING
same = []
with CudaSession(copying(), model_id="m") as session:
    for turn, n in enumerate((*range(1, 20), *range(1, 20))):
        fed = crops(n, turn)
        same.append(bool((session.run({"crops": fed})[0] == fed).all()))
    ids = [bound.graph_id for bound in session._captured.values()]
    bounded = (len(ids), len(session._passing)) == (MAX_GRAPHS, MAX_PASSING)
print(json.dumps([all(same), bounded, len(set(ids)) == len(ids)]))
""") == [True, True, True]  # fmt: skip


@pytest.mark.parametrize("graphs", [True, False])
def test_graphs_on_and_off_give_the_same(run, graphs):
    """The paper GPU replays the copies that it recorded."""
    assert run(f"""
with CudaSession(copying(), model_id="m", settings=CudaSettings(graphs={graphs})) as session:
    told = [bool((session.run({{"crops": crops(2, s)}})[0] == crops(2, s)).all()) for s in range(5)]
    enabled = session._session.get_provider_options()["CUDAExecutionProvider"]["enable_cuda_graph"]
print(json.dumps([told, enabled]))
""") == [[True] * 5, str(int(graphs))]  # fmt: skip


def test_arrays_stay_on_the_device_between_sessions(run):
    """Uploaded once, run through two sessions, downloaded into memory that is given."""
    assert run("""
with CudaSession(copying(), model_id="a") as a, CudaSession(copying(), model_id="b") as b:
    fed = crops(3)
    (first,) = a.run_resident({"crops": a.upload(fed)})
    (second,) = b.run_resident({"crops": first})
    into = np.zeros_like(fed)
    assert b.download(second, into) is into
print(json.dumps(bool((into == fed).all())))
""") is True  # fmt: skip


def test_after_a_failure_the_session_is_made_anew(run):
    """An arena that ran out of memory once would fail at every later frame."""
    failed, after = run("""
with CudaSession(copying(), model_id="m") as session:
    session.run({"crops": crops(2)})
    first = session._session
    os.environ["PAPER_BROKEN"] = "1"
    failed = told(lambda: session.run({"crops": crops(2)}))
    del os.environ["PAPER_BROKEN"]
    same = [bool((session.run({"crops": crops(n, n)})[0] == crops(n, n)).all()) for n in (1, 2, 3)]
    print(json.dumps([failed, [all(same), session._session is not first, session._graphs]]))
""")
    assert failed.startswith("EngineError: model m failed on the GPU")
    assert after == [True, True, True]


def test_a_graph_that_cannot_be_captured_is_run_without(run):
    """The session goes on, and says so once."""
    assert run("""
os.environ["PAPER_BROKEN"] = "1"
with CudaSession(copying(), model_id="m") as session:
    same = [bool((session.run({"crops": crops(n, n)})[0] == crops(n, n)).all()) for n in (1, 2, 1)]
    print(json.dumps([all(same), session._graphs]))
""") == [True, False]  # fmt: skip


def test_another_thread_may_not_run_it(run):
    """Bound buffers in two hands give one person another one's face."""
    assert "belongs to another thread" in run("""
with CudaSession(copying(), model_id="m") as session:
    said = []
    thread = threading.Thread(
        target=lambda: said.append(told(lambda: session.run({"crops": crops(1)})))
    )
    thread.start(); thread.join()
print(json.dumps(said[0]))
""")


def test_a_feed_of_another_type_or_shape_is_refused(run):
    """Nothing is converted, and the text holds no numbers of a frame."""
    said = run("""
with CudaSession(copying(), model_id="m") as session:
    wrong = (crops(1).astype(np.float32), crops(1)[:, :2], crops(1)[0])
    print(json.dumps([told(lambda: session.run({"crops": one})) for one in wrong]))
""")
    assert all(one.startswith("EngineError: input crops") for one in said)


def test_tf32_is_off_unless_asked_for(run):
    """FP32 is FP32."""
    assert run("""
def tf32(**settings):
    with CudaSession(copying(), model_id="m", settings=CudaSettings(**settings)) as session:
        return session._session.get_provider_options()["CUDAExecutionProvider"]["use_tf32"]
print(json.dumps([tf32(), tf32(tf32=True)]))
""") == ["0", "1"]  # fmt: skip


def test_an_artifact_with_weights_in_half_precision_is_known_by_its_folder(run, tmp_path):
    """The worker that builds it looks; the daemon that opens it need not."""
    assert run(f"""
import onnx
from pathlib import Path
from edged.runtime.backend import Profile
from edged.runtime.cuda_backend import CudaBackend
from edged.runtime.session import Meter
from edged.runtime.settings import BuildSettings

def convolution(kind):
    graph = Graph()
    x = graph.cast("x", onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
    y = graph.op("Conv", x, graph.exact(np.ones((2, 3, 1, 1), kind)))
    graph.cast(y, TensorProto.FLOAT, to="y")
    return graph.model("m", {{"x": [1, 3, 4, 4]}}, {{"y": [1, 2, 4, 4]}})

backend, found = CudaBackend(), []
for kind in (np.float32, np.float16):
    folder = Path({str(tmp_path)!r}) / np.dtype(kind).name
    folder.mkdir()
    onnx.save(convolution(kind), folder / "source.onnx")
    out = folder / "engine" / backend.artifact
    out.parent.mkdir()
    backend.build(folder / "source.onnx", Profile({{}}), out, BuildSettings(), lambda *_: None)
    with backend.open(out.parent, model_id="m", meter=Meter()) as session:
        options = session._session.get_provider_options()["CUDAExecutionProvider"]
        found.append([options["use_tf32"], options["prefer_nhwc"], backend.tame(out.parent)])
        found[-1].append(backend.tame(out.parent))
print(json.dumps(found))
""") == [["0", "0", False, False], ["1", "1", True, False]]  # fmt: skip


def test_our_list_of_options_is_the_provider_s(run):
    """But for those that are addresses of allocators."""
    theirs = run("""
with CudaSession(copying(), model_id="m") as session:
    print(json.dumps(sorted(session._session.get_provider_options()["CUDAExecutionProvider"])))
""")
    from edged.runtime.cuda_options import KNOWN

    others = {name for name in theirs if name.startswith("gpu_external")}
    assert set(theirs) - others - {"external_data_loader_reading_threads"} <= KNOWN


def test_a_graph_that_computes_extents_gets_a_session_for_each_set_of_them(run):
    """Its arithmetic on extents would be on the CPU, and nothing of ours is."""
    shapes, kept, providers, wrong = run(
        OPEN
        + """
from edged.runtime.cuda import MAX_FIXED
with CudaSession(upsampling(), model_id="m") as session:
    opened = [[spec.name, spec.shape] for spec in (*session.inputs, *session.outputs)]
    for side in (*range(32, 32 * 13, 32), 64):
        key = ((1, 1, side, 64),)
        bound = session._bound_for({"x": np.zeros(key[0], np.float32)})
    providers = [b.session.get_provider_graph_assignment_info() for b in session._passing.values()]
    names = sorted({part.ep_name for parts in providers for part in parts})
    wrong = told(lambda: session._bound_for({"x": np.zeros((1, 2, 64, 64), np.float32)}))
    print(json.dumps([opened, [len(session._passing), MAX_FIXED], names, wrong]))
"""
    )
    assert shapes == [["x", [1, 1, None, None]], ["y", [1, 1, None, None]]]
    assert kept[0] == kept[1]
    assert providers == ["CUDAExecutionProvider"]
    assert wrong.startswith("EngineError: input x has other extents")


def test_the_wheel_s_gpus_are_read_from_its_provider(gpu_packages):
    """Turing to Hopper and Blackwell's PC cards; no code for B200 (10.0) and none to compile."""
    from edged.runtime.libraries.elf import gpu_code, needed

    provider = gpu_packages / "onnxruntime" / "capi" / "libonnxruntime_providers_cuda.so"
    code = gpu_code(provider)
    assert (code.cubins, code.ptx) == ({75, 80, 86, 89, 90, 120}, frozenset())
    assert not code.runs_on(100)
    wanted = {"libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcuda.so.1"}
    assert wanted <= set(needed(provider))
