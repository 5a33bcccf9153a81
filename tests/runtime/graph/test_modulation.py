"""StyleGAN2's modulated convolution moved from the weights to the activations."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import session_of

from edged.bench import synthetic
from edged.bench.synthetic.crops import tensor
from edged.onnx_writer import Graph
from edged.runtime.graph import tools
from edged.runtime.graph.modulation import rewrite_modulation

RNG = np.random.default_rng(3)
OUT, INTO, SIDE = 4, 6, 8
SHAPES = {"x": (1, INTO, SIDE, SIDE), "w": (1, 16)}


def styled(graph):
    """The style from a latent, as (1, 1, c, 1, 1)."""
    flat = graph.op(
        "Gemm", "w", graph.constant(RNG.standard_normal((16, INTO))), graph.constant(np.ones(INTO))
    )
    return graph.op("Reshape", flat, graph.constant([1, 1, INTO, 1, 1]))


def length(graph, weight, form):
    """1 / length of each filter (or the length), as exporters write it; (1, out, 1, 1, 1)."""
    square = graph.op("Mul", weight, weight) if form == "mul" else graph.op(
        "Pow", weight, graph.constant(2.0)
    )  # fmt: skip
    axes = graph.constant([2, 3, 4])
    if form == "square sum":
        total = graph.op("ReduceSumSquare", weight, axes=[2, 3, 4], keepdims=0)
    else:
        total = graph.op("ReduceSum", square, axes, keepdims=0)
    moved = graph.moved(total, 1e-8)
    if form == "divided":
        inverse = graph.op("Sqrt", moved)
    elif form == "power":
        inverse = graph.op("Pow", moved, graph.constant(-0.5))
    elif form == "one over":
        inverse = graph.op("Div", graph.constant(1.0), graph.op("Sqrt", moved))
    else:
        inverse = graph.op("Reciprocal", graph.op("Sqrt", moved))
    return graph.op("Reshape", inverse, graph.constant([1, OUT, 1, 1, 1]))


def network(form, *, demodulated=True, transposed=False, bias=False):
    """X and a latent -> one modulated convolution."""
    graph = Graph()
    shape = (1, OUT, INTO, 3, 3)
    weight = graph.op("Mul", graph.constant(RNG.standard_normal(shape)), styled(graph))
    if demodulated:
        kind = "Div" if form == "divided" else "Mul"
        weight = graph.op(kind, weight, length(graph, weight, form))
    extents = [OUT, INTO, 3, 3]
    if transposed:
        weight = graph.op("Transpose", weight, perm=[0, 2, 1, 3, 4])
        extents = [INTO, OUT, 3, 3]
    filters = graph.op("Reshape", weight, graph.constant(extents))
    grouped = graph.op("Reshape", "x", graph.constant([1, INTO, SIDE, SIDE]))
    more = [graph.constant(RNG.standard_normal(OUT))] if bias else []
    kind = "ConvTranspose" if transposed else "Conv"
    mixed = graph.op(kind, grouped, filters, *more, pads=[1] * 4, group=1)
    graph.op("Reshape", mixed, graph.constant([1, OUT, SIDE, SIDE]), to="y")
    return graph.model("m", SHAPES, {"y": (1, OUT, SIDE, SIDE)})


def both(model):
    """Outputs before and after, and how many convolutions were rewritten."""
    after = tools.clone(model)
    found = rewrite_modulation(after, tools.static_shapes(after, SHAPES))
    feeds = {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
    with session_of(model) as one, session_of(tools.checked(after)) as other:
        return one.run(feeds)[0], other.run(feeds)[0], found, after


@pytest.mark.parametrize(
    "form", ["reciprocal", "one over", "power", "mul", "square sum", "divided"]
)
def test_every_form_of_the_export_is_recognised_and_gives_the_same(form):
    """No convolution with a computed weight is left."""
    before, after, found, model = both(network(form))
    assert found == 1
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
    constants = tools.initializers(model)
    assert all(n.input[1] in constants for n in model.graph.node if n.op_type == "Conv")


@pytest.mark.parametrize(
    "options",
    [{"demodulated": False}, {"transposed": True}, {"bias": True},
     {"bias": True, "demodulated": False}, {"transposed": True, "demodulated": False}],
    ids=str,
)  # fmt: skip
def test_layers_without_the_division_transposed_or_with_a_bias_are_rewritten(options):
    """As "to RGB" layers, upsampling ones, and other exports have them."""
    before, after, found, _ = both(network("reciprocal", **options))
    assert found == 1
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)


def test_new_nodes_have_the_names_that_precision_plans_look_for():
    """All are called after the convolution, which keeps its own name."""
    model = network("reciprocal")
    (conv,) = [node.name for node in model.graph.node if node.op_type == "Conv"]
    names = {node.name for node in both(model)[3].graph.node}
    steps = ("style", "scaled", "demodulated", *(
        f"demod/{step}" for step in ("squares", "sums", "moved", "root", "inverse", "gain")
    ))  # fmt: skip
    assert {conv, *(f"{conv}/{step}" for step in steps)} <= names


def test_a_weight_computed_in_another_way_is_left_alone():
    """A convolution whose weight is no modulated constant stays as it is."""
    graph = Graph()
    flat = graph.op("Gemm", "w", graph.constant(RNG.standard_normal((16, OUT * INTO))))
    weight = graph.op("Reshape", flat, graph.constant([OUT, INTO, 1, 1]))
    graph.op("Conv", "x", weight, to="y")
    model = graph.model("m", SHAPES, {"y": (1, OUT, SIDE, SIDE)})
    assert both(model)[2] == 0


def test_the_restorer_s_architecture_is_the_same_picture_after_it():
    """All 23 modulated convolutions of GFPGAN's decoder, in both spellings of 1 / sqrt."""
    for seed in (0, 1):
        model = synthetic.build("gfpgan_1.4", seed=seed, width=0.06)
        after = tools.clone(model)
        shapes = {"input": (1, 3, 512, 512)}
        assert rewrite_modulation(after, tools.static_shapes(after, shapes)) == 23
        feeds = {"input": tensor(512, 5, 127.5, 127.5)}
        with session_of(model) as one, session_of(tools.checked(after)) as other:
            want, found = one.run(feeds)[0], other.run(feeds)[0]
        assert np.abs(found - want).max() < 2e-3
        assert want.std() > 0.1
