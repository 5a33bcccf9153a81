"""A canvas on a device: the host's pixels, one frame up and one down, nothing unfinished."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import prepared
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from resident_kit import DeviceSession, bench, network

from edged.bench.standins.detector import scrfd, yunet
from edged.bench.standins.faces import draw_face
from edged.errors import EngineError
from edged.onnx_writer import Graph
from edged.stages.easel import HostPicture
from edged.stages.embed import SIZE_PX, Embedder
from edged.stages.paste import oval_mask
from edged.stages.resident import easel_on
from edged.stages.resident_bench import MOST_FACES
from edged.stages.scrfd import Scrfd
from edged.stages.swap import Swapped
from edged.stages.views import Effort
from edged.stages.yunet import YuNet

SIDE = 64
SWAP, RESTORE = oval_mask("arcface_128", SIDE), oval_mask("ffhq_512", SIDE)


def recogniser():
    """The mean colour of a crop as its vector."""
    g = Graph()
    g.op("ReduceMean", g.cast("crops", TensorProto.FLOAT), axes=[1, 2], keepdims=0, to="embeddings")
    shape = ["n", SIZE_PX, SIZE_PX, 3]
    types = {"crops": TensorProto.UINT8}
    return g.model("recogniser", {"crops": shape}, {"embeddings": ["n", 3]}, types)


class Net:
    """A swapper and a restorer in one: the stages' own run on canonical tensors."""

    size_px = SIDE

    def __init__(self, output, extra, most):
        self.most = most
        self.session = DeviceSession(network(output, extra, SIDE), model_id=output)

    def __call__(self, crops, given):
        """From host memory, as the stages do it."""
        extra = np.array([given], np.float32) if np.isscalar(given) else given
        made, checks = self.session.run({"crops": crops, self.session.inputs[1].name: extra})
        if not np.isfinite(checks).all():
            raise EngineError("not finite")
        return np.array(made)

    plain = True

    def run(self, crops, given):
        """As the swapper's."""
        return Swapped(self(crops, given))

    def fed(self, sources):
        """As the swapper's."""
        return {"latents": sources}

    def numbers(self, strength):
        """As the restorer's."""
        return {"strength": np.array([strength], np.float32)}


@pytest.fixture(scope="module")
def nets():
    return Net("swapped", "latents", most=0), Net("restored", "strength", most=4)


@pytest.fixture(scope="module")
def devices():
    made, traffic = bench()
    return easel_on(made), traffic


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def face(scale, angle, x, y):
    """Frame -> crop: the crop's middle lies at (x, y), `scale` crop px a frame px."""
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[a, -b], [b, a]])
    return np.c_[turn, SIDE / 2 - turn @ [x, y]]


def made(easel, image, faces, nets):
    """What swapping and restoring every face makes of a picture, and the rectangles."""
    swapper, restorer = nets
    out = np.full_like(image, 77)
    canvas = easel(image).canvas(out)
    rects = []
    if faces:
        latents = np.zeros((len(faces), 512), np.float32)
        rects += canvas.paste(canvas.swap(swapper, faces, latents).crops, faces, SWAP)
        rects += canvas.paste(canvas.restore(restorer, faces, 1.0), faces, RESTORE)
    canvas.finish()
    return out, rects


FACES = st.builds(
    face, st.floats(0.2, 4), st.floats(-3, 3), st.floats(-50, 250), st.floats(-50, 250)
)


@given(st.lists(FACES, max_size=10), st.integers(0, 2**32 - 1))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_device_makes_the_host_s_picture(nets, devices, faces, seed):
    """Swapped, pasted, restored from the pasted picture, pasted again; none to ten faces.

    More than eight are made in host memory; more than four are restored by way of it.
    """
    image = noise(200, 220, seed)
    there, rects_there = made(devices[0], image, faces, nets)
    here, rects_here = made(HostPicture, image, faces, nets)
    assert rects_there == rects_here
    assert np.abs(there.astype(int) - here).max() <= 2, "one level a paste"


def test_a_frame_goes_up_once_and_comes_down_once(nets, devices):
    """Of arrays as large as a frame; checks and the like are small."""
    easel, traffic = devices
    image = noise(200, 220)
    faces = [face(1, 0.2, 90, 80), face(0.7, -0.4, 160, 120)]
    made(easel, image, faces, nets)
    traffic.up.clear(), traffic.down.clear()
    made(easel, image, faces, nets)
    assert traffic.up == [image.shape], "masks went up before"
    assert [shape for shape in traffic.down if len(shape) == 3] == [image.shape]


def test_a_large_face_is_cut_by_the_host_and_its_frame_stays_on_the_device(nets, devices):
    """So that it does not alias; only its crops go along, only the canvas comes down."""
    easel, traffic = devices
    image = noise(200, 220)
    faces = [face(0.3, 0.2, 90, 80), face(1.2, -0.4, 160, 120)]
    here, _ = made(HostPicture, image, faces, nets)
    traffic.up.clear(), traffic.down.clear()
    there, _ = made(easel, image, faces, nets)
    assert np.abs(there.astype(int) - here).max() <= 2
    assert traffic.up == [image.shape]
    assert [shape for shape in traffic.down if len(shape) == 3] == [image.shape]


def test_a_canvas_that_nothing_was_pasted_into_is_the_picture(nets, devices):
    """It needs no device at all."""
    easel, traffic = devices
    traffic.up.clear(), traffic.down.clear()
    image = noise(40, 50)
    out, _ = made(easel, image, [], nets)
    assert np.array_equal(out, image)
    assert not traffic.up
    assert not traffic.down


def test_a_value_that_is_not_finite_is_no_picture(nets, devices):
    """The network's bytes look well; its check does not, and nothing is pasted."""
    canvas = devices[0](noise(200, 220)).canvas(np.zeros((200, 220, 3), np.uint8))
    latents = np.zeros((2, 512), np.float32)
    latents[1, 0] = np.inf
    faces = [face(1, 0, 60, 60), face(1, 0, 150, 120)]
    with pytest.raises(EngineError, match="not finite"):
        canvas.swap(nets[0], faces, latents)


def test_a_canvas_is_pasted_into_again(nets, devices):
    """By the session that made it: what a run is fed with is copied before it begins."""
    image, faces = noise(200, 220), [face(1, 0.1, 90, 90)]
    results = []
    for easel in (devices[0], HostPicture):
        out = np.zeros_like(image)
        canvas = easel(image).canvas(out)
        for _ in range(2):
            canvas.paste(
                canvas.swap(nets[0], faces, np.zeros((1, 512), np.float32)).crops, faces, SWAP
            )
        canvas.finish()
        results.append(out)
    assert np.abs(results[0].astype(int) - results[1]).max() <= 2


def test_what_no_run_holds_is_made_in_host_memory(nets, devices):
    """A face with a tile above the bound, after one that was pasted on the device."""
    image, small, large = noise(2600, 2600), [face(1, 0.1, 90, 90)], [face(0.01, 0, 1300, 1300)]
    results = []
    for easel in (devices[0], HostPicture):
        out = np.zeros_like(image)
        canvas, latents = easel(image).canvas(out), np.zeros((1, 512), np.float32)
        for faces in (small, large, small):
            canvas.paste(canvas.swap(nets[0], faces, latents).crops, faces, SWAP)
        canvas.finish()
        results.append(out)
    assert np.abs(results[0].astype(int) - results[1]).max() <= 3, "one level a paste"


def test_larger_crops_than_a_run_holds_are_pasted_in_host_memory(devices):
    """Nothing is uploaded for them."""
    easel, traffic = devices
    image, pieces, mask = noise(200, 220), noise(600, 600)[None], oval_mask("ffhq_512", 600)
    faces = [np.array([[3.0, 0, 5], [0, 3, 9]])]
    results = []
    traffic.up.clear()
    for put_up in (easel, HostPicture):
        out = np.zeros_like(image)
        canvas = put_up(image).canvas(out)
        canvas.paste(pieces, faces, mask)
        canvas.finish()
        results.append(out)
    assert np.array_equal(*results)
    assert not traffic.up


@pytest.mark.parametrize("shape", [(4100, 16), (15, 40)])
def test_an_odd_frame_is_the_host_s(devices, shape):
    """Extents that no graph was made for."""
    assert isinstance(devices[0](noise(*shape)), HostPicture)


@pytest.mark.parametrize("count", [0, 1, 3, 8, MOST_FACES + 3])
@pytest.mark.parametrize("resident", [True, False])
def test_crops_and_vectors_are_the_host_s(count, resident):
    """In buckets or by way of host memory; the padding is not among them."""
    easel = easel_on(bench(lambda _model_id: resident)[0])
    image, network = noise(300, 400), Embedder(DeviceSession(recogniser()))
    faces = [face(0.8, 0.3 * i, 30 * i, 25 * i) for i in range(count)]
    crops, vectors = easel(image).embed(network, faces)
    here, expected = HostPicture(image).embed(network, faces) if count else (crops, vectors)
    assert crops.shape == (count, SIZE_PX, SIZE_PX, 3)
    assert np.abs(crops.astype(int) - here).max(initial=0) <= 1
    assert np.abs(vectors - expected).max(initial=0) < 1e-3


@pytest.mark.parametrize("count", [0, 1, 3, MOST_FACES + 3])
def test_crops_alone_are_those_that_vectors_are_made_of(devices, count):
    """For faces that the recogniser need not look at."""
    image, network = noise(300, 400), Embedder(DeviceSession(recogniser()))
    faces = [face(0.8, 0.3 * i, 30 * i, 25 * i) for i in range(count)]
    for easel in (devices[0], HostPicture):
        crops, _ = easel(image).embed(network, faces)
        assert np.array_equal(easel(image).cut(faces), crops)


@pytest.fixture(scope="module")
def families():
    """Two detector families with the stand-ins' networks."""
    return [
        Scrfd(DeviceSession(prepared(scrfd(), "det_10g").model, model_id="scrfd")),
        YuNet(DeviceSession(prepared(yunet(), "yunet").model, model_id="yunet")),
    ]


def crowd(height, width):
    """Drawn faces, large and small, one at the border."""
    image = np.full((height, width, 3), 90, np.uint8)
    for at, size in (((0.3, 0.4), 0.2), ((0.7, 0.3), 0.1), ((0.8, 0.8), 0.15), ((0.02, 0.6), 0.1)):
        draw_face(image, (at[0] * width, at[1] * height), int(size * height), 3)
    return image


@pytest.mark.parametrize(
    "effort",
    [
        Effort((640,)),
        Effort((640, 256), turns=(0, 1, 2, 3)),
        Effort((640,), turns=(0, 3), tiles=True),
        Effort((960,), families=1),
        Effort((960,)),
        Effort((640, 128), families=1, diagonals=(45.0,), close_px=128, every=True),
    ],
)
@pytest.mark.parametrize("shape", [(480, 640), (1000, 1501), (901, 500)])
def test_a_search_on_the_device_finds_the_same(families, devices, effort, shape):
    """Sizes, turns, tiles, close looks; a family too small for a look gets it from the host."""
    easel, traffic = devices
    image = crowd(*shape)
    traffic.up.clear()
    there = easel(image).search(families, effort)
    here = HostPicture(image).search(families, effort)
    assert len(there) == len(here) >= 1
    for one, other in zip(there, here, strict=True):
        assert np.abs(one.box - other.box).max() < 0.1
        assert abs(one.score - other.score) < 0.01
        assert one.families == other.families
    assert traffic.up == [image.shape]


def test_a_family_whose_recipe_keeps_it_off_the_device_looks_from_the_host(families):
    """Nothing is uploaded for it."""
    made, traffic = bench(lambda model_id: model_id == "yunet")
    image = crowd(480, 640)
    assert len(easel_on(made)(image).search(families[:1], Effort((640,)))) == 4
    assert not traffic.up
