"""Opening a graph of one face for several, and proving that faces stay apart."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import prepared, running, session_of
from onnx import TensorProto, helper, numpy_helper

from edged.bench import synthetic
from edged.bench.standins import recogniser, restorers, swapper
from edged.builtin import recogniser as builtin_recogniser
from edged.builtin import restorer as builtin_restorer
from edged.builtin import swapper as builtin_swapper
from edged.onnx_writer import Graph
from edged.runtime.graph.proof import draw_feeds, is_batched, prove_batch

FILES = {
    "w600k_r50": recogniser.build,
    "inswapper_128": swapper.build,
    "gfpgan_1.4": lambda: restorers.build("gfpgan_1.4"),
    "codeformer": lambda: restorers.build("codeformer"),
    "restoreformer_plus_plus": lambda: restorers.build("restoreformer_plus_plus"),
    "gpen_bfr_512": lambda: restorers.build("gpen_bfr_512"),
    "builtin_recogniser": builtin_recogniser.build,
    "builtin_swapper": builtin_swapper.build,
    "builtin_restorer": builtin_restorer.build,
}

SIDE = 512


@pytest.mark.parametrize("recipe", FILES)
def test_every_stand_in_keeps_faces_apart(recipe):
    """Fixed at one face or not, each is opened, and three come out together as alone."""
    with running(FILES[recipe](), recipe) as session:
        assert is_batched(session)
        assert prove_batch(session).ok


@pytest.mark.parametrize("recipe", sorted(set(synthetic.RECIPES) - {"det_10g"}))
def test_every_real_architecture_is_opened_and_keeps_faces_apart(recipe):
    """The public exports' operators, at reduced width, with their baked batch of one."""
    ready = prepared(synthetic.build(recipe, width=0.06), recipe)
    assert ready.batched, ready.notes
    with session_of(ready.model) as session:
        proof = prove_batch(session)
    assert proof.ok, proof


def restorer_of(write, extent=1):
    """A restorer whose output is what `write(graph, "input")` makes."""
    graph = Graph()
    graph.op("Identity", write(graph, "input"), to="output")
    shape = (extent, 3, SIDE, SIDE)
    return graph.model("r", {"input": shape}, {"output": shape})


def through(graph, value, *shapes):
    """The value reshaped again and again, as exports do with a batch of one."""
    for shape in shapes:
        value = graph.op("Reshape", value, graph.constant(list(shape)))
    return value


def group_norm(graph, value):
    """Rows of one face as channels of an instance norm, and back."""
    rows = through(graph, value, (1, 3, SIDE * SIDE))
    ones = graph.constant(np.ones(3, np.float32))
    zeros = graph.constant(np.zeros(3, np.float32))
    return through(graph, graph.op("InstanceNormalization", rows, ones, zeros), (1, 3, SIDE, SIDE))


def sequence_first(graph, value):
    """A transformer's layout: places first, faces second, heads beside the faces."""
    rows = through(graph, value, (1, 3 * 64, SIDE * SIDE // 64))
    places = graph.op("Transpose", rows, perm=[2, 0, 1])  # (4096, 1, 192)
    heads = through(graph, places, (SIDE * SIDE // 64, 8, 24))
    apart = graph.op("Softmax", graph.op("Transpose", heads, perm=[1, 0, 2]), axis=-1)
    back = graph.op("Transpose", apart, perm=[1, 0, 2])
    places = through(graph, back, (SIDE * SIDE // 64, 1, 3 * 64))
    return through(graph, graph.op("Transpose", places, perm=[1, 2, 0]), (1, 3, SIDE, SIDE))


def places_and_faces_as_rows(graph, value):
    """Places first, then both flattened into rows for a projection, faces inside places."""
    rows = through(graph, value, (1, 3 * 64, SIDE * SIDE // 64))
    places = graph.op("Transpose", rows, perm=[2, 0, 1])  # (4096, 1, 192)
    heads = through(graph, places, (SIDE * SIDE // 64, 8, 24))
    flat = through(graph, heads, (SIDE * SIDE // 64, 3 * 64))
    turn = graph.constant(np.roll(np.eye(3 * 64, dtype=np.float32), 1, axis=0))
    mixed = graph.op("MatMul", flat, turn)
    back = through(graph, mixed, (SIDE * SIDE // 64, 1, 3 * 64))
    return through(graph, graph.op("Transpose", back, perm=[1, 2, 0]), (1, 3, SIDE, SIDE))


def channels_as_samples(graph, value):
    """A blur of every channel by itself, as upsampling layers without custom operators do it."""
    alone = through(graph, value, (3, 1, SIDE, SIDE))
    kernel = graph.constant(np.full((1, 1, 3, 3), 1 / 9, np.float32))
    back = through(graph, graph.op("Conv", alone, kernel, pads=[1] * 4), (1, 3, SIDE, SIDE))
    return graph.mix(back, np.eye(3, dtype=np.float32)[::-1].copy())


def runtime_shape(graph, value):
    """A reshape whose target is worked out from the input's extents."""
    shape = graph.op("Shape", value)
    first = graph.op("Gather", shape, graph.constant([0]), axis=0)
    rest = graph.constant([3, SIDE, SIDE])
    flat = through(graph, value, (1, -1))
    return graph.op("Reshape", flat, graph.op("Concat", first, rest, axis=0))


def learned_start(graph, value):
    """A constant that is the same for all faces, joined to each of them."""
    start = graph.constant(np.full((1, 3, SIDE, SIDE), 0.1, np.float32))
    six = graph.op("Concat", value, start, axis=1)
    return graph.mix(six, np.tile(np.eye(3, dtype=np.float32), 2))


def sizes_named(graph, value):
    """A resize that names every extent, the faces' too."""
    small = graph.op("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
    sizes = graph.constant([1, 3, SIDE, SIDE])
    return graph.op("Resize", small, "", "", sizes, mode="nearest")


def one_hot_codes(graph, value):
    """A code book read by a one-hot matrix that is scattered into zeros, as VQ exports do."""
    luma = graph.op("AveragePool", value, kernel_shape=[64, 64], strides=[64, 64])
    rows = through(graph, graph.op("Transpose", luma, perm=[0, 2, 3, 1]), (-1, 3))  # (64, 3)
    best = through(graph, graph.op("ArgMax", rows, axis=1), (64, 1))
    zeros = graph.constant(np.zeros((64, 3), np.float32))
    ones = graph.constant(np.ones((64, 1), np.float32))
    hot = graph.op("ScatterElements", zeros, best, ones, axis=1)
    codes = graph.op("MatMul", hot, graph.constant(np.eye(3, dtype=np.float32)[::-1] * 0.5))
    planes = graph.op("Transpose", through(graph, codes, (1, 8, 8, 3)), perm=[0, 3, 1, 2])
    scale = graph.constant(np.array([1, 1, 64, 64], np.float32))
    return graph.op("Resize", planes, "", scale, mode="nearest")


@pytest.mark.parametrize(
    "write",
    [group_norm, sequence_first, places_and_faces_as_rows, channels_as_samples, runtime_shape,
     learned_start, sizes_named, one_hot_codes],
)  # fmt: skip
def test_what_exports_bake_in_is_opened(write):
    """Each habit of exporters on its own: opened, and proven."""
    ready = prepared(restorer_of(write), "gfpgan_1.4")
    assert ready.batched, ready.notes
    assert not {node.op_type for node in ready.model.graph.node} & {"Shape", "Size"}
    with session_of(ready.model) as session:
        assert prove_batch(session).ok


def mean_of_all(graph, value):
    """Subtracts what is common to all faces."""
    return graph.op("Sub", value, graph.op("ReduceMean", value, axes=[0], keepdims=1))


def added_up(graph, value):
    """Adds each face to those before it."""
    return graph.op("CumSum", value, graph.constant(np.int64(0)))


def first_face(graph, value):
    """Takes the first face and forgets the others."""
    return through(graph, graph.op("Gather", value, graph.constant(0), axis=0), (1, 3, SIDE, SIDE))


@pytest.mark.parametrize("extent", [1, "n"])
@pytest.mark.parametrize("write", [mean_of_all, added_up, first_face])
def test_an_operator_that_mixes_faces_keeps_the_graph_at_one(write, extent):
    """Whether or not the file claims a batch; the note names the operator."""
    ready = prepared(restorer_of(write, extent), "gfpgan_1.4")
    assert not ready.batched
    assert ready.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert "one face a run: " in ready.notes[-1]


def norm_over_the_batch(graph, value):
    """A group norm whose rows were laid out for one face: several are normalised as one."""
    rows = through(graph, value, (1, 3, -1))
    ones = graph.constant(np.ones(3, np.float32))
    zeros = graph.constant(np.zeros(3, np.float32))
    return through(graph, graph.op("InstanceNormalization", rows, ones, zeros), (-1, 3, SIDE, SIDE))


def test_a_re_export_that_mixes_faces_by_its_shapes_is_put_right():
    """What it computes for one face is the truth; its claim of a batch is not believed."""
    file = restorer_of(norm_over_the_batch, "n")
    planes = np.random.default_rng(0).standard_normal((2, 3, SIDE, SIDE)).astype(np.float32)
    planes[1] += 3
    with session_of(file) as session:
        (together,), (alone,) = (session.run({"input": p}) for p in (planes, planes[:1]))
    assert np.abs(together[0] - alone[0]).max() > 0.1
    with running(file, "gfpgan_1.4") as session:
        assert is_batched(session)
        assert prove_batch(session).ok


def contaminating():
    """A prepared-looking restorer: a twentieth of the mean of all faces goes into each."""
    shape = ("n", 8, 8, 3)
    nodes = [
        helper.make_node("Cast", ["crops"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Mul", ["floats", "most"], ["own"]),
        helper.make_node("Mul", ["mean", "rest"], ["others"]),
        helper.make_node("Add", ["own", "others"], ["mixed"]),
        helper.make_node("Round", ["mixed"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["restored"], to=TensorProto.UINT8),
        helper.make_node("ReduceMean", ["mixed"], ["checks"], axes=[1, 2, 3], keepdims=0),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [info("crops", TensorProto.UINT8, shape)],
        [info("restored", TensorProto.UINT8, shape), info("checks", TensorProto.FLOAT, ("n",))],
        [
            numpy_helper.from_array(np.float32(0.95), "most"),
            numpy_helper.from_array(np.float32(0.05), "rest"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def test_the_proof_refuses_a_re_export_that_mixes_faces_up():
    """A graph that claims a batch and leaks a little of each face into the next is caught."""
    model = contaminating()
    with session_of(model) as session:
        proof = prove_batch(session)
    assert not proof.ok
    assert proof.mean_levels > 1


def test_a_graph_of_one_face_has_nothing_to_prove():
    """Where stages run face by face, none can be mixed up."""
    with running(restorer_of(mean_of_all), "gfpgan_1.4") as session:
        assert prove_batch(session).ok


def test_drawn_feeds_fit_every_input():
    """Bytes, unit vectors and numbers, by name and type, three faces."""
    with running(swapper.build(), "inswapper_128") as session:
        feeds = draw_feeds(session)
        shapes = {name: value.shape for name, value in feeds.items()}
    assert shapes == {"crops": (3, 128, 128, 3), "latents": (3, 512)}
    np.testing.assert_allclose(np.linalg.norm(feeds["latents"], axis=1), 1, rtol=1e-6)
