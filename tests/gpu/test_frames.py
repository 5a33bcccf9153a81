"""Frames that stay on a real GPU: the host's pixels, whatever way they were made."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import numpy as np
import onnx
import pytest
from resident_kit import DeviceSession, network

from edged.runtime.backend import Profile, Shapes
from edged.runtime.build.pictures import PictureEngines
from edged.runtime.graph.picture import BUCKETS
from edged.runtime.pictures import LARGEST_PX
from edged.runtime.session import Meter
from edged.runtime.settings import BuildSettings
from edged.stages.easel import HostPicture
from edged.stages.paste import oval_mask
from edged.stages.resident import easel_on
from edged.stages.resident_trial import open_bench
from edged.stages.swap import Swapped

SIDE = 64
SWAP, RESTORE = oval_mask("arcface_128", SIDE), oval_mask("ffhq_512", SIDE)
BUILD_S = 600
"""TensorRT compiles seven picture graphs before the first test of it."""


class Net:
    """A network of the kit behind what swapper and restorer say of theirs."""

    size_px, most, plain = SIDE, 0, True

    def __init__(self, session):
        self.session = session
        self._other = session.inputs[1].name

    def run(self, crops, given):
        made, _ = self.session.run({"crops": crops, self._other: given})
        return Swapped(np.array(made))

    def fed(self, sources):
        return {"latents": sources}

    def numbers(self, strength):
        return {"strength": np.array([strength], np.float32)}

    def __call__(self, crops, strength):
        return self.run(crops, self.numbers(strength)["strength"]).crops


@pytest.fixture(scope="module")
def opened(backend, tmp_path_factory):
    """(easel, swapper, restorer) on the GPU, the picture graphs held against OpenCV."""
    settings = BuildSettings(folder=tmp_path_factory.mktemp("engines"))
    with ExitStack() as stack:

        def built(name, graph, profile):
            folder = settings.folder / name
            folder.mkdir()
            onnx.save_model(graph, folder / "source.onnx")
            backend.build(
                folder / "source.onnx", profile, folder / backend.artifact, settings,
                lambda *_: None,
            )  # fmt: skip
            return stack.enter_context(backend.open(folder, model_id=name, meter=Meter()))

        def picture(name, graph):
            if backend.name != "tensorrt":
                return built(name, onnx.load_from_string(graph), Profile({}))
            engines = PictureEngines(settings, backend)
            if not engines.there():
                engines.make(lambda *_: None, threading.Event())
            return stack.enter_context(engines.open(name, Meter()))

        bench = open_bench(picture, lambda _: True, LARGEST_PX)
        counts = tuple((n, SIDE, SIDE, 3) for n in (1, 4, BUCKETS[-1]))
        swap = built(
            "swap", network("swapped", "latents", SIDE),
            Profile({
                "crops": Shapes(*counts),
                "latents": Shapes(*((shape[0], 512) for shape in counts)),
            }),
        )  # fmt: skip
        restore = built(
            "restore", network("restored", "strength", SIDE),
            Profile({"crops": Shapes(*counts), "strength": Shapes(*((1,),) * 3)}),
        )  # fmt: skip
        yield easel_on(bench), Net(swap), Net(restore)


@pytest.fixture(scope="module")
def on_host():
    """The same networks on the CPU."""
    return HostPicture, *(
        Net(DeviceSession(network(*ends, SIDE)))
        for ends in (("swapped", "latents"), ("restored", "strength"))
    )


def face(scale, angle, x, y):
    """Frame -> crop: the crop's middle lies at (x, y), `scale` crop px a frame px."""
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[a, -b], [b, a]])
    return np.c_[turn, SIDE / 2 - turn @ [x, y]]


def made(parts, image, faces):
    """What swapping and restoring every face makes of a picture."""
    easel, swapper, restorer = parts
    out = np.zeros_like(image)
    canvas = easel(image).canvas(out)
    if faces:
        latents = np.zeros((len(faces), 512), np.float32)
        canvas.paste(canvas.swap(swapper, faces, latents).crops, faces, SWAP)
        canvas.paste(canvas.restore(restorer, faces, 1.0), faces, RESTORE)
    canvas.finish()
    return out


@pytest.mark.timeout(BUILD_S)
def test_a_gpu_makes_the_host_s_picture(opened, on_host):
    """None to nine faces on noise, where every place that is one pixel off is seen."""
    rng = np.random.default_rng(4)
    worst = 0
    for turn in range(30):
        image = rng.integers(0, 256, (200 + turn, 260, 3), np.uint8)
        places = rng.uniform((0.3, -3, -20, -20), (3, 3, 280, 240), (turn % 10, 4))
        faces = [face(*place) for place in places]
        there, here = made(opened, image, faces), made(on_host, image, faces)
        worst = max(worst, int(np.abs(there.astype(int) - here).max()))
    assert worst <= 2, "one level a paste"
