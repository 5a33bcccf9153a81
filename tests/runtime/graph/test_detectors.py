"""Decoding in the graph: the same places as by the families' own rules, at every size."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import at_opset, prepared, run, session_of

from edged.bench import synthetic
from edged.bench.standins.detector import STRIDES, scrfd, yunet
from edged.bench.standins.faces import draw_face
from edged.errors import ModelError
from edged.onnx_writer import Graph
from edged.runtime.graph import tools
from edged.runtime.graph.anchors import PLACES

RNG = np.random.default_rng(5)
TIE = 1e-6


def scene(height, width):
    """Noise with one drawn face, (1, h, w, 3) uint8 BGR."""
    picture = RNG.integers(0, 80, (height, width, 3), np.uint8)
    draw_face(picture, (width / 2 - 3, height / 2 + 2), round(min(height, width) * 0.4), 5)
    return picture[None]


def planes(picture, mean, std, *, rgb):
    """As the public file takes it."""
    ordered = picture[..., ::-1] if rgb else picture
    return np.ascontiguousarray(((ordered.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2))


def anchors(height, width, each):
    """All anchors' corners in strides and their strides, level after level."""
    corners, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride]
        cells = np.repeat(np.stack([x.ravel(), y.ravel()], 1), each, axis=0)
        corners.append(cells)
        strides.append(np.full((len(cells), 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(strides)


def best_by_hand(scores, boxes, points):
    """The best places, ties in the file's order."""
    order = np.argsort(-scores, kind="stable")[:PLACES]
    return scores[order], boxes[order], points[order]


def scrfd_by_hand(out, height, width):
    """SCRFD's rule: distances and shifts from the anchor, in strides."""
    corners, stride = anchors(height, width, 2)
    scores, distances, shifts = (
        np.concatenate([t.reshape(-1, n) for t in out[i : i + 3]])
        for i, n in ((0, 1), (3, 4), (6, 10))
    )
    centre = corners * stride
    boxes = np.tile(centre, 2) + distances * stride * [-1, -1, 1, 1]
    points = centre[:, None] + (shifts * stride).reshape(-1, 5, 2)
    return best_by_hand(scores[:, 0], boxes, points)


def yunet_by_hand(out, height, width):
    """YuNet's rule: centre and logarithm of the size, from the anchor, in strides."""
    corners, stride = anchors(height, width, 1)
    cls, obj, box, kps = (
        np.concatenate([t.reshape(-1, n) for t in out[i : i + 3]])
        for i, n in ((0, 1), (3, 1), (6, 4), (9, 10))
    )
    centre, half = (corners + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride / 2
    points = (corners[:, None] + kps.reshape(-1, 5, 2)) * stride[:, None]
    boxes = np.concatenate([centre - half, centre + half], 1)
    return best_by_hand(np.sqrt(cls * obj)[:, 0], boxes, points)


def assert_same(found, wanted):
    """The same places in the same order; what is below the number of places is none.

    Two graphs of one network round differently, on each kind of processor in another way, so
    places whose scores differ by less than `TIE` may have changed places.
    """
    scores, boxes, _ = wanted
    assert np.abs(found["scores"][: len(scores)] - scores).max() < TIE
    apart = np.abs(found["boxes"][: len(boxes)] - boxes[:, None]).max(2)
    apart[np.abs(found["scores"][: len(scores)] - scores[:, None]) > TIE] = np.inf
    order = np.arange(len(scores))
    moved = order[apart.diagonal() > 0.01]
    order[moved] = moved[apart[np.ix_(moved, moved)].argmin(1)] if len(moved) else moved
    assert sorted(order) == list(range(len(scores)))
    for got, want in zip(
        (found["scores"], found["boxes"], found["landmarks"]), wanted, strict=True
    ):
        assert np.abs(got[order] - want).max() < 0.01
    assert (found["scores"][len(wanted[0]) :] == -1).all()
    assert np.isfinite(found["checks"]).all()


@pytest.mark.parametrize("opset", [11, 17, 18])
@pytest.mark.parametrize("size", [(640, 640), (384, 640), (96, 96), (64, 160), (32, 32)], ids=str)
def test_scrfd_places_are_those_of_its_rule(size, opset):
    """One open graph for every size, square or not, with more or fewer anchors than places."""
    file = at_opset(scrfd(), opset)
    picture = scene(*size)
    with session_of(file) as plain, session_of(prepared(file, "det_10g").model) as session:
        out = plain.run({"input.1": planes(picture, 127.5, 128, rgb=True)})
        assert_same(run(session, picture=picture), scrfd_by_hand(out, *size))


@pytest.mark.parametrize("opset", [11, 17, 18])
def test_yunet_places_are_those_of_its_rule(opset):
    """The file is fixed at 640 px."""
    file = at_opset(yunet(), opset)
    picture = scene(640, 640)
    with session_of(file) as plain, session_of(prepared(file, "yunet").model) as session:
        out = plain.run({"input": planes(picture, 0, 1, rgb=False)})
        assert_same(run(session, picture=picture), yunet_by_hand(out, 640, 640))


@pytest.mark.parametrize("opset", [11, 17, 18])
def test_a_prepared_graph_keeps_the_file_s_operators(opset):
    """Nothing newer is put into an old file."""
    file = at_opset(scrfd(), opset)
    assert tools.opset(prepared(file, "det_10g").model) == opset


@pytest.mark.parametrize("size", [(640, 640), (384, 640), (96, 96)], ids=str)
def test_a_pyramid_is_enlarged_by_factors_and_gives_the_same(size):
    """SCRFD's real architecture works out sizes at run time; the prepared graph does not."""
    file = synthetic.build("det_10g", width=0.06)
    assert "Shape" in {node.op_type for node in file.graph.node}
    ready, picture = prepared(file, "det_10g").model, scene(*size)
    assert "Shape" not in {node.op_type for node in ready.graph.node}
    with session_of(file) as plain, session_of(ready) as session:
        out = plain.run({"input.1": planes(picture, 127.5, 128, rgb=True)})
        assert_same(run(session, picture=picture), scrfd_by_hand(out, *size))


def test_places_of_one_score_stay_in_the_file_s_order():
    """All scores alike: the first anchors of the first level are given, in order."""
    with session_of(prepared(flat(), "det_10g").model) as session:
        found = run(session, picture=np.zeros((1, 160, 160, 3), np.uint8))
    corners, stride = anchors(160, 160, 2)
    np.testing.assert_array_equal(found["landmarks"][:, 0], (corners * stride)[:PLACES])


@pytest.mark.parametrize("group", [0, 1, 2])
def test_a_value_that_is_not_finite_shows_in_the_check(group):
    """Wherever the network gave it, in the best place or not."""
    with session_of(prepared(flat(broken=group), "det_10g").model) as session:
        found = run(session, picture=np.zeros((1, 160, 160, 3), np.uint8))
    assert not np.isfinite(found["checks"]).all()


def flat(broken=None):
    """A detector that says 0.5 and no shift everywhere, or NaN in one kind of answer."""
    graph = Graph()
    names = []
    luma = graph.op("ReduceMean", "input.1", axes=[1], keepdims=1)
    for group, width in enumerate((1, 4, 10)):
        for stride in STRIDES:
            cells = graph.op("MaxPool", luma, kernel_shape=[stride] * 2, strides=[stride] * 2)
            value = np.nan if group == broken and stride == STRIDES[-1] else 0.0
            level = graph.moved(graph.scaled(cells, 0.0), value + (0.5 if group == 0 else 0.0))
            wide = graph.op("Concat", *[level] * (2 * width), axis=1)
            last = graph.op("Transpose", wide, perm=[0, 2, 3, 1])
            names.append(f"{group}_{stride}")
            graph.op("Reshape", last, graph.constant([-1, width]), to=names[-1])
    return graph.model("flat", {"input.1": (1, 3, "?", "?")}, dict.fromkeys(names, ("a", "b")))


def test_a_file_fixed_at_a_size_its_strides_do_not_divide_is_refused():
    """Its anchors could not be told."""
    file = scrfd()
    for axis, extent in ((2, 100), (3, 100)):
        file.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = extent
    with pytest.raises(ModelError, match=r"fixed at \(100, 100\) px"):
        prepared(file, "det_10g")
