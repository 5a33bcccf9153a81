"""A frame that stays on the device, by TensorRT's session, on a GPU in host memory.

The driver does what is in a stream only when somebody waits, so that memory which is read
too early, or written over too soon, shows in the picture.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from faces_kit import stranger
from onnx import TensorProto
from pipeline_kit import LEFT, RIGHT, Eyes, Recogniser, found, frame, make, shot, stream, with_scene
from resident_kit import network, scripted

from edged.onnx_writer import Graph
from edged.privacy.guard import Passed
from edged.runtime.session import Meter
from edged.runtime.trt.session import TrtSession
from edged.stages.easel import HostPicture
from edged.stages.embed import Embedder
from edged.stages.identity import VectorSource
from edged.stages.resident import easel_on
from edged.stages.resident_trial import open_bench
from edged.stages.restore import Restorer
from edged.stages.swap import Swapper

FAKES = Path(__file__).parents[2] / "fakes" / "trt"
BOTH = found(LEFT, RIGHT)
RESTORED = with_scene(restore=True, restore_strength=0.5)


def impostor():
    """Crops -> the stranger, whoever was there."""
    g = Graph()
    nothing = g.scaled(g.cast("crops", TensorProto.FLOAT), 0.0)
    g.cast(g.moved(nothing, stranger().astype(np.float32)), TensorProto.UINT8, "swapped")
    mean = g.op("ReduceMean", nothing, axes=[1, 2, 3], keepdims=0)
    g.op("Add", mean, g.op("ReduceMean", "latents", axes=[1], keepdims=0), to="checks")
    shape = ["n", 128, 128, 3]
    return g.model(
        "impostor",
        {"crops": shape, "latents": ["n", 3]},
        {"swapped": shape, "checks": ["n"]},
        {"crops": TensorProto.UINT8, "swapped": TensorProto.UINT8},
    )


@pytest.fixture
def opened(fake_trt, stub, tmp_path, monkeypatch):  # noqa: ARG001 - the driver must be there
    """`opened(name, graph)`: an entered session; all are left at the end."""
    monkeypatch.syspath_prepend(str(FAKES))
    sys.modules.pop("onnx_plans", None)
    from onnx_plans import teach

    teach(fake_trt)
    with ExitStack() as stack:

        def enter(name, content):
            plan = tmp_path / f"{name}.plan"
            plan.write_bytes(content)
            session = TrtSession(plan, model_id=name, meter=Meter(), vouched=True)
            return stack.enter_context(session)

        yield enter


@pytest.fixture
def bench(opened):
    """The picture graphs, tried as the daemon tries them."""
    made = open_bench(opened, lambda model_id: model_id != "recogniser")
    yield made
    made._masks.clear()  # they lie on the device, which is looked at next


def recogniser():
    """The kit's, in host memory."""
    sizes = (None, 112, 112, 3), np.uint8
    known = Recogniser()
    return Embedder(
        scripted(
            "recogniser",
            {"crops": sizes},
            {"embeddings": ((None, 3), np.float32)},
            lambda feeds: [known(feeds["crops"])],
        )
    )


def test_pictures_are_the_host_s_frame_after_frame(opened, bench):
    """Shots and stream frames of two people and one, swapped and restored; graphs replayed."""
    swapper = Swapper(
        opened("swapper", impostor().SerializeToString()), VectorSource("m", 3, np.eye(3))
    )
    brighter = network("restored", "strength", 512).SerializeToString()
    restorer = Restorer(opened("restorer", brighter))
    parts = {"swapper": swapper, "recogniser": recogniser(), "restorer": restorer}
    pipelines = [make(Eyes(BOTH), easel=e, **parts)[0] for e in (HostPicture, easel_on(bench))]
    jobs = [shot(RESTORED), stream(100, RESTORED), stream(200, RESTORED), shot(with_scene())]
    for number, job in enumerate(jobs):
        image = frame()
        image[:8] = number  # no two frames are alike
        here, there = (pipeline.process(image, job) for pipeline in pipelines)
        assert isinstance(there.ruling, Passed) == isinstance(here.ruling, Passed)
        assert here.faces == there.faces
        assert here.guard == there.guard
        if isinstance(here.ruling, Passed):
            difference = np.abs(here.ruling.image.astype(int) - there.ruling.image)
            assert difference.max() <= 2, "one level a paste"
    assert isinstance(there.ruling, Passed)
    assert [note.action for note in there.faces] == ["swapped", "swapped"]
